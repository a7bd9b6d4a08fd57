"""Rows that travel together: each ends in a listing or in the queue, whatever the container server is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container_doubles import ContainerDoubles, container_doubles
from object_server import ObjectNode, moment

from apus.common.concurrency import spawn
from apus.common.gathered_rows import ALONE, ROWS_MAX, STATUSES
from apus.common.http.answer import Answer
from apus.common.http.wsgi import to_wsgi
from apus.object import async_pending, gathered_updates

MANY = 12


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[ContainerDoubles]:
    with container_doubles(tmp_path) as doubles:
        doubles.takes = True
        yield doubles


@pytest.fixture
def node(tmp_path: Path, containers: ContainerDoubles) -> ObjectNode:
    """An object server that has heard from its container server that it takes rows together."""
    made = ObjectNode(tmp_path, {"container_update_timeout": "1"})
    assert put(made, containers, "first") == "true"
    containers.seen.clear()
    return made


def put(node: ObjectNode, containers: ContainerDoubles, name: str, device: str = "c0", at: int = 0) -> str:
    to: dict[str, Any] = {
        "X_Container_Host": f"{containers.address[0]}:{containers.address[1]}",
        "X_Container_Device": device,
        "X_Container_Partition": "5",
    }
    path = to_wsgi(f"/sda/7/a/c/{name}")
    reply = node.ask("PUT", path, body=b"hello", at=at, X_Trans_Id=to_wsgi(f"tx-{name}"), **to)
    assert reply.status == 201
    return reply.headers["x-backend-listing-updated"]


def put_many(
    node: ObjectNode, containers: ContainerDoubles, count: int = MANY, device: str = "c0", at: int = 0
) -> list[str]:
    tasks = [spawn(put, node, containers, f"é {number}", device, at) for number in range(count)]
    return [task.wait() for task in tasks]


def waiting(node: ObjectNode) -> list[str]:
    return sorted(found.update["obj"] for found in async_pending.pending(str(node.root / "sda")))


def names(count: int = MANY) -> list[str]:
    return sorted(f"é {number}" for number in range(count))


def told(containers: ContainerDoubles) -> list[str]:
    return sorted(path.removeprefix("a/c/") for path in containers.told("PUT"))


def test_rows_of_a_round_go_together(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Writers that one round of syncfs wakes need one request; each row says all that it said alone."""
    assert put_many(node, containers) == ["true"] * MANY
    assert told(containers) == names()
    assert sum(containers.gathered) == MANY
    assert len(containers.gathered) < MANY / 2
    headers = containers.headers("a/c/é 3")
    assert headers["X-Size"] == "5"
    assert headers["X-Etag"] == "5d41402abc4b2a76b9719d911017c592"
    assert headers["X-Timestamp"] == moment(0)
    assert headers["X-Trans-Id"] == to_wsgi("tx-é 3")
    assert headers["X-Backend-Storage-Policy-Index"] == "0"
    assert waiting(node) == []


def test_who_has_not_said_so_gets_rows_alone(node: ObjectNode, containers: ContainerDoubles) -> None:
    """As every stock Swift; and one that says it no longer."""
    containers.takes = False
    assert put_many(node, containers) == ["true"] * MANY
    assert told(containers) == names()
    assert len(containers.gathered) <= gathered_updates.UNDER_WAY_MAX
    containers.gathered.clear()
    containers.seen.clear()
    assert put_many(node, containers, at=1) == ["true"] * MANY
    assert containers.gathered == []
    assert told(containers) == names()
    assert waiting(node) == []


@pytest.mark.parametrize(
    "instead",
    [
        Answer(405),
        Answer(500),
        Answer(200),
        Answer(200, {STATUSES: "201"}),
        Answer(200, {STATUSES: "yes"}),
        Answer(200, {}, b"x" * 100_000),
    ],
    ids=["405", "500", "no statuses", "too few", "nonsense", "a long body"],
)
def test_a_strange_answer_costs_no_row(
    node: ObjectNode, containers: ContainerDoubles, instead: Answer
) -> None:
    """Whatever it was, each row goes alone, at once."""
    containers.instead = instead
    assert put_many(node, containers) == ["true"] * MANY
    assert told(containers) == names()
    assert waiting(node) == []


def test_a_refused_row_waits_and_the_others_do_not(node: ObjectNode, containers: ContainerDoubles) -> None:
    """A device that is not mounted is its own rows' trouble; these then go alone for a while."""
    containers.statuses["PUT", "c1"] = 507
    tasks = [spawn(put, node, containers, f"o{number}", f"c{number % 2}") for number in range(MANY)]
    assert [task.wait() for task in tasks] == ["true", "false"] * (MANY // 2)
    assert waiting(node) == sorted(f"o{number}" for number in range(1, MANY, 2))
    containers.gathered.clear()
    put_many(node, containers, device="c1")
    assert containers.gathered == []
    assert put_many(node, containers, at=1) == ["true"] * MANY
    assert sum(containers.gathered) == MANY


def test_who_would_hold_up_the_others_goes_alone(node: ObjectNode, containers: ContainerDoubles) -> None:
    """The server says of which rows it has done nothing yet."""
    count = 3
    containers.instead = Answer(200, {STATUSES: ",".join([str(ALONE)] * count)})
    assert put_many(node, containers, count) == ["true"] * count
    assert told(containers) == names(count)
    assert containers.gathered == [count]


def test_a_container_that_moved_is_followed(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Whereto, only the answer to a row that goes alone can say."""
    containers.moved_to = ".shards_a/c-1"
    assert put(node, containers, "o") == "false"
    (update,) = [found.update for found in async_pending.pending(str(node.root / "sda"))]
    assert update["container_path"] == ".shards_a/c-1"


def test_a_silent_server_costs_a_writer_no_more_than_his_patience(
    node: ObjectNode, containers: ContainerDoubles
) -> None:
    """Rows under way, and those that have not even left, are in the queue when their time is up."""
    containers.pause_seconds = 3.0
    assert put_many(node, containers, 4) == ["false"] * 4
    assert waiting(node) == names(4)


def test_no_request_holds_more_than_may_be(node: ObjectNode, containers: ContainerDoubles) -> None:
    """More rows than fit make more requests."""
    count = 2 * ROWS_MAX + 5
    assert put_many(node, containers, count) == ["true"] * count
    assert max(containers.gathered) <= ROWS_MAX
    assert told(containers) == names(count)


def test_a_server_that_has_gone_costs_no_row(
    node: ObjectNode, containers: ContainerDoubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens any longer: every row is queued."""
    node.server.context.updates._pool.close()
    servers = node.server.context.updates._gathered._servers
    servers["127.0.0.1", 9] = servers.pop(containers.address)
    servers["127.0.0.1", 9]._address = ("127.0.0.1", 9)
    monkeypatch.setattr(containers, "address", ("127.0.0.1", 9))
    assert put_many(node, containers) == ["false"] * MANY
    assert waiting(node) == names()
