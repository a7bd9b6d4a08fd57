"""Rows of many objects in one request: each fares as it would alone, or is left to go alone."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from database_request import ask

from apus.common import gathered_rows
from apus.common.cluster import ClusterConf
from apus.common.concurrency import sleep, spawn
from apus.common.database import batch
from apus.common.database.lock import locked
from apus.common.durability import GroupCommitter
from apus.common.gathered_rows import ALONE, STATUSES, TAKEN, TAKEN_HEADER
from apus.common.http.wsgi import to_wsgi
from apus.common.timestamp import Timestamp
from apus.container.server import ContainerServer

POLICIES = {
    "swift-hash": {"swift_hash_path_suffix": "x"},
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}
PUT = {"X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e"}
Row = tuple[str, str, Mapping[str, str]]


def at(seconds: int) -> str:
    return Timestamp.of(seconds).internal


@pytest.fixture
def server(tmp_path: Path) -> ContainerServer:
    for device in ("d1", "d2"):
        (tmp_path / "srv" / device).mkdir(parents=True)
    options = {
        "devices": str(tmp_path / "srv"),
        "mount_check": "false",
        "fallocate_reserve": "0",
        "log_requests": "true",
    }
    made = ContainerServer(options, ClusterConf.from_sections(POLICIES, tmp_path))
    for device in ("d1", "d2"):
        for container in ("c", "other"):
            assert ask(made, "PUT", f"/{device}/1/a/{container}", at=at(1)).status == 201
    return made


def put(path: str, seconds: int = 5, **more: str) -> Row:
    headers = {key.replace("_", "-"): value for key, value in more.items()}
    return "PUT", path, {"X-Timestamp": at(seconds), **PUT, **headers}


def delete(path: str, seconds: int = 6) -> Row:
    return "DELETE", path, {"X-Timestamp": at(seconds)}


def statuses(server: ContainerServer, *rows: Row) -> list[int]:
    lines = [gathered_rows.line(verb, to_wsgi(path), headers) for verb, path, headers in rows]
    body = gathered_rows.message([line for line in lines if line])
    reply = ask(server, gathered_rows.METHOD, gathered_rows.PATH, body=body)
    assert reply.status == 200
    found = gathered_rows.statuses_in(reply.headers[STATUSES], len(rows))
    assert found is not None
    return found


def listed(server: ContainerServer, path: str = "/d1/1/a/c") -> list[str]:
    reply = ask(server, "GET", path, query="format=json")
    return [entry["name"] for entry in json.loads(reply.body)]


def folder(server: ContainerServer, container: str = "c") -> Path:
    path_hash = server.cluster.salt.path_hash("a", container)
    return Path(server.settings.devices, "d1", "containers", "1", path_hash[-3:], path_hash)


def test_whoever_tells_of_a_row_hears_that_more_may_come(server: ContainerServer) -> None:
    """Each answer to a row that came alone says so."""
    _, path, headers = put("/d1/1/a/c/o")
    assert ask(server, "PUT", path, headers=headers).headers[TAKEN_HEADER] == TAKEN
    assert ask(server, "DELETE", path, at=at(9)).headers[TAKEN_HEADER] == TAKEN


def test_rows_of_many_databases_are_kept(server: ContainerServer) -> None:
    """PUTs and DELETEs of several containers and devices, with any names, a row twice as well."""
    rows = [
        put("/d1/1/a/c/é /\n1"),
        put("/d2/1/a/c/o"),
        put("/d1/1/a/other/o", X_Backend_Storage_Policy_Index="1"),
        put("/d1/1/a/c/gone"),
        delete("/d1/1/a/c/gone"),
        put("/d1/1/a/c/typed", X_Content_Type_Timestamp=at(7), X_Meta_Timestamp=at(8)),
    ]
    assert statuses(server, *rows) == [201, 201, 201, 201, 204, 201]
    assert listed(server) == ["typed", "é /\n1"]
    assert listed(server, "/d2/1/a/c") == ["o"]
    assert listed(server, "/d1/1/a/other") == []  # Its only row is of another policy.


def test_a_bad_row_is_its_own_trouble(server: ContainerServer, tmp_path: Path) -> None:
    """Each has the status it would have had alone; the good ones among them are kept."""
    (tmp_path / "srv" / "d2").rename(tmp_path / "unmounted")
    rows = {
        "kept": (put("/d1/1/a/c/kept"), 201),
        "no size": (("PUT", "/d1/1/a/c/o", {"X-Timestamp": at(5)}), 400),
        "no timestamp": (("PUT", "/d1/1/a/c/o", PUT), 400),
        "no policy": (put("/d1/1/a/c/o", X_Backend_Storage_Policy_Index="9"), 400),
        "no object": (put("/d1/1/a/c"), 400),
        "no partition": (put("/d1/x/a/c/o"), 400),
        "outside": (put("/../1/a/c/o"), 400),
        "not mounted": (put("/d2/1/a/never/o"), 507),
        "not UTF-8": (("PUT", "/d1/1/a/c/\udcff", dict(put("/")[2])), 412),
        "kept too": (delete("/d1/1/a/other/kept"), 204),
    }
    assert dict(zip(rows, statuses(server, *(row for row, _ in rows.values())), strict=True)) == {
        name: status for name, (_, status) in rows.items()
    }
    assert listed(server) == ["kept"]


def test_what_takes_more_than_an_append_is_left(server: ContainerServer) -> None:
    """A container that is not there, and may be made for its first row; one that somebody works on."""
    assert ask(server, "PUT", "/d1/1/a/c/o", headers=PUT, at=at(5)).status == 201
    with locked(str(folder(server)), timeout_seconds=1):
        rows = [
            put("/d1/1/a/c/p"),
            put("/d1/1/a/other/p"),
            put("/d1/1/a/never/o"),
            put("/d1/1/.expiring/9/o"),
        ]
        assert statuses(server, *rows) == [ALONE, 201, ALONE, ALONE]
    assert listed(server) == ["o"]
    assert statuses(server, put("/d1/1/a/c/p")) == [201]
    assert listed(server) == ["o", "p"]


def test_a_sharded_container_is_refused(server: ContainerServer) -> None:
    """As a row that comes alone: stock Swift must serve it."""
    place = folder(server)
    ask(server, "PUT", "/d1/1/a/c/o", headers=PUT, at=at(5))
    os.rename(place / f"{place.name}.db", place / f"{place.name}_1700000000.00000.db")
    assert statuses(server, put("/d1/1/a/c/o"), put("/d1/1/a/other/o")) == [503, 201]


def test_rows_that_wait_for_a_merge_go_alone(
    server: ContainerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of pending rows has its bound, whoever appends."""
    monkeypatch.setattr("apus.common.database.pending.MAX_BYTES", 100)
    monkeypatch.setattr("apus.common.database.pending.CAP_BYTES", 1 << 20)
    assert [statuses(server, put(f"/d1/1/a/c/{number}")) for number in range(3)] == [[201], [201], [ALONE]]


