"""Writes etc/*.sample: every option of every server and daemon, from the classes that read them.

configuration classes ──▶ samples() ──▶ {file name: text} ──▶ etc/        (`make samples`; a test compares)

An option that [DEFAULT] of the same file has already is not repeated in the sections below it.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..account.reaper import ReaperSettings
from ..common.backend_ratelimit import BackendRatelimitConfig
from ..common.cluster_secret import ClusterSecretConfig
from ..common.config import sample
from ..common.constraints import Constraints
from ..common.database.auditing import AuditorSettings
from ..common.database.service import ServiceSettings
from ..common.healthcheck import HealthcheckConfig
from ..common.http.settings import ServerOptions
from ..common.logs import LogSettings
from ..common.metrics import MetricsConfig
from ..common.recon import ReconConfig
from ..compute.block.config import BlockConfig
from ..compute.identity.settings import IdentityConfig
from ..compute.image.settings import ImageSettings
from ..compute.network.host.agent import AgentSettings
from ..compute.network.settings import NetworkSettings
from ..compute.server.agent.settings import AgentConfig
from ..compute.server.console.settings import ConsoleConfig
from ..compute.server.settings import ServerConfig
from ..compute.store.config import StoreConfig
from ..compute.volume.settings import VolumeConfig
from ..container.sync import SyncSettings
from ..container.updater import UpdaterSettings
from ..object.auditor import ObjectAuditorSettings
from ..object.expirer import ExpirerSettings
from ..object.settings import ObjectSettings
from ..object.updater import ObjectUpdaterSettings
from ..proxy.middleware.account_quotas import AccountQuotasConfig
from ..proxy.middleware.bulk import BulkConfig
from ..proxy.middleware.cache import CacheConfig
from ..proxy.middleware.catch_errors import CatchErrorsConfig
from ..proxy.middleware.cname_lookup import CnameLookupConfig
from ..proxy.middleware.container_sync import ContainerSyncConfig
from ..proxy.middleware.copy import CopyConfig
from ..proxy.middleware.crossdomain import CrossdomainConfig
from ..proxy.middleware.dlo import DloConfig
from ..proxy.middleware.domain_remap import DomainRemapConfig
from ..proxy.middleware.encryption import EncryptionConfig
from ..proxy.middleware.etag_quoter import EtagQuoterConfig
from ..proxy.middleware.formpost import FormpostConfig
from ..proxy.middleware.gatekeeper import GatekeeperConfig
from ..proxy.middleware.identity_token import IdentityTokenConfig
from ..proxy.middleware.keymaster import KeymasterConfig
from ..proxy.middleware.keystoneauth import KeystoneauthConfig
from ..proxy.middleware.list_endpoints import ListEndpointsConfig
from ..proxy.middleware.name_check import NameCheckConfig
from ..proxy.middleware.proxy_logging import ProxyLoggingConfig
from ..proxy.middleware.ratelimit import RatelimitConfig
from ..proxy.middleware.read_only import ReadOnlyConfig
from ..proxy.middleware.s3.notification.recording import NotificationsConfig
from ..proxy.middleware.s3.settings import S3Config
from ..proxy.middleware.slo import SloConfig
from ..proxy.middleware.staticweb import StaticwebConfig
from ..proxy.middleware.symlink import SymlinkConfig
from ..proxy.middleware.tempauth import TempauthConfig
from ..proxy.middleware.tempurl import TempurlConfig
from ..proxy.middleware.versioned_writes import VersionedWritesConfig
from ..proxy.settings import ProxySettings
from ..replicator.database import ReplicatorSettings
from ..replicator.object import ReplicatorConfig
from .block_server import BlockServerConfig
from .block_sweeper import BlockSweeperConfig
from .lifecycle import LifecycleSettings
from .notifier import NotifierSettings

FOLDER = Path(__file__).resolve().parent.parent / "etc"
_PORTS = {
    "proxy": 8080,
    "object": 6200,
    "container": 6201,
    "account": 6202,
    "compute": 8774,
    "identity": 5000,
    "image": 9292,
    "network": 9696,
    "volume": 8776,
}


@dataclass(frozen=True, slots=True)
class Section:
    """One section: what must be said, and the classes whose options may be."""

    name: str
    classes: Sequence[type] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    intro: str = ""

    @property
    def short_name(self) -> str:
        """The name by which a pipeline calls a filter."""
        return self.name.partition(":")[2]


def _filter(name: str, *classes: type, **given: str) -> Section:
    return Section(f"filter:{name}", classes, {"use": f"egg:apus#{name}", **given})


def _further(name: str, config: type, intro: str) -> Section:
    return Section(f"filter:{name}", (config,), {"use": f"egg:apus#{name}"}, f"Not in the pipeline. {intro}")


PROXY_FILTERS = (
    _filter("catch_errors", CatchErrorsConfig),
    _filter("gatekeeper", GatekeeperConfig),
    _filter("healthcheck", HealthcheckConfig),
    _filter("metrics", MetricsConfig),
    _filter("proxy_logging", ProxyLoggingConfig),
    _filter("cache", CacheConfig),
    _filter("etag_quoter", EtagQuoterConfig),
    _filter("listing_formats"),
    _filter("container_sync", ContainerSyncConfig),
    _filter("bulk", BulkConfig),
    _filter("tempurl", TempurlConfig),
    _filter("s3", S3Config),
    _filter("formpost", FormpostConfig),
    _filter("tempauth", TempauthConfig, user_ACCOUNT_NAME="KEY .admin"),
    _filter("staticweb", StaticwebConfig),
    _filter("copy", CopyConfig),
    _filter("container_quotas"),
    _filter("account_quotas", AccountQuotasConfig),
    _filter("slo", SloConfig),
    _filter("dlo", DloConfig),
    _filter("notifications", NotificationsConfig),
    _filter("versioned_writes", VersionedWritesConfig),
    _filter("symlink", SymlinkConfig),
)
"""The pipeline before the proxy, in its order."""

FURTHER_PROXY_FILTERS = (
    Section(
        "filter:authtoken",
        (),
        {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            "www_authenticate_uri": "http://127.0.0.1:5000",
            "auth_url": "http://127.0.0.1:5000",
            "auth_type": "password",
            "project_domain_id": "default",
            "user_domain_id": "default",
            "project_name": "service",
            "username": "swift",
            "password": "changeme",
            "delay_auth_decision": "true",
            "cache": "swift.cache",
            "include_service_catalog": "false",
        },
        "Not in the pipeline. With Keystone, `authtoken keystoneauth` stand in tempauth's place. It is "
        "OpenStack's own filter (pip install apus[keystone]), and these are its options.",
    ),
    _further(
        "identity_token",
        IdentityTokenConfig,
        "With our own identity service `identity_token keystoneauth` stand in tempauth's place: "
        "doc/identity.md.",
    ),
    _further(
        "keystoneauth",
        KeystoneauthConfig,
        "Goes after authtoken or identity_token and nowhere else: anybody could claim to be anybody.",
    ),
    _further("crossdomain", CrossdomainConfig, "Goes before tempauth."),
    _further(
        "list_endpoints",
        ListEndpointsConfig,
        "Goes before tempauth; tells everybody addresses of storage servers.",
    ),
    _further("cname_lookup", CnameLookupConfig, "Goes before domain_remap."),
    _further("domain_remap", DomainRemapConfig, "Goes before etag_quoter, and all else that reads paths."),
    _further(
        "ratelimit",
        RatelimitConfig,
        "Goes before tempauth. Beside the options below: container_ratelimit_SIZE = RATE and "
        "container_listing_ratelimit_SIZE = RATE, requests a second in a container of SIZE objects; "
        "between two sizes the rate lies on the line between theirs.",
    ),
    _further(
        "read_only",
        ReadOnlyConfig,
        "Goes last, before name_check.",
    ),
    _further("name_check", NameCheckConfig, "Goes last, before the proxy."),
    _further(
        "keymaster",
        KeymasterConfig,
        "Goes right before encryption; doc/operating.md says how its secrets are kept and changed.",
    ),
    _further("encryption", EncryptionConfig, "Goes right before the proxy, behind keymaster."),
)
"""What a pipeline may have besides."""


def _server(kind: str, pipeline: str, settings: type) -> list[Section]:
    default = Section("DEFAULT", (ServerOptions, LogSettings), {"bind_port": str(_PORTS[kind])})
    return [
        default,
        Section("pipeline:main", (), {"pipeline": f"{pipeline} {kind}-server"}),
        Section(f"app:{kind}-server", (settings,), {"use": f"egg:apus#{kind}"}),
    ]


def _storage(kind: str, settings: type, daemons: Mapping[str, type]) -> list[Section]:
    return [
        *_server(kind, "healthcheck metrics recon cluster_secret", settings),
        _filter("healthcheck", HealthcheckConfig),
        _filter("metrics", MetricsConfig),
        _filter("recon", ReconConfig),
        _filter("cluster_secret", ClusterSecretConfig),
        _further("backend_ratelimit", BackendRatelimitConfig, "Goes last, before the server."),
        *(Section(f"{kind}-{name}", (config,)) for name, config in daemons.items()),
    ]


def _tenant(kind: str, *settings: type) -> list[Section]:
    """One of the cloud's services, which keep what they have in an account of a store."""
    return [
        Section("DEFAULT", (ServerOptions, LogSettings), {"bind_port": str(_PORTS[kind])}),
        Section("pipeline:main", (), {"pipeline": f"healthcheck metrics {kind}-server"}),
        _filter("healthcheck", HealthcheckConfig),
        _filter("metrics", MetricsConfig),
        Section(f"app:{kind}-server", settings, {"use": f"egg:apus#{kind}"}),
    ]


