"""Scripted storage servers over real sockets, and a proxy in front of them.

    DoubledCluster ──▶ nodes[0..n]: HttpServer + memory + a misbehaviour of the test's choice
                  └──▶ proxy: the real application, real rings, real engine

Each node keeps accounts, containers and objects in memory and follows the timestamp rules that the
proxy's decisions rest on; everything runs in the test's own process, on the test's own hub.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from apus.common import concurrency
from apus.common.cluster import ClusterConf
from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.common.http.server import HttpServer, ServerConfig
from apus.object.server import ObjectServer
from apus.proxy.app import Proxy
from apus.proxy.settings import ProxySettings
from apus.ring.device import Device
from apus.ring.file import RingData, write_ring_file
from apus.ring.table import Ring

Environ = dict[str, Any]
Misbehaviour = Callable[[Request, "StorageNode"], Answer | None]

PART_SHIFT = 30
CONF = "[swift-hash]\nswift_hash_path_suffix = doubles\n[storage-policy:0]\nname = gold\ndefault = yes\n"


@dataclass
class StoredObject:
    """One version of an object, or its tombstone."""

    timestamp: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body or b"").hexdigest()


class StorageNode:
    """Everything one machine does, from memory."""

    def __init__(self) -> None:
        self.misbehaviour: Misbehaviour | None = None
        self.objects: dict[str, StoredObject] = {}
        self.databases: dict[str, dict[str, str]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._server = HttpServer(self, ServerConfig(linger_seconds=0.01))
        self._task = concurrency.spawn(self._server.serve, self._listener)

    def stop(self) -> None:
        """Close the port: connections are refused from now on."""
        self._server.stop(graceful=False)
        self._task.join()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        self.requests.append((request.method, request.path, dict(request.headers())))
        answer = self.misbehaviour(request, self) if self.misbehaviour else None
        return (answer or self.honest(request))(environ, start_response)

    def honest(self, request: Request) -> Answer:
        """Answer as a storage server should."""
        name = request.path.split("/", 3)[3]
        if request.header("X-Size") is not None:
            return Answer(201)  # An object's row for a container.
        if name.count("/") >= 2:
            return self._object(request, name)
        return self._database(request, name)

    # --- objects -----------------------------------------------------------------------------

    def _object(self, request: Request, name: str) -> Answer:
        stored = self.objects.get(name)
        if request.method == "REGISTER":
            return Answer(405)  # As who keeps no registers.
        if request.method == "PUT":
            return self._put(request, name, stored)
        if request.method == "DELETE":
            timestamp = request.header("X-Timestamp") or ""
            if stored is not None and stored.timestamp >= timestamp:
                return Answer(409, {"X-Backend-Timestamp": stored.timestamp})
            self.objects[name] = StoredObject(timestamp, None)
            return Answer(
                204 if stored and stored.body is not None else 404, {"X-Backend-Timestamp": timestamp}
            )
        if stored is None:
            return Answer(404)
        if stored.body is None:
            return Answer(404, {"X-Backend-Timestamp": stored.timestamp})
        if request.method == "POST":
            stored.headers = _metadata(request)
            return Answer(202, {"X-Backend-Listing-Updated": "true"})
        return served(stored, request.header("Range"))

    def _put(self, request: Request, name: str, stored: StoredObject | None) -> Answer:
        timestamp = request.header("X-Timestamp") or ""
        if request.header("If-None-Match") == "*" and stored is not None and stored.body is not None:
            return Answer(412)
        if stored is not None and stored.timestamp >= timestamp:
            return Answer(409, {"X-Backend-Timestamp": stored.timestamp})
        body = request.body.read()
        new = StoredObject(timestamp, body, _metadata(request))
        wanted = request.header("Etag")
        if wanted is not None and wanted != new.etag:
            return Answer(422)
        self.objects[name] = new
        return Answer(201, {"Etag": f'"{new.etag}"', "X-Backend-Listing-Updated": "true"})

    # --- accounts and containers -------------------------------------------------------------

    def _database(self, request: Request, name: str) -> Answer:
        known = self.databases.get(name)
        if request.method == "PUT":
            self.databases[name] = {**(known or {}), **_database_headers(request)}
            return Answer(201 if known is None else 202)
        if known is None:
            return Answer(404)
        if request.method == "POST":
            known.update(_database_headers(request))
            return Answer(204)
        if request.method == "DELETE":
            del self.databases[name]
            return Answer(204)
        return self._listing(request, name, known)

    def _listing(self, request: Request, name: str, known: dict[str, str]) -> Answer:
        rows = sorted(self.rows.get(name, []), key=lambda row: row["name"])
        digest = hashlib.md5(json.dumps(rows, sort_keys=True).encode()).hexdigest()
        live = [row for row in rows if not row["deleted"]]
        headers = {
            "X-Timestamp": "0000000001.00000",
            "X-Put-Timestamp": "0000000001.00000",
            "X-Backend-Timestamp": "0000000001.00000",
            "X-Backend-Storage-Policy-Index": "0",
            "X-Container-Object-Count": str(len(live)),
            "X-Backend-Row-Hash": digest,
            **known,
        }
        if request.method == "HEAD":
            return Answer(204, headers)
        marker = request.query.get("marker", "")
        limit = int(request.query.get("limit", "10000"))
        whole = request.header("X-Backend-Include-Deleted") is not None
        shown = [row for row in (rows if whole else live) if row["name"] > marker][:limit]
        if not whole:
            shown = [{key: row[key] for key in row if key not in ("deleted", "timestamp")} for row in shown]
        headers["Content-Type"] = "application/json; charset=utf-8"
        return Answer(200, headers, json.dumps(shown).encode())


def served(stored: StoredObject, wanted: str | None) -> Answer:
    """Return a GET's answer, whole or one range."""
    assert stored.body is not None
    headers = {
        "Etag": f'"{stored.etag}"',
        "X-Timestamp": stored.timestamp,
        "X-Backend-Timestamp": stored.timestamp,
        "Content-Type": "application/octet-stream",
        **stored.headers,
    }
    size = len(stored.body)
    if wanted is None:
        return Answer(200, {**headers, "Content-Length": str(size)}, stored.body)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    if begin >= size:
        return Answer(416, {**headers, "Content-Range": f"bytes */{size}"})
    headers |= {"Content-Range": f"bytes {begin}-{end}/{size}", "Content-Length": str(end - begin + 1)}
    return Answer(206, headers, stored.body[begin : end + 1])


