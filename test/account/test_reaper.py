"""What a deleted account held is removed."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from database_nodes import PART_POWER, DatabaseNodes

from apus.account.reaper import AccountReaper
from apus.account.rows import reported
from apus.common import concurrency
from apus.common.http.server import HttpServer
from apus.common.http.wsgi import from_wsgi
from apus.common.timestamp import Timestamp, now
from apus.container.rows import ObjectRow
from apus.ring.device import Device
from apus.ring.file import RingData, write_ring_file


class ObjectServers:
    """Stands in for object servers: remembers deletions, and tells the containers as object servers do."""

    def __init__(self, nodes: DatabaseNodes) -> None:
        self.nodes = nodes
        self.deleted: list[tuple[str, str]] = []
        self.refusing = False
        self.server = HttpServer(self)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        concurrency.spawn(self.server.serve, listener)
        device = Device(0, 1, 1, "127.0.0.1", port, "127.0.0.1", port, "d0")
        row: Any = np.zeros(1 << PART_POWER, dtype=np.uint16)
        write_ring_file(RingData([device], 32 - PART_POWER, [row]), nodes.folder / "object.ring.gz")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.refusing:
            start_response("507 Insufficient Storage", [("Content-Length", "0")])
            return []
        _, _, _, account, container, name = from_wsgi(environ["PATH_INFO"]).split("/", 5)
        self.deleted.append((container, name))
        for node in range(4):
            broker = self.nodes.container(node, account, container)
            if broker.exists():
                timestamp = environ["HTTP_X_TIMESTAMP"]
                broker.put_object(ObjectRow(name, timestamp, 0, "application/deleted", "noetag", 1, 0))
        start_response("204 No Content", [])
        return []


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[DatabaseNodes]:
    cluster = DatabaseNodes(tmp_path)
    yield cluster
    cluster.close()


@pytest.fixture
def objects(nodes: DatabaseNodes) -> Iterator[ObjectServers]:
    servers = ObjectServers(nodes)
    yield servers
    servers.server.stop(graceful=False)


def fill(nodes: DatabaseNodes) -> list[int]:
    """Make a deleted account with three containers of five objects, on all their primaries."""
    at = Timestamp.of(100)
    members = [device.id for device in nodes.place("account", "a")[1]]
    for node in members:
        account = nodes.account(node)
        account.initialize("a", put_timestamp=at.internal, now=at)
        for container in ("c1", "c2", "ü"):
            row = {"put_timestamp": at.internal, "delete_timestamp": "0", "object_count": 5, "bytes_used": 5}
            account.put_container(reported(container, **row, policy_index=0))  # type: ignore[arg-type]
        account.delete(now().internal)
    for container in ("c1", "c2", "ü"):
        for device in nodes.place("container", "a", container)[1]:
            broker = nodes.container(device.id, "a", container)
            broker.initialize("a", container, put_timestamp=at.internal, policy_index=0, now=at)
            broker.merge_rows(
                [ObjectRow(f"o{index}%", at.internal, 1, "a/b", "e", 0, 0) for index in range(5)]
            )
    return members


def reap(nodes: DatabaseNodes, *members: int, **options: str) -> list[AccountReaper]:
    daemons = [
        AccountReaper(nodes.options(node) | options, nodes.cluster, nodes.mine(node)) for node in members
    ]
    for daemon in daemons:
        daemon.run_once()
    return daemons


def test_objects_containers_and_rows_go(nodes: DatabaseNodes, objects: ObjectServers) -> None:
    """The replicas of the account share the work; afterwards nothing is listed anywhere."""
    members = fill(nodes)
    daemons = reap(nodes, *members)
    assert len(objects.deleted) == len(set(objects.deleted)) == 15
    assert sum(daemon.done["containers_deleted"] for daemon in daemons) == 3
    for node in members:
        info = nodes.account(node).info()
        assert (info.container_count, info.status) == (0, "DELETED")
    for container in ("c1", "c2", "ü"):
        for device in nodes.place("container", "a", container)[1]:
            assert nodes.container(device.id, "a", container).is_deleted()


def test_what_cannot_be_deleted_stays_listed(nodes: DatabaseNodes, objects: ObjectServers) -> None:
    """Objects that remain keep their container, and the next pass tries again."""
    members = fill(nodes)
    objects.refusing = True
    daemons = reap(nodes, *members)
    assert sum(daemon.done["containers_remaining"] for daemon in daemons) == 3
    assert nodes.account(members[0]).info().container_count == 3
    objects.refusing = False
    reap(nodes, *members)
    assert nodes.account(members[0]).info().container_count == 0


def test_reaping_can_wait(nodes: DatabaseNodes, objects: ObjectServers) -> None:
    """An operator may want time to undo a deletion."""
    reap(nodes, *fill(nodes), delay_reaping="3600")
    assert objects.deleted == []


def test_living_accounts_are_left_alone(nodes: DatabaseNodes, objects: ObjectServers) -> None:
    """And so are those of which this node has no primary replica."""
    at = Timestamp.of(100)
    handoff = nodes.place("account", "a")[2][0].id
    for node in range(4):
        broker = nodes.account(node)
        broker.initialize("a", put_timestamp=at.internal, now=at)
        broker.put_container(
            reported(
                "c",
                put_timestamp=at.internal,
                delete_timestamp="0",
                object_count=1,
                bytes_used=1,
                policy_index=0,
            )
        )
    nodes.account(handoff).delete(now().internal)
    reap(nodes, *range(4))
    assert objects.deleted == []
