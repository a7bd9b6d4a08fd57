"""A handful of database servers in one process, each with a device and a port of its own, and rings over them.

    DatabaseNodes(folder, count=4, replicas=3) ──▶ .replicator(...), .call(...), .broker(...), .stop(node)

The servers answer real HTTP from green threads of the test's own process; nodes named in `stock` are served by stock
OpenStack Swift's programs instead, each a process of its own.
"""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
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

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 4,
        replicas: int = 3,
        policies: int = 1,
        stock: frozenset[int] = frozenset(),
        stock_venv: Path = Path("none"),
    ) -> None:
        self.folder = folder
        self.stock_venv = stock_venv
        self._processes: list[subprocess.Popen[bytes]] = []
        sections = {"swift-hash": {"swift_hash_path_suffix": "test"}}
        if policies > 1:
            sections |= {
                f"storage-policy:{index}": {"name": f"policy{index}", "default": "yes" if not index else "no"}
                for index in range(policies)
            }
        self.cluster = ClusterConf.from_sections(sections, folder / "swift.conf")
        (folder / "swift.conf").write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
                for name, options in sections.items()
            )
        )
        self.pool = Pool()
        self._servers: list[HttpServer] = []
        self.rings: dict[str, Ring] = {}
        for node in range(count):
            (folder / f"node{node}" / f"d{node}").mkdir(parents=True)
        for kind, factory in (("container", ContainerServer), ("account", AccountServer)):
            ports = [
                self._serve_stock(kind, node)
                if node in stock
                else self._serve(factory(self.options(node), self.cluster))
                for node in range(count)
            ]
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

    def _serve_stock(self, kind: str, node: int) -> int:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        conf = self.stock_conf(kind, node, port)
        self._processes.append(self._stock_process(f"swift-{kind}-server", conf))
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                concurrency.sleep(0.05)
            else:
                return port
        raise AssertionError((self.folder / "stock.log").read_text())

    def stock_conf(self, kind: str, node: int, port: int, **extra: str) -> Path:
        """Write the conf of a stock server and its daemons."""
        path = self.folder / f"stock-{kind}-{node}.conf"
        options = (
            self.options(node)
            | {
                "bind_ip": "127.0.0.1",
                "bind_port": str(port),
                "workers": "0",
                "user": getpass.getuser(),
            }
            | extra
        )
        lines = [f"{key} = {value}" for key, value in options.items()]
        path.write_text(
            "\n".join(["[DEFAULT]", *lines, "[pipeline:main]", f"pipeline = {kind}-server"])
            + f"\n[app:{kind}-server]\nuse = egg:swift#{kind}\n[{kind}-replicator]\ninterval = 1\n"
        )
        return path

    def stock_once(self, kind: str, node: int, **extra: str) -> None:
        """Run one pass of stock's replicator on a node."""
        device = self.rings[kind].devices[node]
        assert device is not None
        conf = self.stock_conf(kind, node, device.port, **extra)
        process = self._stock_process(f"swift-{kind}-replicator", conf, "once")
        while process.poll() is None:
            concurrency.sleep(0.02)
        assert process.returncode == 0, (self.folder / "stock.log").read_text()

    def _stock_process(self, program: str, *arguments: object) -> subprocess.Popen[bytes]:
        launcher = Path(__file__).with_name("stock_launch.py")
        command = [self.stock_venv / "bin" / "python", launcher, self.folder / "swift.conf"]
        log = open(self.folder / "stock.log", "ab")  # noqa: SIM115 - the process keeps it
        return subprocess.Popen(
            [*map(str, command), str(self.stock_venv / "bin" / program), *map(str, arguments)],
            stdout=log,
            stderr=log,
        )

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
        for process in self._processes:
            process.kill()
            process.wait()