def test_a_slow_device_is_known_as_such(server: ContainerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are refused in time for the others' writers; they are not said to be kept."""
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(GroupCommitter, "sync", lambda *_: sleep(9))
    assert statuses(server, put("/d1/1/a/c/p"), put("/d1/1/a/c/q")) == [503, 503]


def test_requests_side_by_side_keep_all_rows(server: ContainerServer) -> None:
    """Several object servers tell of rows of one container in the same moment."""
    tasks = [
        spawn(statuses, server, *(put(f"/d1/1/a/c/{sender}-{number}") for number in range(9)))
        for sender in range(5)
    ]
    assert [task.wait() for task in tasks] == [[201] * 9] * 5
    assert len(listed(server)) == 45


@pytest.mark.parametrize("body", [b"", b"[]", b"[[]]", b"nonsense", b"[" + b" " * (1 << 20) + b"]"])
def test_another_message_is_refused(server: ContainerServer, body: bytes) -> None:
    """Nothing of it is kept."""
    assert ask(server, gathered_rows.METHOD, gathered_rows.PATH, body=body).status in (400, 413)


def test_each_row_is_found_in_the_log(server: ContainerServer, caplog: pytest.LogCaptureFixture) -> None:
    """Where requests are logged: a line with the transaction of each, and one for the request."""
    caplog.set_level(logging.INFO)
    statuses(server, put("/d1/1/a/c/o"), put("/d1/1/a/c/p"))
    said = [(record.getMessage(), getattr(record, "path", "")) for record in caplog.records]
    assert said[-3:] == [
        ("row", "/d1/1/a/c/o"),
        ("row", "/d1/1/a/c/p"),
        ("request", gathered_rows.PATH),
    ]
