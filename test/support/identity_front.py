"""A second front of a store: our identity service, and a proxy that believes it.

AllInOne ──identity_front()──▶ apus-cloud bootstrap, apus-identity-server
                            ──▶ apus-proxy-server with identity_token and keystoneauth ──▶ Front
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keystone
from fronts import front
from keystone_store import Front

PROXY_FILTERS = """
[filter:identity_token]
use = egg:apus#identity_token
token_keys = {folder}/public
identity_url = {identity}
password = cloud-password

[filter:keystoneauth]
use = egg:apus#keystoneauth
operator_roles = admin, member
project_reader_roles = reader
"""
IDENTITY_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0

[pipeline:main]
pipeline = healthcheck metrics identity-server

[app:identity-server]
use = egg:apus#identity
database = sqlite:///{folder}/identity.db
token_keys = {folder}/public
private_keys = {folder}/private
public_url = {identity}
password_memory_kib = 64
password_passes = 1

[filter:healthcheck]
use = egg:apus#healthcheck

[filter:metrics]
use = egg:apus#metrics
"""


@contextmanager
def identity_front(
    proxy_conf: Path, folder: Path, *, port: int, identity_port: int, others: tuple[str, ...] = ()
) -> Iterator[Front]:
    """An identity service with its first users, and a proxy that believes it, while they are needed.

    `others` are further endpoints of its catalogue, TYPE=URL.
    """
    identity, endpoint = f"http://127.0.0.1:{identity_port}", f"http://127.0.0.1:{port}"
    conf = IDENTITY_CONF.format(port=identity_port, folder=folder, identity=identity)
    bootstrapped(folder / "bootstrap.conf", conf, identity, endpoint, *others)
    head, pipeline, tail = re.split(
        r"(^pipeline *=.*$)", proxy_conf.read_text(), maxsplit=1, flags=re.MULTILINE
    )
    pipeline = re.sub(r"\btempauth\b", "identity_token keystoneauth", pipeline)
    head = re.sub(r"^bind_port *=.*$", f"bind_port = {port}", head, flags=re.MULTILINE)
    filters = PROXY_FILTERS.format(folder=folder, identity=identity)
    with (
        front(conf, folder, port=identity_port, kind="identity"),
        front(f"{head}{pipeline}{tail}\n{filters}", folder, port=port),
    ):
        yield Front(endpoint, f"{identity}/v3")


def bootstrapped(path: Path, conf: str, identity: str, endpoint: str, *others: str) -> str:
    """Run `apus-cloud bootstrap` as an operator would, with other endpoints (TYPE=URL) too; return what it said."""
    path.write_text(conf)
    command = [
        *(sys.executable, "-m", "apus.bin.cloud", "bootstrap", str(path)),
        *("--endpoint", f"identity={identity}/v3"),
        *("--endpoint", f"object-store={endpoint}/v1/AUTH_$(project_id)s"),
        *(word for other in others for word in ("--endpoint", other)),
        *("--clouds-yaml", str(path.with_name("clouds.yaml")), "--auth-url", f"{identity}/v3"),
    ]
    passwords = {
        "APUS_ADMIN_PASSWORD": keystone.ADMIN_PASSWORD,
        "APUS_DEMO_PASSWORD": "demo-password",
        "APUS_CLOUD_PASSWORD": "cloud-password",
    }
    done = subprocess.run(
        command, env={**os.environ, **passwords}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
