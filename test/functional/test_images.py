"""The image service as people use it: a process of its own over a real store, and unmodified clients."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from keystone_world import project
from store import KEYS, Store
from tenant_service import PATIENCE_SECONDS, USER, TenantService

from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.sweeping import Sweeper
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

BLOCK = 1 << 20
CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0

[pipeline:main]
pipeline = healthcheck image-server

[filter:healthcheck]
use = egg:apus#healthcheck

[app:image-server]
use = egg:apus#image
database = sqlite:///{folder}/image.db
token_keys = {folder}/public
store_auth_url = {store}/auth/v1.0
store_user = {user}
store_key = {key}
block_size = {block}
sweep_grace_seconds = 0
upload_lease_seconds = 2
upkeep_seconds = 0.2
"""


class Service(TenantService):
    """The image service, and what the tests ask."""

    endpoint = "/v2"

    def __init__(self, folder: Path, store: Store) -> None:
        super().__init__("image", CONF, folder, store, block=BLOCK)
        self.account = Account(
            StoreConfig(store_auth_url=f"{store.endpoint}/auth/v1.0", store_user=USER, store_key=KEYS[USER])
        )

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request to the image service."""
        headers = {"X-Auth-Token": self.token, **more.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, timeout=PATIENCE_SECONDS, **more)

    def made(self, **properties: Any) -> str:
        """Make an image without data."""
        document = {"disk_format": "raw", "container_format": "bare", **properties}
        return str(self.call("POST", "/v2/images", json=document).json()["id"])

    def status(self, image_id: str) -> str:
        """Where the image is in its life."""
        return str(self.call("GET", f"/v2/images/{image_id}").json()["status"])


@pytest.fixture(scope="module")
def service(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the module."""
    running = Service(tmp_path_factory.mktemp("image"), store)
    yield running
    running.stop()


def test_the_openstack_client(service: Service, tmp_path: Path) -> None:
    """Create, import, show, set, list, save (which checks the sum) and delete, as by hand."""
    data = random.Random(1).randbytes(3 * BLOCK + 17)
    (tmp_path / "disk.raw").write_bytes(data)
    created, imported, shown, listed = service.openstack(
        "image create direct --file disk.raw --disk-format raw --container-format bare --property hw_disk_bus=scsi -f json",
        "image create staged --file disk.raw --disk-format raw --import -f json",
        "image show direct -f json",
        "image list --name direct -f json",
        cwd=tmp_path,
    )
    assert (created["status"], created["size"]) == ("active", len(data))
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert [image["Name"] for image in listed] == ["direct"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while service.status(imported["id"]) != "active":
        assert time.monotonic() < deadline, service.call("GET", f"/v2/images/{imported['id']}/tasks").text
        time.sleep(0.1)
    (changed,) = service.openstack(
        "image set direct --name other --tag blue --min-disk 3 --property os_distro=debian",
        "image save other --file saved.raw",
        "image show other -f json",
        "image delete other staged",
        cwd=tmp_path,
    )
    assert (changed["tags"], changed["min_disk"]) == (["blue"], 3)
    assert changed["properties"]["os_distro"] == "debian"
    assert (tmp_path / "saved.raw").read_bytes() == data
    assert service.call("GET", "/v2/images").json()["images"] == []


def test_a_large_upload_needs_little_memory(service: Service) -> None:
    """128 MiB go up and down; the process grows by a few blocks."""
    image_id = service.made()
    size = 128 * BLOCK
    before = peak_bytes(service.pid)
    piece = bytes(BLOCK)
    headers = {"Content-Type": "application/octet-stream"}
    reply = service.call(
        "PUT", f"/v2/images/{image_id}/file", data=(piece for _ in range(128)), headers=headers
    )
    assert reply.status_code == 204, reply.text
    with service.call("GET", f"/v2/images/{image_id}/file", stream=True) as answer:
        assert sum(map(len, answer.iter_content(BLOCK))) == size
    assert peak_bytes(service.pid) - before < 48 * BLOCK
    assert service.call("DELETE", f"/v2/images/{image_id}").status_code == 204


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no peak")


def test_a_killed_upload_is_tried_again(service: Service) -> None:
    """SIGKILL in the middle: queued again after the lease, uploaded whole, and nothing leaks in the end."""
    data = random.Random(2).randbytes(4 * BLOCK)
    image_id = service.made()
    half_sent(service, image_id, data)
    service.stop()
    service.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while service.status(image_id) != "queued":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    headers = {"Content-Type": "application/octet-stream"}
    reply = service.call("PUT", f"/v2/images/{image_id}/file", data=data, headers=headers)
    assert reply.status_code == 204, reply.text
    assert service.call("GET", f"/v2/images/{image_id}/file").content == data
    ranged = service.call(
        "GET", f"/v2/images/{image_id}/file", headers={"Range": f"bytes={BLOCK - 5}-{BLOCK + 4}"}
    )
    assert (ranged.status_code, ranged.content) == (206, data[BLOCK - 5 : BLOCK + 5])
    assert service.call("DELETE", f"/v2/images/{image_id}").status_code == 204
    assert leaked(service) == []


def half_sent(service: Service, image_id: str, data: bytes) -> None:
    """Send half of an image's data, and kill the service when it has stored some of it."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_SECONDS) as connection:
        head = (
            f"PUT /v2/images/{image_id}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {service.token}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(head.encode() + data[: len(data) // 2])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not [*service.account.names(f"{service.project_id}-blocks")]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert service.status(image_id) == "saving"
        os.kill(service.pid, signal.SIGKILL)


def leaked(service: Service) -> list[str]:
    """What a sweep leaves of the project, once no writer's lease is left."""
    config = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)
    later = Project.open(
        service.account, service.project_id, config, clock=lambda: time.time() + 7200, sleep=lambda _: None
    )
    Sweeper(later.maps).run(PATIENCE_SECONDS)
    names = [f"blocks/{row.name}" for row in service.account.names(f"{service.project_id}-blocks")]
    names += [f"maps/{name}" for name in later.maps.list()]
    return names + [f"records/{row.name}" for row in service.account.names(f"{service.project_id}-records")]


def test_others_see_nothing(service: Service) -> None:
    """Another project's real token: its list is empty, and an image's id leads nowhere."""
    image_id = service.made(name=uuid.uuid4().hex)
    realm, admin = service.realm, service.realm.admin
    other = realm.make("project", admin)
    user = realm.make("user", admin, password="stranger-password")
    assert realm.give(f"projects/{other['id']}/users/{user['id']}", "member") == 204
    stranger = {"X-Auth-Token": realm.log_in(user["name"], project(other["name"]))}
    assert service.call("GET", "/v2/images", headers=stranger).json()["images"] == []
    for path in (f"/v2/images/{image_id}", f"/v2/images/{image_id}/file"):
        assert service.call("GET", path, headers=stranger).status_code == 404
    assert (
        service.call("GET", "/v2/images", headers={"X-Auth-Token": service.token[:-4] + "AAAA"}).status_code
        == 401
    )
    assert service.call("DELETE", f"/v2/images/{image_id}").status_code == 204
