"""A handful of database servers in one process, each with a device and a port of its own, and rings over them.

    DatabaseNodes(folder, count=4, replicas=3) ──▶ .replicator(...), .call(...), .broker(...), .stop(node)

The servers answer real HTTP from green threads of the test's own process.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apus.account.broker import AccountBroker
from apus.account.server import AccountServer
from apus.common import concurrency
from apus.common.cluster import ClusterConf
from apus.common.hashing import storage_directory
from apus.common.http.client import Pool
from apus.common.http.server import HttpServer
from apus.common.http.wsgi import WSGIApp
from apus.common.timestamp import now
from apus.container.broker import ContainerBroker
from apus.container.server import ContainerServer
from apus.ring.device import Device
from apus.ring.file import RingData, write_ring_file
from apus.ring.table import Ring

PART_POWER = 2


@dataclass(frozen=True)
class Reply:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class DatabaseNodes:
    """Servers of containers and of accounts; node N has device dN in both rings."""

    def __init__(self, folder: Path, *, count: int = 4, replicas: int = 3, policies: int = 1) -> None:
        self.folder = folder
        sections = {"swift-hash": {"swift_hash_path_suffix": "test"}}
        if policies > 1:
            sections |= {
                f"storage-policy:{index}": {"name": f"policy{index}", "default": "yes" if not index else "no"}
                for index in range(policies)
            }
        self.cluster = ClusterConf.from_sections(sections, folder / "swift.conf")
        self.pool = Pool()
        self._servers: list[HttpServer] = []
        self.rings: dict[str, Ring] = {}
        for node in range(count):
            (folder / f"node{node}" / f"d{node}").mkdir(parents=True)
        for kind, factory in (("container", ContainerServer), ("account", AccountServer)):
            ports = [self._serve(factory(self.options(node), self.cluster)) for node in range(count)]
            self.rings[kind] = self._make_ring(kind, ports, replicas)

    def options(self, node: int) -> dict[str, str]:
        """Return the conf of one node's servers and daemons."""
        return {
            "devices": str(self.folder / f"node{node}"),
            "mount_check": "false",
            "fallocate_reserve": "0",
            "swift_dir": str(self.folder),
            "recon_cache_path": str(self.folder),
            "databases_per_second": "0",
            "containers_per_second": "0",
            "accounts_per_second": "0",
        }

    def _serve(self, app: WSGIApp) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(app)
        self._servers.append(server)
        concurrency.spawn(server.serve, listener)
        port: int = listener.getsockname()[1]
        return port

    def _make_ring(self, kind: str, ports: list[int], replicas: int) -> Ring:
        devices: list[Device | None] = [
            Device(
                id=node,
                region=1,
                zone=node + 1,
                ip="127.0.0.1",
                port=port,
                replication_ip="127.0.0.1",
                replication_port=port,
                device=f"d{node}",
            )
            for node, port in enumerate(ports)
        ]
        partitions = 1 << PART_POWER
        rows: list[Any] = [
            np.array([(replica + partition) % len(ports) for partition in range(partitions)], dtype=np.uint16)
            for replica in range(replicas)
        ]
        path = self.folder / f"{kind}.ring.gz"
        write_ring_file(RingData(devices, 32 - PART_POWER, rows), path)
        return Ring.load(path)

    def mine(self, node: int) -> Any:
        """Return the test by which a node's daemons know their devices."""
        return lambda device: device.id == node

    def place(self, kind: str, *names: str) -> tuple[int, list[Device], list[Device]]:
        """Return partition, primaries and handoffs of a name."""
        ring = self.rings[kind]
        partition = ring.partition(self.cluster.salt.path_hash(*names))
        return partition, ring.primaries(partition), list(ring.handoffs(partition))

    def path(self, node: int, *names: str) -> str:
        """Return where a database lies on a node: an account's by one name, a container's by two."""
        kind = "account" if len(names) == 1 else "container"
        path_hash = self.cluster.salt.path_hash(*names)
        partition, _, _ = self.place(kind, *names)
        folder = storage_directory(f"{kind}s", partition, path_hash)
        return str(self.folder / f"node{node}" / f"d{node}" / folder / f"{path_hash}.db")

    def container(self, node: int, account: str = "a", name: str = "c") -> ContainerBroker:
        """Return a broker for a container's database on a node."""
        return ContainerBroker(self.path(node, account, name))

    def account(self, node: int, name: str = "a") -> AccountBroker:
        """Return a broker for an account's database on a node."""
        return AccountBroker(self.path(node, name))

    def call(
        self,
        kind: str,
        node: int,
        method: str,
        *names: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        body: bytes = b"",
    ) -> Reply:
        """Make one request to a node's server; an object's row is named by three names."""
        from urllib.parse import quote

        partition, _, _ = self.place(kind, *(names[:2] if kind == "container" else names[:1]))
        path = quote(f"/d{node}/{partition}/{'/'.join(names)}") + (f"?{query}" if query else "")
        device = self.rings[kind].devices[node]
        assert device is not None
        sent = {"X-Timestamp": now().internal} | dict(headers or {})
        response = self.pool.request(device.address, method, path, sent, body)
        content = b"" if method == "HEAD" else response.read()
        response.close()
        return Reply(response.status, response.headers, content)

    def close(self) -> None:
        """Stop all servers."""
        self.pool.close()
        for server in self._servers:
            server.stop(graceful=False)
