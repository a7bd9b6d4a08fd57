"""The volume service as people use it: a process of its own over a real store, and the `openstack` command."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from store import Store
from tenant_service import PATIENCE_SECONDS, TenantService

CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0

[pipeline:main]
pipeline = healthcheck metrics volume-server

[filter:healthcheck]
use = egg:apus#healthcheck

[filter:metrics]
use = egg:apus#metrics

[app:volume-server]
use = egg:apus#volume
database = sqlite:///{folder}/volume.db
token_keys = {folder}/public
store_auth_url = {store}/auth/v1.0
store_user = {user}
store_key = {key}
poll_seconds = 0.1
"""


class Service(TenantService):
    """The volume service, and what the tests ask of it."""

    endpoint = "/v3/{project}"

    def __init__(self, folder: Path, store: Store) -> None:
        super().__init__("volume", CONF, folder, store)

    def call(self, method: str, path: str, document: Any = None) -> requests.Response:
        """Send a request."""
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": "volume 3.70"}
        url = f"{self.url}/v3/{self.project_id}{path}"
        return requests.request(method, url, headers=headers, json=document, timeout=PATIENCE_SECONDS)

    def settled(self, kind: str, resource_id: str) -> str:
        """Wait until nothing is being done with it; return its status, "gone" for none."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            reply = self.call("GET", f"/{kind}s/{resource_id}")
            status = "gone" if reply.status_code == 404 else str(reply.json()[kind]["status"])
            if status in ("available", "in-use", "gone") or status.startswith("error"):
                return status
            assert time.monotonic() < deadline, reply.text
            time.sleep(0.05)


@pytest.fixture(scope="module")
def service(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the module."""
    running = Service(tmp_path_factory.mktemp("volume"), store)
    yield running
    running.stop()


def test_the_openstack_client(service: Service, tmp_path: Path) -> None:
    """Volumes, snapshots, backups, restores, transfers and types, as by hand."""
    made, types = service.openstack(
        "volume create --size 1 --property a=b disk -f json", "volume type list -f json", cwd=tmp_path
    )
    assert [row["Name"] for row in types] == ["__DEFAULT__"]
    assert service.settled("volume", made["id"]) == "available"
    shown, listed, snapshot, backup = service.openstack(
        "volume show disk -f json",
        "volume list --long -f json",
        "volume snapshot create --volume disk shot -f json",
        "volume backup create --name kept disk -f json",
        cwd=tmp_path,
    )
    assert shown["properties"] == {"a": "b"}
    assert [row["Name"] for row in listed] == ["disk"]
    assert service.settled("snapshot", snapshot["id"]) == "available"
    assert service.settled("backup", backup["id"]) == "available"
    assert service.settled("volume", made["id"]) == "available"
    clone, restored, backups, snapshots = service.openstack(
        "volume create --snapshot shot --size 3 clone -f json",
        "volume backup restore kept again -f json",
        "volume backup list --long -f json",
        "volume snapshot list -f json",
        "volume set --size 2 --name bigger --property c=d disk",
        cwd=tmp_path,
    )
    assert service.settled("volume", clone["id"]) == "available"
    assert service.settled("volume", restored["volume_id"]) == "available"
    assert service.settled("backup", backup["id"]) == "available"
    assert service.settled("volume", made["id"]) == "available"
    assert [row["Name"] for row in backups] == ["kept"]
    assert [row["Name"] for row in snapshots] == ["shot"]
    (offer,) = service.openstack(
        "volume transfer request create --name gift clone -f json",
        "volume snapshot delete shot",
        "volume backup delete kept",
        "volume delete again",
        cwd=tmp_path,
    )
    assert offer["auth_key"]
    assert service.settled("snapshot", snapshot["id"]) == "gone"
    assert service.settled("backup", backup["id"]) == "gone"
    service.call("DELETE", f"/volume-transfers/{offer['id']}")
    for volume_id in (made["id"], clone["id"]):
        assert service.call("DELETE", f"/volumes/{volume_id}").status_code == 202
    for volume_id in (made["id"], clone["id"], restored["volume_id"]):
        assert service.settled("volume", volume_id) == "gone"


def test_a_killed_process_goes_on_where_it_was(service: Service) -> None:
    """Volumes ordered just before SIGKILL are made by the next process, without anybody asking again."""
    ordered = [
        service.call("POST", "/volumes", {"volume": {"size": 1, "name": f"v{number}"}}).json()["volume"]["id"]
        for number in range(5)
    ]
    os.kill(service.pid, signal.SIGKILL)
    service.stop()
    service.start()
    assert [service.settled("volume", volume_id) for volume_id in ordered] == ["available"] * 5
    for volume_id in ordered:
        service.call("DELETE", f"/volumes/{volume_id}")
    assert [service.settled("volume", volume_id) for volume_id in ordered] == ["gone"] * 5
