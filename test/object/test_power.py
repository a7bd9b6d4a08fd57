"""Full disks, killed processes and failing power: what was acknowledged is there, what was not does no harm."""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from object_nodes import ROOT, free_ports
from object_server import SECTIONS, ObjectNode, moment
from small_disks import SmallDisk, small_disk

DISK_BYTES = 96 << 20
WRITERS = 6
CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
devices = {folder}/srv
mount_check = false
swift_dir = {folder}
[pipeline:main]
pipeline = object-server
[app:object-server]
use = egg:apus#object
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "srv" / "sda", DISK_BYTES) as mounted:
        yield mounted


def body_of(name: str, version: int) -> bytes:
    return f"{name} {version} ".encode() * (40 + version % 7 * 900)


class Load:
    """Writers that overwrite, delete and remember what was acknowledged; each has names of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: dict[str, tuple[float, bytes | None]] = {}
        self.tried: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    def _write(self, writer: int) -> None:
        version = 0
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            while not self._stop.is_set():
                version += 1
                name = f"w{writer}-{version % 40}"
                at = time.time()
                headers = {"X-Timestamp": f"{at:.5f}", "Content-Type": "text/plain"}
                body = None if version % 11 == 0 else body_of(name, version)
                self.tried[name] = at
                connection.request("PUT" if body else "DELETE", f"/sda/{writer}/a/c/{name}", body, headers)
                response = connection.getresponse()
                response.read()
                if response.status in (201, 204):
                    self.acknowledged[name] = (at, body)
        except (OSError, http.client.HTTPException):
            return  # The server has died: what it acknowledged counts.

    def wait_for(self, count: int) -> None:
        """Return when so many names have been acknowledged (some more than once)."""
        deadline = time.monotonic() + 120
        while len(self.acknowledged) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.acknowledged) >= count

    def verify(self, node: ObjectNode) -> None:
        """Every acknowledged change is there, or what was tried after it; nothing is damaged."""
        for name, (at, body) in self.acknowledged.items():
            reply = node.ask("GET", f"/sda/{name[1]}/a/c/{name}")
            seen = float(reply.headers.get("x-backend-timestamp", "0"))
            assert seen >= round(at, 5) - 1e-5, (name, seen, at)
            if abs(seen - at) < 1e-4 and body is not None:
                assert reply.body == body, name
            if reply.status == 200:
                assert reply.headers["etag"].strip('"') == hashlib.md5(reply.body).hexdigest()
            assert seen <= self.tried[name] + 1e-4
        assert node.quarantined() == []


class Process:
    """The object server as a process of its own."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        (folder / "swift.conf").write_text(
            "\n".join(
                f"[{name}]\n" + "\n".join(f"{k} = {v}" for k, v in options.items())
                for name, options in SECTIONS.items()
            )
        )
        conf = folder / "object.conf"
        conf.write_text(CONF.format(folder=folder, port=self.port))
        self.log = (folder / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "apus.bin.object_server", str(conf)],
            stdout=self.log,
            stderr=self.log,
            cwd=ROOT,
        )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/sda/1/a/c/o")
                connection.getresponse().read()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle of a load: each acknowledged change is there, and no half-written file."""
    (tmp_path / "srv" / "sda").mkdir(parents=True)
    for _ in range(3):
        server = Process(tmp_path)
        with Load(server.port) as load:
            load.wait_for(60)
            server.kill()
        load.verify(ObjectNode(tmp_path / "srv"))


@pytest.mark.slow
def test_a_power_cut_loses_nothing(tmp_path: Path, disk: SmallDisk) -> None:
    """The file system stops in the middle of a load, nothing more is written; after its journal is replayed all is there."""
    for _ in range(3):
        server = Process(tmp_path)
        with Load(server.port) as load:
            load.wait_for(80)
            disk.pull_plug()
            server.kill()
        disk.replug()
        load.verify(ObjectNode(tmp_path / "srv"))


def test_a_full_disk_refuses_writes_only(tmp_path: Path, disk: SmallDisk) -> None:
    """507 for PUT and POST once the reserve is reached; GET and DELETE go on, and room comes back."""
    node = ObjectNode(tmp_path / "srv", {"fallocate_reserve": "10%"})
    statuses = []
    for index in range(40):
        reply = node.ask("PUT", f"/sda/7/a/c/o{index}", at=0, body=os.urandom(4 << 20))
        statuses.append(reply.status)
        if reply.status != 201:
            break
    assert statuses[-1] == 507
    stored = len(statuses) - 1
    assert stored > 5
    strict = ObjectNode(tmp_path / "srv", {"fallocate_reserve": "30%"})
    for path, body in (("/sda/7/a/c/small", b"x"), ("/sda/7/a/c/zero", b"")):
        assert strict.ask("PUT", path, at=0, body=body).status == 507
        assert strict.ask("PUT", path, at=0, body=body, chunked=True).status == 507
    assert strict.ask("POST", "/sda/7/a/c/o0", at=1).status == 507
    assert node.ask("GET", "/sda/7/a/c/o0").status == 200
    for index in range(stored):
        assert strict.ask("DELETE", f"/sda/7/a/c/o{index}", at=2).status == 204
    assert node.ask("PUT", "/sda/7/a/c/o0", at=3, body=b"x").status == 201
    assert not [name for name in node.files() if name.startswith(moment(0))]


def test_a_disk_without_a_reserve_fills_to_the_brim(tmp_path: Path, disk: SmallDisk) -> None:
    """ENOSPC itself is a 507 too, at whatever byte of an upload it comes."""
    node = ObjectNode(tmp_path / "srv")
    for size in (8 << 20, 300_000, 4096):
        for index in range(60):
            reply = node.ask("PUT", f"/sda/7/a/c/{size}-{index}", at=0, body=os.urandom(size), chunked=True)
            if reply.status == 507:
                break
            assert reply.status == 201
        assert reply.status == 507 or size == 4096
    assert node.ask("GET", f"/sda/7/a/c/{8 << 20}-0").status == 200
    assert node.ask("DELETE", f"/sda/7/a/c/{8 << 20}-0", at=2).status in (204, 507)


def test_an_unmounted_device_is_not_written_to(tmp_path: Path) -> None:
    """With mount_check nothing is stored in the folder a device should be mounted on; `.ismount` vouches for one."""
    node = ObjectNode(tmp_path, {"mount_check": "true"})
    for method in ("PUT", "GET", "HEAD", "POST", "DELETE"):
        assert node.ask(method, at=0).status == 507
    assert node.ask("REPLICATE", "/sda/7").status == 507
    assert os.listdir(tmp_path / "sda") == []
    (tmp_path / "sda" / ".ismount").touch()
    assert node.ask("PUT", at=0).status == 201


@pytest.mark.parametrize("code", ["EIO", "EROFS", "ENOSPC"])
def test_a_failing_device_is_a_507(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A sync that fails means not stored: nothing appears, and proxies go elsewhere."""
    import errno

    from apus.common import durability

    node = ObjectNode(tmp_path)
    node.put(b"good", at=0)

    def fail(_descriptor: int) -> None:
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(durability, "_committers", {})
    monkeypatch.setattr(durability, "sync_filesystem", fail)
    assert node.ask("PUT", at=1, body=b"lost").status == 507
    assert node.ask("GET").body == b"good"
    assert node.files() == [f"{moment(0)}.data"]


def test_without_nameless_files_a_temporary_one_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems without O_TMPFILE serve too; tmp is empty after success and after failure."""
    from apus.object.files import writer

    node = ObjectNode(tmp_path)
    real = os.open

    def without(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(writer, "open_file", without)
    node.put(b"x" * 70_000, at=0)
    assert node.ask("PUT", at=1, body=b"x", ETag="0" * 32).status == 422
    assert node.ask("GET").body == b"x" * 70_000
    assert os.listdir(tmp_path / "sda" / "tmp") == []
