"""The cloud's services of an all-in-one cluster: their confs, and their first users.

    Layout, secrets ──▶ files() ──▶ {path: text}        found() ──▶ apus-cloud bootstrap ──▶ clouds.yaml

They log in to the store as the user `cloud`, who may no more than anybody else who may have containers. The
services' names, ports and folders are layout.py's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ...common.errors import ApusError, Refused
from .confs import CLOUD_PREFIX, ini, workers_of
from .layout import Layout

_PIPELINE = "healthcheck metrics"
_REGION = "RegionOne"
_STORE_URL = f"/v1/{CLOUD_PREFIX}_$(project_id)s"
_PATHS: Mapping[str, Mapping[str, str]] = {
    "identity": {"identity": "/v3"},
    "image": {"image": ""},
    "volume": {"volumev3": "/v3/$(project_id)s", "block-storage": "/v3/$(project_id)s"},
    "compute": {"compute": "/v2.1"},
    "network": {"network": ""},
}
"""What each service is called in the catalogue, and the end of its URL there."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the services know each other by; made once."""

    cloud_password: str
    agent_secret: str
    metadata_secret: str

    @classmethod
    def of(cls, layout: Layout) -> Secrets:
        """Return the cluster's, new ones where there are none."""
        path = layout.cloud_secrets
        if path.exists():
            return cls(**json.loads(path.read_text()))
        fresh = cls(*(secrets.token_urlsafe(18) for _ in range(3)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(fresh)) + "\n")
        return fresh


def files(layout: Layout, known: Secrets) -> dict[Path, str]:
    """The confs of all services."""
    options: dict[str, dict[str, str]] = {
        "identity": {
            "token_keys": str(layout.token_keys),
            "private_keys": str(layout.cloud / "keys"),
        },
        "image": {**_tenant(layout, known)},
        "volume": {
            **_tenant(layout, known),
            **_service_user(known),
            "image_url": layout.tenant_url("image"),
        },
        "network": {**_verified(layout)},
        "compute": {
            **_tenant(layout, known),
            **_service_user(known),
            "image_url": layout.tenant_url("image"),
            "network_url": layout.tenant_url("network"),
            "volume_url": f"{layout.tenant_url('volume')}/v3",
            "agent_secret": known.agent_secret,
            "metadata_secret": known.metadata_secret,
            "console_url": f"http://{layout.reachable_ip}:{layout.consoles_port}/",
        },
    }
    sweeping = {**store_login(layout, known), "sweep_settle_seconds": "0"}  # Our listings are never late.
    return {
        layout.sweeper.conf: ini({layout.sweeper.role: sweeping}),
        **{
            layout.tenant(name).conf: _conf(layout, name, {"database": _database(layout, name), **more})
            for name, more in options.items()
        },
    }


def refuse_without_libraries() -> None:
    """Refuse to make a cloud where its libraries are not installed."""
    if importlib.util.find_spec("sqlalchemy") is None:
        raise Refused(
            "the cloud's services need more libraries: "
            "run `make up APUS_SERVICES=all`, or install apus[cloud]"
        )


def found(layout: Layout, known: Secrets) -> None:
    """Make the first domain, users and endpoints, and clouds.yaml; again: nothing.

    Raises:
        ApusError: with what the command said.
    """
    words = [sys.executable, "-m", "apus.bin.cloud", "bootstrap", str(layout.tenant("identity").conf)]
    for kind, url in _endpoints(layout).items():
        words += ["--endpoint", f"{kind}={url}"]
    words += ["--region", _REGION, "--auth-url", f"{layout.tenant_url('identity')}/v3"]
    words += ["--cloud-password", known.cloud_password]
    if not layout.clouds_file.exists():
        words += ["--clouds-yaml", str(layout.clouds_file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ApusError(f"the cloud could not be founded: {(done.stderr or done.stdout).strip()}")
    person, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and person and group:
        os.chown(
            layout.clouds_file, int(person), int(group)
        )  # Who said sudo will run `openstack` without it.


def _endpoints(layout: Layout) -> dict[str, str]:
    """Where the catalogue says that each service is."""
    told = {"object-store": f"{layout.endpoint}{_STORE_URL}"}
    for name, paths in _PATHS.items():
        told |= {kind: f"{layout.tenant_url(name)}{end}" for kind, end in paths.items()}
    return told


def _verified(layout: Layout) -> dict[str, str]:
    """Where tokens are checked."""
    return {"identity_url": layout.tenant_url("identity"), "token_keys": str(layout.token_keys)}


def _tenant(layout: Layout, known: Secrets) -> dict[str, str]:
    """That, and the account in the store."""
    return {**_verified(layout), **store_login(layout, known)}


def store_login(layout: Layout, known: Secrets) -> dict[str, str]:
    """The services' account in the store, in the words of their confs."""
    return {
        "store_auth_url": f"{layout.tenant_url('identity')}/v3",
        "store_auth_version": "3",
        "store_user": "cloud",
        "store_key": known.cloud_password,
        "store_project": "service",
    }


def _service_user(known: Secrets) -> dict[str, str]:
    return {"service_user": "cloud", "service_password": known.cloud_password}


def _database(layout: Layout, name: str) -> str:
    return f"sqlite:///{layout.cloud / f'{name}.db'}"


def _conf(layout: Layout, name: str, options: Mapping[str, str]) -> str:
    service = layout.tenant(name)
    return ini(
        {
            "DEFAULT": {
                "bind_ip": layout.bind_ip,
                "bind_port": str(service.port),
                "workers": workers_of(layout),
            },
            "pipeline:main": {"pipeline": f"{_PIPELINE} {service.role}"},
            f"app:{service.role}": {"use": f"egg:apus#{name}", **options},
            **{f"filter:{each}": {"use": f"egg:apus#{each}"} for each in _PIPELINE.split()},
        }
    )
