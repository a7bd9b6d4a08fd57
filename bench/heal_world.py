"""A small cluster of object servers whose fourth device has just been swapped for an empty one.

    HealWorld.build(objects)    ──▶ rings, confs, nodes 1 to 3 full of objects in Swift's layout, node 4 empty
             .running("apus")   ──▶ the four object servers, and rsyncd where stock's replicator needs it
             .commands("stock") ──▶ one pass of the replicator on nodes 1 to 3

The objects are written as plain files by the same modules that the object server writes with, without its
waits for the device: only the wiped device's partitions are filled, each with its other two copies and with
the suffix hashes that an earlier pass would have left. Ring and layout are those of the all-in-one cluster.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stock import await_port

from apus.common.cluster import ClusterConf
from apus.object.files import hashes, metadata
from apus.ring.builder import Builder
from apus.ring.device import Device
from apus.ring.file import write_ring_file
from apus.ring.table import Ring

from . import ROOT
from .shape import sections

LAUNCHER = ROOT / "test" / "support" / "stock_launch.py"
NODES = (1, 2, 3, 4)
SOURCES, WIPED = NODES[:3], 4
REPLICAS = 3
MOMENT = "1700000000.00000"
PORTS = 5
CLUSTER_CONF = """[swift-hash]
swift_hash_path_suffix = bench