def _metadata(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers() if name.startswith("X-Object-Meta-")}


def _database_headers(request: Request) -> dict[str, str]:
    wanted = ("X-Container-", "X-Account-Meta-", "X-Account-Sysmeta-")
    not_kept = ("X-Container-Host", "X-Container-Device", "X-Container-Partition")
    return {
        name: value for name, value in request.headers() if name.startswith(wanted) and name not in not_kept
    }


# --- misbehaviour ----------------------------------------------------------------------------


def fails_with(status: int, *methods: str) -> Misbehaviour:
    """Answer this status to those methods (all, if none is named) for objects."""

    def misbehave(request: Request, _node: StorageNode) -> Answer | None:
        if request.path.count("/") < 5 or (methods and request.method not in methods):
            return None
        return Answer(status)

    return misbehave


def is_silent(seconds: float, *methods: str) -> Misbehaviour:
    """Take so long for an object that the proxy loses patience."""

    def misbehave(request: Request, _node: StorageNode) -> Answer | None:
        if request.path.count("/") >= 5 and (not methods or request.method in methods):
            concurrency.sleep(seconds)
        return None

    return misbehave


def breaks_off_after(count: int) -> Misbehaviour:
    """Announce a whole body and send so many bytes of it."""

    def misbehave(request: Request, node: StorageNode) -> Answer | None:
        if request.method != "GET" or request.path.count("/") < 5:
            return None
        answer = node.honest(request)
        assert isinstance(answer.body, bytes)
        answer.headers.setdefault("Content-Length", str(len(answer.body)))
        return replace(answer, body=_pieces(answer.body[:count]))

    return misbehave


