"""Stock OpenStack Glance, with its Swift store pointed at a store of ours.

    identity_front(…) ──▶ Front ──stock_glance()──▶ glance-manage db_sync, gunicorn glance.wsgi.api ──▶ its URL

It comes from a virtual environment of its own (`.ci/install glance`). Its tokens are checked by stock's
keystonemiddleware at our identity service, which also logs its Swift store in.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters import ROOT
from keystone_store import Front

VENV = ROOT / ".venv-glance"
START_SECONDS = 180
CONTAINER = "glance"
SEGMENT_BYTES = 100 * 1_024_000  # A megabyte of its Swift store has 1000 KiB.
CONF = """[DEFAULT]
enabled_backends = apus:swift
log_file = {folder}/glance.log
worker_self_reference_url = {url}

[database]
connection = sqlite:///{folder}/glance.db

[paste_deploy]
flavor = keystone
config_file = {folder}/glance-api-paste.ini

[keystone_authtoken]
www_authenticate_uri = {identity}
auth_url = {identity}
auth_type = password
user_domain_id = default
project_domain_id = default
project_name = service
username = cloud
password = cloud-password

[glance_store]
default_backend = apus

[apus]
swift_store_config_file = {folder}/swift-store.conf
default_swift_reference = ours
swift_store_container = {container}
swift_store_create_container_on_put = true
swift_store_large_object_size = 100
swift_store_large_object_chunk_size = 100

[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging

[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
"""
STORE_CONF = """[ours]
user = service:cloud
key = cloud-password
auth_address = {identity}
user_domain_id = default
project_domain_id = default
"""


@contextmanager
def stock_glance(front: Front, folder: Path, *, port: int) -> Iterator[str]:
    """Serve it at a port while it is needed."""
    url = f"http://127.0.0.1:{port}"
    conf = folder / "glance-api.conf"
    conf.write_text(CONF.format(folder=folder, url=url, identity=front.identity, container=CONTAINER))
    (folder / "swift-store.conf").write_text(STORE_CONF.format(identity=front.identity))
    shutil.copy(VENV / "etc" / "glance" / "glance-api-paste.ini", folder)
    environment = {**os.environ, "OS_GLANCE_CONFIG_DIR": str(folder)}
    with (folder / "glance.out").open("wb") as log:
        sync = [str(VENV / "bin" / "glance-manage"), "--config-file", str(conf), "db_sync"]
        subprocess.run(sync, check=True, stdout=log, stderr=log)
        command = [str(VENV / "bin" / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--threads", "4"]
        process = subprocess.Popen(
            [*command, "--timeout", "600", "glance.wsgi.api:application"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _await(url, process, folder)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _await(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthcheck", timeout=60):
                return
        except OSError:
            said = (folder / "glance.out").read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"Glance ended at once: {said}"
            assert time.monotonic() < deadline, f"Glance does not answer: {said}"
            time.sleep(0.2)