[storage-policy:0]
name = gold
default = yes
"""
SERVER_CONF = """[DEFAULT]
devices = {devices}
mount_check = false
swift_dir = {etc}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_address = /dev/null
recon_cache_path = {cache}
{pipeline}
[object-replicator]
rsync_module = rsync://127.0.0.1:{rsync_port}/object_{{device}}
"""
RSYNC_CONF = """port = {port}
address = 127.0.0.1
use chroot = false
uid = {user}
max connections = 0
log file = /dev/null
"""
RSYNC_MODULE = """[object_d{node}]
path = {devices}
read only = false
"""


@dataclass(frozen=True, slots=True)
class HealWorld:
    """The cluster's folders and ports; PORTS ports from `first_port` on must be free."""

    folder: Path
    first_port: int
    part_power: int
    stock_venv: Path

    @property
    def etc(self) -> Path:
        """The folder of swift.conf, the ring and the confs."""
        return self.folder / "etc"

    def device(self, node: int) -> Path:
        """A node's device."""
        return self.folder / f"node{node}" / f"d{node}"

    def port(self, node: int) -> int:
        """The port of a node's object server."""
        return self.first_port + node

    def build(self, objects: int, size_bytes: int) -> None:
        """Write ring, confs, and as many objects as the wiped device is to get back."""
        self.etc.mkdir(parents=True)
        (self.etc / "swift.conf").write_text(CLUSTER_CONF)
        write_ring_file(self._builder().ring(), self.etc / "object.ring.gz")
        for node in NODES:
            self.device(node).mkdir(parents=True)
            for egg in ("apus", "swift"):
                self._conf(node, egg).write_text(self._server_conf(node, egg))
        modules = [RSYNC_MODULE.format(node=node, devices=self.device(node).parent) for node in NODES]
        conf = RSYNC_CONF.format(port=self._rsync_port, user=getpass.getuser())
        (self.etc / "rsyncd.conf").write_text("\n".join([conf, *modules]))
        self._fill(objects, size_bytes)
        self._hash_suffixes()
        os.sync()

    def wipe(self) -> None:
        """Swap the healed device for an empty one again.

        The old one is only moved away: for half a minute after files were removed, ext4 searches long for
        each new one, as it passes over inodes that have just become free. An empty disk has none of these.
        """
        device = self.device(WIPED)
        device.rename(self.folder / f"healed-{time.monotonic_ns()}")
        device.mkdir()
        os.sync()

    def read_sources(self) -> None:
        """Have all that is to travel in memory, so that it makes no difference who heals first.

        A kernel that has memory to spare keeps what was read, and to read it from a disk costs more than
        either replicator.
        """
        for node in SOURCES:
            for folder, _, names in os.walk(self.device(node) / "objects"):
                for name in names:
                    if name.endswith(".data"):
                        path = Path(folder, name)
                        path.read_bytes()
                        metadata.read(str(path))

    def healed(self) -> int:
        """How many objects the wiped device has."""
        return sum(
            name.endswith(".data")
            for _, _, names in os.walk(self.device(WIPED) / "objects")
            for name in names
        )

    def commands(self, peer: str) -> list[list[str]]:
        """One pass of the replicator on each node that has something to give."""
        return [self._command(peer, "replicator", node, "once") for node in SOURCES]

    @contextmanager
    def running(self, peer: str) -> Iterator[list[int]]:
        """The servers that a replicator of this peer talks to; their process ids."""
        with ExitStack() as stack:
            servers = [self._command(peer, "server", node) for node in NODES]
            pids = [stack.enter_context(self._process(command)) for command in servers]
            ports = [self.port(node) for node in NODES]
            if peer == "stock":
                rsync = ["rsync", "--daemon", "--no-detach", f"--config={self.etc / 'rsyncd.conf'}"]
                pids.append(stack.enter_context(self._process(rsync)))
                ports.append(self._rsync_port)
            for port in ports:
                await_port(port)
            yield pids

    @property
    def _rsync_port(self) -> int:
        return self.first_port

    def _builder(self) -> Builder:
        builder = Builder(self.part_power, REPLICAS, 1)
        for node in NODES:
            port = self.port(node)
            builder.add(Device(node - 1, 1, node, "127.0.0.1", port, "127.0.0.1", port, f"d{node}"))
        builder.rebalance(seed="1", now=time.time())
        return builder

    def _conf(self, node: int, egg: str) -> Path:
        return self.etc / f"{egg}-{node}.conf"

    def _server_conf(self, node: int, egg: str) -> str:
        folder = self.device(node).parent
        recon = {"recon": [f"recon_cache_path = {folder}"]}
        return SERVER_CONF.format(
            devices=folder,
            etc=self.etc,
            port=self.port(node),
            user=getpass.getuser(),
            cache=folder,
            pipeline="\n".join(sections(egg, "object", ["recon"], recon)),
            rsync_port=self._rsync_port,
        )

    def _command(self, peer: str, program: str, node: int, *words: str) -> list[str]:
        if peer == "apus":
            options = [f"--{word}" for word in words]
            conf = str(self._conf(node, "apus"))
            return [sys.executable, "-m", f"apus.bin.object_{program}", conf, *options]
        python, script = (self.stock_venv / "bin" / name for name in ("python", f"swift-object-{program}"))
        conf, cluster = str(self._conf(node, "swift")), str(self.etc / "swift.conf")
        return [str(python), str(LAUNCHER), cluster, str(script), conf, *words]

    @contextmanager
    def _process(self, command: list[str]) -> Iterator[int]:
        with (self.folder / "servers.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=ROOT
            )
        try:
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()

    def _fill(self, objects: int, size_bytes: int) -> None:
        ring, salt = Ring.load(self.etc / "object.ring.gz"), ClusterConf.load(self.etc).salt
        body = random.Random(0).randbytes(size_bytes)
        content = {
            "X-Timestamp": MOMENT,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size_bytes),
            "ETag": hashlib.md5(body, usedforsecurity=False).hexdigest(),
        }
        left, number = objects, 0
        while left:
            number += 1
            account, container, name = "AUTH_bench", f"c{number % 8}", f"object-{number}"
            digest = salt.path_hash(account, container, name)
            partition = ring.partition(digest)
            holders = [device.id + 1 for device in ring.primaries(partition)]
            if WIPED not in holders:
                continue
            left -= 1
            content["name"] = f"/{account}/{container}/{name}"
            for node in holders:
                if node != WIPED:
                    place = self.device(node) / "objects" / str(partition) / digest[-3:] / digest
                    _write(str(place), body, content)

    def _hash_suffixes(self) -> None:
        for node in SOURCES:
            for partition in os.listdir(self.device(node) / "objects"):
                hashes.suffix_hashes(
                    str(self.device(node)), 0, partition, reclaim_age_seconds=604800.0, now=time.time()
                )


def _write(directory: str, body: bytes, content: dict[str, str]) -> None:
    os.makedirs(directory)
    descriptor = os.open(f"{directory}/{MOMENT}.data", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, body)
        metadata.write(descriptor, content)
    finally:
        os.close(descriptor)
