"""Laws of what container sync sends, in which order, and what it remembers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from apus.common.database.layout import Location
from apus.common.errors import ApusError
from apus.common.timestamp import Timestamp
from apus.container.broker import ContainerBroker, ContainerInfo
from apus.container.sync import ContainerSync, Pass, Share, SyncSettings, sent_headers

NOW = Timestamp.of(1_700_000_000)


@dataclass
class Body:
    """An object of this cluster."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes] = (b"content",)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class Remote:
    """A container of another cluster, in memory."""

    objects: dict[str, Timestamp] = field(default_factory=dict)
    refuses: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def moment_of(self, name: str, at: Timestamp) -> Timestamp | None:
        self.asked.append(("HEAD", name))
        if name in self.refuses:
            raise ApusError("refused")
        return self.objects.get(name)

    def put(self, name: str, headers: Mapping[str, str], body: Iterable[bytes]) -> None:
        self.asked.append(("PUT", name))
        self.objects[name] = Timestamp.parse(headers["X-Timestamp"])

    def delete(self, name: str, at: Timestamp) -> None:
        self.asked.append(("DELETE", name))
        self.objects.pop(name, None)


def daemon(originals: Mapping[str, Body] | None = None) -> ContainerSync:
    """One without rings and devices: its parts are called by themselves."""
    made: ContainerSync = ContainerSync.__new__(ContainerSync)
    made.settings = SyncSettings()
    made._pass = Pass()

    def source(info: ContainerInfo, name: str) -> Body:
        known = (originals or {}).get(name)
        return known or Body(200, {"x-timestamp": NOW.later(1000).normal, "content-length": "7"})

    made._source = source
    return made


def broker(folder: Path, names: Iterable[str], deleted: Iterable[str] = ()) -> ContainerBroker:
    path = folder / "hash" / "hash.db"
    path.parent.mkdir(parents=True)
    made = ContainerBroker(str(path))
    made.initialize("a", "c", put_timestamp=NOW.internal, policy_index=0, now=NOW)
    gone = set(deleted)
    for place, name in enumerate([*names, *gone]):
        row = {
            "name": name,
            "created_at": NOW.later(place + 1).internal,
            "size": 7,
            "content_type": "text/plain",
            "etag": "e",
            "deleted": int(name in gone),
            "storage_policy_index": 0,
        }
        made.merge_items([row])
    return made


def run(made: ContainerSync, database: ContainerBroker, remote: Any, share: Share) -> tuple[int, int]:
    """One container's part of a pass; return its two points."""
    info = database.info()

    def send(row: Any) -> bool:
        return made._send(info, remote, row)

    point2 = made._catch_up(database, info, send, float("inf"))
    made._send_share(database, info.x_container_sync_point1, point2, share, send, float("inf"))
    info = database.info()
    return info.x_container_sync_point1, info.x_container_sync_point2


def share(turn: int, replicas: int = 3) -> Share:
    return Share(lambda name: hashlib.md5(name.encode()).hexdigest(), turn, replicas)


NAMES = [f"o{number}" for number in range(12)]


def test_replicas_share_the_work_and_leave_nothing_out(tmp_path: Path) -> None:
    """Each row is some replica's to send first, and nobody else's."""
    remote = Remote()
    for turn in range(3):
        database = broker(tmp_path / str(turn), NAMES)
        last = database.max_row()
        assert run(daemon(), database, remote, share(turn)) == (last, -1)
    assert sorted(name for method, name in remote.asked if method == "PUT") == sorted(NAMES)


def test_the_next_pass_sends_what_others_left(tmp_path: Path) -> None:
    """Where a replica was down, the others look at its rows in the pass after; then they are done with."""
    remote = Remote()
    database = broker(tmp_path, NAMES)
    run(daemon(), database, remote, share(0))
    assert len(remote.objects) < len(NAMES)
    assert run(daemon(), database, remote, share(0)) == (database.max_row(), database.max_row())
    assert sorted(remote.objects) == sorted(NAMES)
    remote.asked.clear()
    run(daemon(), database, remote, share(0))
    assert not remote.asked