def files() -> dict[str, list[Section]]:
    """What each sample file consists of."""
    return {**_store_files(), **_cloud_files()}


def _cloud_files() -> dict[str, list[Section]]:
    return {
        "network-agent.conf": [
            Section("DEFAULT", (LogSettings,)),
            Section(
                "network-agent",
                (AgentSettings,),
                {"metadata_secret": "changeme", "password": "changeme"},
                "Makes a host's networks what the network service says; doc/network.md.",
            ),
        ],
        "compute-agent.conf": [
            Section("DEFAULT", (LogSettings,)),
            Section(
                "compute-agent",
                (AgentConfig, StoreConfig, BlockConfig),
                {"host": "changeme", "key": "changeme"},
                "Keeps a host's machines as the server service wants them; doc/compute.md.",
            ),
        ],
        "compute-server.conf": _tenant("compute", ServerConfig, StoreConfig),
        "console-server.conf": [
            Section("DEFAULT", (LogSettings,)),
            Section(
                "console-server",
                (ConsoleConfig,),
                {"key": "changeme"},
                "Serves consoles of servers by websocket; doc/compute.md.",
            ),
        ],
        "network-server.conf": _tenant("network", NetworkSettings),
        "block-server.conf": [
            Section("DEFAULT", (LogSettings,)),
            Section(
                "block-server",
                (BlockServerConfig, StoreConfig, BlockConfig),
                {},
                "Attaches disks of the cloud to this host; doc/block-layer.md.",
            ),
            Section(
                "block-sweeper",
                (BlockSweeperConfig, StoreConfig, BlockConfig),
                {},
                "Removes blocks that no disk has; one for the account is enough.",
            ),
        ],
    }


