"""The configuration files of an all-in-one cluster, as text.

    Layout, users ──▶ files() ──▶ {path: text} of cluster, proxy and storage nodes

Pure: who calls it writes the files, once; a person may edit them afterwards. Intervals are a laptop's:
short enough to watch the daemons work, long enough to leave the machine idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .layout import KINDS, Layout, Node

TEST_USERS: Mapping[str, str] = {
    "user_admin_admin": "admin .admin .reseller_admin",
    "user_test_tester": "testing .admin",
    "user_test_tester3": "testing3",
    "user_test2_tester2": "testing2 .admin",
    "user_test5_tester5": "testing5 service",
}
_CLOUD_FILTERS = ("identity_token", "keystoneauth")
"""Who knows the cloud's users, beside tempauth with the store's; their accounts' names begin differently."""
_PROXY_FILTERS = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "metrics",
    "proxy_logging",
    "etag_quoter",
    "listing_formats",
    "container_sync",
    "bulk",
    "tempurl",
    "s3",
    "formpost",
    *_CLOUD_FILTERS,
    "tempauth",
    "staticweb",
    "copy",
    "container_quotas",
    "account_quotas",
    "slo",
    "dlo",
    "notifications",
    "versioned_writes",
    "symlink",
)
PIPELINE = " ".join((*(name for name in _PROXY_FILTERS if name not in _CLOUD_FILTERS), "proxy-server"))
CLOUD_PIPELINE = " ".join((*_PROXY_FILTERS, "proxy-server"))
CLOUD_PREFIX = "PROJECT"
STORAGE_PIPELINE = "healthcheck metrics recon"

_SECTIONS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "object": {
        "object-replicator": {"interval": "60"},
        "object-auditor": {"interval": "300", "files_per_second": "20", "bytes_per_second": "20000000"},
        "object-updater": {"interval": "15"},
        "object-expirer": {"interval": "60"},
    },
    "container": {
        "container-replicator": {"interval": "30"},
        "container-auditor": {"interval": "300"},
        "container-updater": {"interval": "15"},
        "container-sync": {"interval": "30"},
        "container-lifecycle": {"interval": "3600"},
    },
    "account": {
        "account-replicator": {"interval": "30"},
        "account-auditor": {"interval": "300"},
        "account-reaper": {"interval": "60"},
    },
}


def cluster_conf(*, prefix: str, suffix: str) -> str:
    """What all processes agree on; the salt is the cluster's own and must never change."""
    return ini(
        {
            "swift-hash": {"swift_hash_path_prefix": prefix, "swift_hash_path_suffix": suffix},
            "storage-policy:0": {"name": "gold", "policy_type": "replication", "default": "yes"},
        }
    )


def proxy_conf(layout: Layout, users: Mapping[str, str], cloud_password: str = "") -> str:
    """The proxy's pipeline, open to these users, and to the cloud's where there is one."""
    pipeline = CLOUD_PIPELINE if layout.has_cloud else PIPELINE
    filters: dict[str, dict[str, str]] = {
        f"filter:{name}": {"use": f"egg:apus#{name}"} for name in pipeline.split()[:-1]
    }
    if layout.has_cloud:
        filters["filter:identity_token"] |= {
            "token_keys": str(layout.token_keys),
            "identity_url": layout.tenant_url("identity"),
            "password": cloud_password,
            "reseller_prefix": CLOUD_PREFIX,
        }
        filters["filter:keystoneauth"] |= {
            "reseller_prefix": CLOUD_PREFIX,
            # Whoever has servers and volumes has containers as well, and who reads those reads these.
            "operator_roles": "admin, member, swiftoperator",
            "project_reader_roles": "reader",
        }
    filters["filter:versioned_writes"] |= {
        "allow_versioned_writes": "true",
        "allow_object_versioning": "true",
    }
    filters["filter:s3"] |= {
        "access_log_spool": str(layout.home / "proxy" / "s3-access-log"),
        "access_log_seconds": "5",
    }
    filters["filter:tempauth"] = {"use": "egg:apus#tempauth", "reseller_prefix": "AUTH", **users}
    return ini(
        {
            "DEFAULT": {
                "bind_ip": layout.bind_ip,
                "bind_port": str(layout.port),
                "workers": workers_of(layout),
                "swift_dir": str(layout.etc),
            },
            "pipeline:main": {"pipeline": pipeline},
            "app:proxy-server": {
                "use": "egg:apus#proxy",
                "account_autocreate": "true",
                "allow_account_management": "true",
                # On one machine a late replica waits for a core; a stale answer is kept for a minute.
                "post_quorum_timeout": "3",
                # Workers do not see what another one forgets, and there is no memcached to tell them.
                **({"info_cache_seconds": "0"} if layout.workers > 1 else {}),
            },
            **filters,
        }
    )


def storage_conf(layout: Layout, node: Node, kind: str) -> str:
    """The conf of one node's object, container or account server and of its daemons."""
    return ini(
        {
            "DEFAULT": {
                "bind_ip": "127.0.0.1",
                "bind_port": str(node.port(kind)),
                "workers": workers_of(layout),
                "swift_dir": str(layout.etc),
                "devices": str(node.devices),
                "mount_check": "false",
                "recon_cache_path": str(node.cache),
            },
            "pipeline:main": {"pipeline": f"{STORAGE_PIPELINE} {kind}-server"},
            f"app:{kind}-server": {"use": f"egg:apus#{kind}"},
            **{f"filter:{name}": {"use": f"egg:apus#{name}"} for name in STORAGE_PIPELINE.split()},
            **_SECTIONS[kind],
        }
    )


def notifier_conf(layout: Layout) -> str:
    """The conf of who calls webhooks; its figures are told by the first node's container server."""
    return ini(
        {
            "container-notifier": {
                "swift_dir": str(layout.etc),
                "recon_cache_path": str(layout.nodes[0].cache),
                "interval": "2",
            }
        }
    )


def workers_of(layout: Layout) -> str:
    """0 means: serve in the one process that there is, without a foreman to watch over it."""
    return str(layout.workers) if layout.workers > 1 else "0"


def node_files(layout: Layout, node: Node) -> dict[Path, str]:
    """All confs of one storage node."""
    return {node.conf(kind): storage_conf(layout, node, kind) for kind in KINDS}


def files(layout: Layout, users: Mapping[str, str], *, prefix: str, suffix: str) -> dict[Path, str]:
    """All confs of the cluster."""
    texts = {
        layout.cluster_conf: cluster_conf(prefix=prefix, suffix=suffix),
        layout.proxy.conf: proxy_conf(layout, users),
    }
    for node in layout.nodes:
        texts.update(node_files(layout, node))
    return texts


def parse_users(text: str) -> dict[str, str]:
    """The users of a users.conf: lines of `user_ACCOUNT_NAME = KEY [ROLE…]`; ValueError names a bad one."""
    users = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;[":
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not value or name.count("_") < 2 or not name.startswith("user_"):
            raise ValueError(f"line {number}: expected user_ACCOUNT_NAME = KEY [ROLE…], not {stripped!r}")
        users[name] = value
    return users


def well_known(users: Mapping[str, str]) -> list[str]:
    """Those users whose name and key anybody can read in our documents."""
    keys = {name: value.split()[0] for name, value in TEST_USERS.items()}
    return [name for name, value in users.items() if keys.get(name) == value.split()[0]]


def ini(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The text of a conf with these sections and options."""
    blocks = []
    for section, options in sections.items():
        blocks.append("\n".join([f"[{section}]", *(f"{name} = {value}" for name, value in options.items())]))
    return "\n\n".join(blocks) + "\n"