def stalls_after(count: int, seconds: float) -> Misbehaviour:
    """Send so many bytes of an object, then nothing for a while."""

    def misbehave(request: Request, node: StorageNode) -> Answer | None:
        if request.method != "GET" or request.path.count("/") < 5:
            return None
        answer = node.honest(request)
        assert isinstance(answer.body, bytes)
        answer.headers.setdefault("Content-Length", str(len(answer.body)))
        return replace(answer, body=_stalling(answer.body, count, seconds))

    return misbehave


def _stalling(body: bytes, count: int, seconds: float) -> Iterator[bytes]:
    yield body[:count]
    concurrency.sleep(seconds)
    yield body[count:]


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


# --- the cluster -----------------------------------------------------------------------------


@dataclass
class DoubledCluster:
    """Nodes, and a proxy that knows them by rings."""

    nodes: list[StorageNode]
    proxy: Proxy
    settings: ProxySettings
    directory: Path
    replicas: int

    def home(self, path: str) -> tuple[list[StorageNode], list[StorageNode]]:
        """Return the primaries and the handoffs of `account/container/object`."""
        cluster = ClusterConf.load(self.directory)
        ring = Ring.load(self.directory / "object.ring.gz")
        partition = ring.partition(cluster.salt.path_hash(*path.split("/", 2)))
        by_port = {node.port: node for node in self.nodes}
        return (
            [by_port[device.port] for device in ring.primaries(partition)],
            [by_port[device.port] for device in ring.handoffs(partition)],
        )

    def again(self, **settings: Any) -> Proxy:
        """Return another proxy over the same nodes, with other settings and no memory."""
        return Proxy(replace(self.settings, **settings), ClusterConf.load(self.directory))


@contextmanager
def doubled_cluster(directory: Path, *, replicas: int = 3, nodes: int = 4) -> Iterator[DoubledCluster]:
    """Run so many nodes behind one ring for accounts, containers and objects."""
    running = [StorageNode() for _ in range(nodes)]
    devices: list[Device | None] = [
        Device(number, 1, number + 1, "127.0.0.1", node.port, "127.0.0.1", node.port, f"d{number}")
        for number, node in enumerate(running)
    ]
    partitions = 1 << (32 - PART_SHIFT)
    # Each partition has its primaries one device further, so that every device holds something.
    rows = [
        np.array([(replica + partition) % nodes for partition in range(partitions)], dtype=np.uint16)
        for replica in range(replicas)
    ]
    for ring in ("account", "container", "object"):
        write_ring_file(RingData(list(devices), PART_SHIFT, list(rows)), directory / f"{ring}.ring.gz")
    (directory / "swift.conf").write_text(CONF)
    settings = ProxySettings(
        swift_dir=str(directory),
        account_autocreate=True,
        allow_account_management=True,
        node_timeout=5.0,  # All nodes are one busy process; who waits for a silent one takes less.
        conn_timeout=5.0,
        post_quorum_timeout=0.1,
        info_cache_seconds=60.0,
    )
    proxy = Proxy(settings, ClusterConf.load(directory))
    try:
        yield DoubledCluster(running, proxy, settings, directory, replicas)
    finally:
        proxy._replicas.backend.pool.close()
        for node in running:
            node.stop()


def make_real(
    cluster: DoubledCluster,
    node: StorageNode,
    warp: Callable[[Any], Any] = lambda body: body,
    methods: Iterable[str] = ("PUT",),
) -> None:
    """Have a real object server take such requests of a node; bodies get to it through `warp`."""
    root = cluster.directory / f"real{node.port}"
    (root / f"d{cluster.nodes.index(node)}").mkdir(parents=True)
    options = {"devices": str(root), "mount_check": "false", "fallocate_reserve": "0"}
    server = ObjectServer(options, ClusterConf.load(cluster.directory))

    def answer(request: Request, _node: StorageNode) -> Answer | None:
        if request.method not in methods or request.path.count("/") < 5:
            return None
        request.environ["wsgi.input"] = warp(request.environ["wsgi.input"])
        return server._answer(request)

    node.misbehaviour = answer
