"""Object servers on loopback, ours or stock's, and a replicator for each, for tests that break things.

    nodes = ObjectNodes(folder) ──▶ .start(0..3) ──▶ .put("o", b"…") ──▶ .replicate(0) ──▶ .survey()
                                └─▶ .wipe(1), .kill(2), .unmount(3), .files("o", 0) …

Four nodes with a device each, three replicas, sixteen partitions: primaries of a partition p are the
nodes p, p+1 and p+2, so that a test can say who is what. Replicators run in the test's own process.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from processes import kill_and_wait

from apus.common.cluster import ClusterConf
from apus.common.timestamp import Timestamp
from apus.object.files import names
from apus.replicator.object import ObjectReplicator, ReplicatorConfig
from apus.ring.device import Device
from apus.ring.file import RingData, write_ring_file
from apus.ring.table import Ring

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parent.parent
PARTITION_POWER = 4
REPLICAS = 3
ACCOUNT, CONTAINER = "AUTH_test", "c"
START_PATIENCE_SECONDS = 120.0
CLUSTER = "[swift-hash]\nswift_hash_path_suffix = changeme\n[storage-policy:0]\nname = gold\ndefault = yes\n"
SERVER = """[DEFAULT]
devices = {devices}
mount_check = {mount_check}
swift_dir = {etc}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
[pipeline:main]
pipeline = recon object-server
[filter:recon]
use = egg:{egg}#recon
recon_cache_path = {cache}
[app:object-server]
use = egg:{egg}#object
"""


@dataclass(slots=True)
class ObjectNodes:
    """The nodes of one test."""

    folder: Path
    count: int = 4
    stock_venv: Path | None = None
    stock: frozenset[int] = frozenset()
    mount_check: bool = False
    ports: list[int] = field(default_factory=list)
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write rings and configuration."""
        self.ports = free_ports(self.count)
        self.etc.mkdir(parents=True)
        (self.etc / "swift.conf").write_text(CLUSTER)
        self.write_ring(lambda partition, replica: (partition + replica) % self.count)
        for node in range(self.count):
            self.device(node).mkdir(parents=True)
            self.mount(node)
            self._conf(node).write_text(self._server_conf(node))

    @property
    def etc(self) -> Path:
        """The folder of swift.conf and the rings."""
        return self.folder / "etc"

    @property
    def ring(self) -> Ring:
        """The ring as it is now."""
        return Ring.load(self.etc / "object.ring.gz")

    def write_ring(self, holder: object, *, replicas: int = REPLICAS) -> None:
        """Place partitions: `holder(partition, replica)` is the node that has it."""
        assert callable(holder)
        partitions = 1 << PARTITION_POWER
        rows = [
            np.array([holder(partition, replica) for partition in range(partitions)], dtype=np.uint16)
            for replica in range(replicas)
        ]
        devices: list[Device | None] = [
            Device(node, 1, node, "127.0.0.1", port, "127.0.0.1", port, "sd0")
            for node, port in enumerate(self.ports)
        ]
        write_ring_file(RingData(devices, 32 - PARTITION_POWER, rows), self.etc / "object.ring.gz")

    def device(self, node: int) -> Path:
        """The folder of a node's device."""
        return self.folder / f"node{node}" / "sd0"

    def start(self, *nodes: int) -> None:
        """Start object servers and wait until they answer."""
        for node in nodes or range(self.count):
            log = (self.folder / f"node{node}.log").open("ab")
            self._running[node] = subprocess.Popen(
                self._command(node), stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )
        for node in nodes or range(self.count):
            self._await(node)

    def kill(self, node: int) -> None:
        """End a server at once."""
        process = self._running.pop(node)
        for pid in (*_children(process.pid), process.pid):
            try:
                kill_and_wait(pid) if pid != process.pid else process.kill()
            except ProcessLookupError:
                pass
        process.wait()

    def stop(self) -> None:
        """End all servers."""
        for node in list(self._running):
            self.kill(node)

    def reset(self) -> None:
        """Make it all as it was at first: empty devices, the first ring, every server running."""
        self.write_ring(lambda partition, replica: (partition + replica) % self.count)
        for node in range(self.count):
            self.wipe(node)
            shutil.rmtree(self.folder / f"node{node}" / "cache", ignore_errors=True)
        ended = [node for node in range(self.count) if node not in self._running]
        if ended:
            self.start(*ended)

    def wipe(self, node: int) -> None:
        """Swap the disk for an empty one."""
        shutil.rmtree(self.device(node))
        self.device(node).mkdir()
        self.mount(node)

    def mount(self, node: int) -> None:
        """Put there what counts as a mounted device."""
        (self.device(node) / ".ismount").touch()

    def unmount(self, node: int) -> None:
        """Take the device away: the server answers 507."""
        self.device(node).rename(self.device(node).with_name("away"))

    def remount(self, node: int) -> None:
        """Bring the device back as it was."""
        shutil.rmtree(self.device(node), ignore_errors=True)
        self.device(node).with_name("away").rename(self.device(node))

    def request(
        self,
        node: int,
        method: str,
        name: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        path: str | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask a node's server directly."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[node], timeout=60)
        path = path or f"/sd0/{self.partition(name)}/{ACCOUNT}/{CONTAINER}/{quote(name)}"
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {key.title(): value for key, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def put(
        self,
        name: str,
        body: bytes,
        at: float,
        *,
        on: Sequence[int] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Sequence[int] = (201,),
    ) -> None:
        """Store an object on its primaries, or on the nodes named."""
        stamped = {"X-Timestamp": Timestamp.of(at).internal, "Content-Type": "text/plain", **(headers or {})}
        for node in self.primaries(name) if on is None else on:
            status, _, text = self.request(node, "PUT", name, stamped, body)
            assert status in expected, f"{status} {text!r}"

    def delete(self, name: str, at: float, *, on: Sequence[int]) -> None:
        """Delete an object on some nodes."""
        for node in on:
            status, _, _ = self.request(node, "DELETE", name, {"X-Timestamp": Timestamp.of(at).internal})
            assert status in (204, 404, 409)  # 409: a pass has brought the tombstone there meanwhile.

    def post(self, name: str, at: float, *, on: Sequence[int], headers: Mapping[str, str]) -> None:
        """Replace an object's metadata on some nodes."""
        for node in on:
            stamped = {"X-Timestamp": Timestamp.of(at).internal, **headers}
            status, _, text = self.request(node, "POST", name, stamped)
            assert status == 202, f"{status} {text!r}"

    def hash(self, name: str) -> str:
        """The object's hash."""
        return ClusterConf.load(self.etc).salt.path_hash(ACCOUNT, CONTAINER, name)

    def partition(self, name: str) -> int:
        """The object's partition."""
        return int(self.hash(name)[:8], 16) >> (32 - PARTITION_POWER)

    def primaries(self, name: str) -> list[int]:
        """The nodes that should have the object."""
        return [device.id for device in self.ring.primaries(self.partition(name))]

    def others(self, name: str) -> list[int]:
        """The nodes that should not, the first stand-in first."""
        return [device.id for device in self.ring.handoffs(self.partition(name))]

    def directory(self, name: str, node: int) -> Path:
        """The object's folder on a node."""
        digest = self.hash(name)
        return self.device(node) / "objects" / str(self.partition(name)) / digest[-3:] / digest

    def files(self, name: str, node: int) -> list[str]:
        """The names of the object's files on a node; what a server replaced goes a moment later."""
        directory = self.directory(name, node)
        deadline = time.monotonic() + 60
        while True:
            found = sorted(os.listdir(directory)) if directory.is_dir() else []
            if not names.select(found).obsolete or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def holders(self, name: str) -> list[int]:
        """The nodes that have data of the object."""
        return [
            node
            for node in range(self.count)
            if any(file.endswith(".data") for file in self.files(name, node))
        ]

    def replicator(self, node: int, **options: object) -> ObjectReplicator:
        """A node's replicator, not yet run."""
        cache = self.folder / f"node{node}" / "cache"
        cache.mkdir(exist_ok=True)
        settings: dict[str, object] = {
            "devices": str(self.device(node).parent),
            "mount_check": self.mount_check,
            "swift_dir": str(self.etc),
            "bind_ip": "127.0.0.1",
            "bind_port": self.ports[node],
            "recon_cache_path": str(cache),
            **options,
        }
        return ObjectReplicator(ReplicatorConfig(**settings), ClusterConf.load(self.etc))  # type: ignore[arg-type]

    def replicate(self, *nodes: int, **options: object) -> list[ObjectReplicator]:
        """Make one pass on each node, in this order; return the replicators for their figures."""
        made = [self.replicator(node, **options) for node in nodes or range(self.count)]
        for replicator in made:
            replicator.run_once()
        return made

    def _conf(self, node: int) -> Path:
        return self.etc / f"object-server-{node}.conf"

    def _server_conf(self, node: int) -> str:
        return SERVER.format(
            devices=self.device(node).parent,
            mount_check=str(self.mount_check).lower(),
            etc=self.etc,
            cache=self.device(node).parent / "cache",
            port=self.ports[node],
            user=os.environ.get("USER", "root"),
            egg="swift" if node in self.stock else "apus",
        )

    def _command(self, node: int) -> list[str]:
        if node not in self.stock:
            return [sys.executable, "-m", "apus.bin.object_server", str(self._conf(node))]
        assert self.stock_venv is not None
        program = self.stock_venv / "bin" / "swift-object-server"
        launcher = SUPPORT / "stock_launch.py"
        python = self.stock_venv / "bin" / "python"
        return [str(python), str(launcher), str(self.etc / "swift.conf"), str(program), str(self._conf(node))]

    def _await(self, node: int) -> None:
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ports[node]), 1).close()
                return
            except OSError:
                log = (self.folder / f"node{node}.log").read_text()
                assert self._running[node].poll() is None, f"the server of node {node} ended: {log}"
                assert time.monotonic() < deadline, f"the server of node {node} does not answer: {log}"
                time.sleep(0.05)  # No event tells when another process listens.


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
