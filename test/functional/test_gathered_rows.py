"""Rows that travel together, to a container server that is a process of its own: each is listed or queued."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_process import ContainerProcess, running
from object_server import ObjectNode

from apus.common.concurrency import sleep, spawn
from apus.object import async_pending

CONTAINERS = 8
PUTS = 240


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ContainerProcess]:
    with running(tmp_path) as made:
        yield made


@pytest.fixture
def node(tmp_path: Path, server: ContainerProcess) -> ObjectNode:
    (tmp_path / "objects").mkdir()
    for number in range(CONTAINERS):
        assert asked(server, "PUT", f"/d1/{number}/a/c{number}") == 201
    return ObjectNode(tmp_path / "objects", {"container_update_timeout": "3"})


def asked(server: ContainerProcess, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, headers={"X-Timestamp": "1600000000.00000"})
    return connection.getresponse().status


def put(
    node: ObjectNode, server: ContainerProcess, number: int, device: str = "d1", container: str = ""
) -> str:
    partition = number % CONTAINERS
    reply = node.ask(
        "PUT",
        f"/sda/7/a/{container or f'c{partition}'}/o{number}",
        body=b"hello",
        at=0,
        X_Container_Host=f"127.0.0.1:{server.port}",
        X_Container_Device=device,
        X_Container_Partition=str(partition),
    )
    assert reply.status == 201
    return reply.headers["x-backend-listing-updated"]


def listed(server: ContainerProcess) -> set[str]:
    names: set[str] = set()
    for number in range(CONTAINERS):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", f"/d1/{number}/a/c{number}?format=json")
        names |= {entry["name"] for entry in json.loads(connection.getresponse().read())}
    return names


def queued(node: ObjectNode) -> set[str]:
    return {found.update["obj"] for found in async_pending.pending(str(node.root / "sda"))}


def together(server: ContainerProcess) -> int:
    """How many rows have come with others, by the server's own count."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return int(sum(float(line.split()[1]) for line in lines if line.startswith("apus_gathered_rows_total{")))


def test_good_rows_are_listed_and_others_queued(node: ObjectNode, server: ContainerProcess) -> None:
    """Of those that went together, some for a container that is not there, some for a device that is not."""
    assert put(node, server, 0) == "true"
    tasks = [spawn(put, node, server, number) for number in range(1, 40)]
    tasks += [spawn(put, node, server, number, "d1", "missing") for number in range(40, 50)]
    tasks += [spawn(put, node, server, number, "d2") for number in range(50, 60)]
    assert [task.wait() for task in tasks] == ["true"] * 39 + ["false"] * 20
    assert listed(server) == {f"o{number}" for number in range(40)}
    assert queued(node) == {f"o{number}" for number in range(40, 60)}
    assert together(server) > 30


def test_a_server_that_is_killed_loses_no_row(node: ObjectNode, server: ContainerProcess) -> None:
    """In the middle of the load: what it had acknowledged is listed afterwards, all else is queued."""
    assert put(node, server, 0) == "true"
    answers: dict[int, str] = {}

    def keep_putting(first: int) -> None:
        for number in range(first, PUTS, 20):
            answers[number] = put(node, server, number)

    tasks = [spawn(keep_putting, first) for first in range(1, 21)]
    while len(answers) < PUTS // 3:
        sleep(0.001)
    server.kill()
    for task in tasks:
        task.wait()
    server.start()
    there, waiting = listed(server), queued(node)
    assert {f"o{number}" for number, answer in answers.items() if answer == "true"} <= there
    assert {f"o{number}" for number, answer in answers.items() if answer == "false"} == waiting
    assert waiting
    assert len(answers) == PUTS - 1