def _store_files() -> dict[str, list[Section]]:
    return {
        "swift.conf": [
            Section(
                "swift-hash",
                (),
                {"swift_hash_path_prefix": "changeme", "swift_hash_path_suffix": "changeme"},
                "Mixed into the hash of every name, so that nobody outside can aim at one partition. "
                "The same on all nodes; it can never be changed once there is data.",
            ),
            Section(
                "storage-policy:0",
                (),
                {"name": "gold", "policy_type": "replication", "default": "yes"},
                "The ring of policy 0 is object.ring.gz, of policy N object-N.ring.gz.",
            ),
            Section("swift-constraints", (Constraints,), {}, "Limits of names, metadata and listings."),
            Section(
                "apus",
                (),
                {"cluster_secret": ""},
                "Where it is set, storage servers answer only who knows it (filter cluster_secret).",
            ),
        ],
        "proxy-server.conf": [
            *_server("proxy", " ".join(each.short_name for each in PROXY_FILTERS), ProxySettings),
            *PROXY_FILTERS,
            *FURTHER_PROXY_FILTERS,
        ],
        "object-server.conf": _storage(
            "object",
            ObjectSettings,
            {
                "replicator": ReplicatorConfig,
                "auditor": ObjectAuditorSettings,
                "updater": ObjectUpdaterSettings,
                "expirer": ExpirerSettings,
            },
        ),
        "container-server.conf": _storage(
            "container",
            ServiceSettings,
            {
                "replicator": ReplicatorSettings,
                "auditor": AuditorSettings,
                "updater": UpdaterSettings,
                "sync": SyncSettings,
                "lifecycle": LifecycleSettings,
                "notifier": NotifierSettings,
            },
        ),
        "account-server.conf": _storage(
            "account",
            ServiceSettings,
            {"replicator": ReplicatorSettings, "auditor": AuditorSettings, "reaper": ReaperSettings},
        ),
        "identity-server.conf": _tenant("identity", IdentityConfig),
        "image-server.conf": _tenant("image", ImageSettings, StoreConfig, BlockConfig),
        "volume-server.conf": _tenant("volume", VolumeConfig, StoreConfig, BlockConfig),
    }


def samples() -> dict[str, str]:
    """The text of every sample file by its name."""
    return {f"{name}.sample": "\n".join(_texts(sections)) for name, sections in files().items()}


def _texts(sections: Sequence[Section]) -> Iterator[str]:
    inherited: set[str] = set()
    for section in sections:
        lines = [f"[{section.name}]"]
        lines += [f"# {line}" for line in textwrap.wrap(section.intro, 96)]
        lines += [f"{name} = {value}".rstrip() for name, value in section.given.items()]
        named = set(section.given)
        for option, block in _options(section):
            if option not in named | inherited:
                named.add(option)
                lines += ["#", *block]
        if section.name == "DEFAULT":
            inherited = named
        yield "\n".join(lines) + "\n"


def _options(section: Section) -> Iterator[tuple[str, list[str]]]:
    """Each option with its lines: the help and, last, its default."""
    for each in section.classes:
        block: list[str] = []
        for line in [*sample(each, section.name).splitlines()[1:], "#"]:
            if line != "#":
                block.append(line)
            elif block:
                yield block[-1].removeprefix("# ").partition(" =")[0], block
                block = []


def main() -> int:
    """Write the files."""
    for name, text in samples().items():
        FOLDER.joinpath(name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