def test_a_row_that_failed_is_never_passed(tmp_path: Path) -> None:
    """The point stays before it, however many rows behind it went well."""
    remote = Remote(refuses={"o3"})
    database = broker(tmp_path, NAMES)
    run(daemon(), database, remote, share(0, 1))
    first = next(row["ROWID"] for row in database.items_since(-1, 100) if row["name"] == "o3")
    for _ in range(2):
        _, point2 = run(daemon(), database, remote, share(0, 1))
        assert point2 < first
    remote.refuses.clear()
    assert run(daemon(), database, remote, share(0, 1))[1] == database.max_row()
    assert sorted(remote.objects) == sorted(NAMES)


def test_deletions_are_sent_and_what_is_there_is_not(tmp_path: Path) -> None:
    """A HEAD is all that an object costs which the other cluster has."""
    remote = Remote(objects={"o0": NOW.later(10_000_000), "gone": NOW})
    database = broker(tmp_path, ["o0"], deleted=["gone"])
    run(daemon(), database, remote, share(0, 1))
    assert remote.asked == [("HEAD", "o0"), ("DELETE", "gone")]
    assert set(remote.objects) == {"o0"}


@pytest.mark.parametrize(
    "original",
    [
        Body(503, {}),
        Body(404, {}),
        Body(200, {"x-timestamp": Timestamp.of(1).normal}),
        Body(200, {"x-timestamp": NOW.later(1000).normal, "x-object-sysmeta-crypto-body-meta": "{}"}),
    ],
)
def test_what_cannot_be_sent_rightly_is_tried_again(tmp_path: Path, original: Body) -> None:
    """Not there, older than its row, or encrypted: nothing is sent, and the row is not passed."""
    remote = Remote()
    database = broker(tmp_path, ["o"])
    made = daemon({"o": original})
    for _ in range(2):
        _, point2 = run(made, database, remote, share(0, 1))
        assert point2 == -1
    assert not remote.objects
    assert made._pass.failures == 2


def test_links_to_versions_stay_here(tmp_path: Path) -> None:
    """They would lead nowhere over there."""
    remote = Remote()
    link = Body(200, {"x-timestamp": NOW.later(9).normal, "x-object-sysmeta-versions-symlink": "true"})
    run(daemon({"o": link}), broker(tmp_path, ["o"]), remote, share(0, 1))
    assert not remote.objects


def test_headers_go_over_as_a_client_would_send_them() -> None:
    """Without what is this cluster's own; a link as a link."""
    told = {
        "content-type": "text/plain; charset=utf-8;swift_bytes=5",
        "etag": '"abc"',
        "date": "now",
        "last-modified": "then",
        "x-timestamp": "1.00000",
        "x-object-meta-colour": "blue",
        "x-object-meta-\xe8\x89\xb2": "\xe9\x9d\x92",
        "x-delete-at": "9",
        "x-backend-timestamp": "1",
        "x-object-sysmeta-crypto-etag": "x",
        "x-object-sysmeta-symlink-target": "c/o",
        "x-object-sysmeta-symlink-target-account": "AUTH_b",
        "x-static-large-object": "True",
        "x-trans-id": "tx",
    }
    assert sent_headers(told) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Etag": "abc",
        "X-Timestamp": "1.00000",
        "X-Object-Meta-Colour": "blue",
        "x-object-meta-\xe8\x89\xb2": "\xe9\x9d\x92",
        "X-Delete-At": "9",
        "X-Symlink-Target": "c/o",
        "X-Symlink-Target-Account": "AUTH_b",
        "X-Static-Large-Object": "True",
    }


def test_one_containers_fault_is_not_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with it, the pass goes on to the next container."""
    database = broker(tmp_path, [])
    database.close()
    location = Location("sda", 0, database.path)
    made = daemon()

    def breaks(*_what: object) -> None:
        raise RuntimeError("nobody has thought of this")

    monkeypatch.setattr(made, "_synchronise", breaks)
    made._look_at(location)
    assert made._pass.failures == 1
