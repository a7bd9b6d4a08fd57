"""A parcel of objects at the object server: stored as so many PUTs would have been, or left to them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from object_server import ObjectNode, moment
from one_request import Reply

from apus.common import durability, restricted_pickle
from apus.common.concurrency import sleep, spawn
from apus.object.files import hashes, metadata
from apus.object.files.batch import OPEN_MAX
from apus.object.files.blocks import KEY
from apus.object.files.store import block_sums
from apus.object.parcel import PARCEL_BYTES_MAX, TAKEN, TAKEN_HEADER, Piece, pack


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path)


def piece(name: str, body: bytes, at: float, /, **more: str) -> Piece:
    content = {
        "X-Timestamp": moment(at),
        "Content-Type": "text/plain",
        "Content-Length": str(len(body)),
        "ETag": hashlib.md5(body).hexdigest(),
        "X-Object-Meta-Colour": "bl\xc3\xbc",
        "name": f"/a/c/{name}",
    }
    return Piece(metadata.encode(content | more), body)


def described(path: Path) -> tuple[dict[str, str], bytes | None]:
    """Return a file's metadata and its block checksums, wherever they lie."""
    with path.open("rb") as file:
        content = metadata.read(file.fileno())
        sums = block_sums(file.fileno(), content)
    content.pop(KEY, None)
    return content, sums


def send(node: ObjectNode, *pieces: Piece, message: bytes | None = None) -> Reply:
    body = pack(pieces) if message is None else message
    return node.ask("REPLICATE", "/sda/7", body=body, X_Apus_Parcel="true")


def sent(node: ObjectNode, *pieces: Piece) -> list[int]:
    reply = send(node, *pieces)
    assert reply.status == 200, reply.text
    statuses: list[int] = json.loads(reply.body)
    return statuses


def test_a_parcel_is_as_good_as_puts(node: ObjectNode, tmp_path: Path) -> None:
    """Bodies, metadata, block checksums and suffix hashes are those that a PUT of each would have left."""
    bodies = {f"o{number}": os.urandom(number * 900) for number in range(40)}
    assert sent(node, *(piece(name, body, 5) for name, body in bodies.items())) == [201] * 40
    (tmp_path / "other").mkdir()
    other = ObjectNode(tmp_path / "other")
    for name, body in bodies.items():
        path = f"/sda/7/a/c/{name}"
        other.put(body, at=5, path=path, X_Object_Meta_Colour="bl\xc3\xbc")
        got, expected = node.ask("GET", path), other.ask("GET", path)
        assert (got.body, got.headers) == (body, expected.headers)
    files = [
        sorted(str(file.relative_to(each.root)) for file in each.root.glob("sda/**/*.data"))
        for each in (node, other)
    ]
    assert files[0] == files[1]
    for name in files[0]:
        ours, theirs = node.root / name, other.root / name
        assert described(ours) == described(theirs)
    now = 1_700_000_100.0
    summed = [
        hashes.suffix_hashes(str(each.root / "sda"), 0, 7, reclaim_age_seconds=1e6, now=now)
        for each in (node, other)
    ]
    assert summed[0] == summed[1]
    assert len(summed[0]) > 30


def test_more_than_may_be_open_at_once_joins_a_partition(node: ObjectNode) -> None:
    """Where the partition is there already, files are held open a batch at a time."""
    node.put(b"there", at=3, path="/sda/7/a/c/there")
    pieces = [piece(f"o{number}", b"sent", 5) for number in range(OPEN_MAX + 1)]
    assert sent(node, *pieces) == [201] * (OPEN_MAX + 1)
    assert len(node.files()) == OPEN_MAX + 2


def test_metadata_that_is_none_is_not_stored(node: ObjectNode) -> None:
    """It is stored as it came, so it must be what a reader takes."""
    broken = Piece(b"\x80\x02]q\x00.", b"1")
    assert sent(node, piece("a", b"12", 5), broken, Piece(b"what?", b"1")) == [201, 422, 422]


def test_what_is_there_wins_or_is_left_to_a_put(node: ObjectNode) -> None:
    """The same or newer is held already; to replace something older is not a parcel's business."""
    for name, at in (("older", 3), ("same", 5), ("newer", 7)):
        node.put(b"there", at=at, path=f"/sda/7/a/c/{name}")
    node.ask("DELETE", "/sda/7/a/c/gone", at=9)
    names = ("older", "same", "newer", "gone", "fresh")
    assert sent(node, *(piece(name, b"sent", 5) for name in names)) == [501, 409, 409, 409, 201]
    assert node.ask("GET", "/sda/7/a/c/older").body == b"there"
    assert node.ask("GET", "/sda/7/a/c/gone").status == 404


def test_two_nodes_may_bring_the_same_at_once(node: ObjectNode) -> None:
    """The other one has made the folder and not yet linked its file: either copy is as good."""
    node.put(b"1", at=5, path="/sda/7/a/c/a")
    node.data_file().unlink()
    assert sent(node, piece("a", b"1", 5), piece("b", b"2", 5)) == [201, 201]
    assert node.ask("GET", "/sda/7/a/c/a").body == b"1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ETag": "0" * 32},
        {"Content-Length": "1"},
        {"X-Timestamp": "yesterday"},
        {"name": "/a/c"},
        {"name": "/a//o"},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_what_is_not_what_it_says_is_not_stored(node: ObjectNode, wrong: dict[str, str]) -> None:
    """Its neighbours in the parcel are."""
    assert sent(node, piece("a", b"12", 5), piece("b", b"34", 5, **wrong), piece("c", b"56", 5)) == [
        201,
        422,
        201,
    ]
    assert len(node.files()) == 2


def test_nonsense_is_refused(node: ObjectNode) -> None:
    """A parcel that is none, one without end, and one that says a thing twice."""
    assert send(node, message=b"what?").status == 400
    assert send(node, message=bytes(PARCEL_BYTES_MAX + 1)).status == 413
    assert send(node, piece("a", b"1", 5), piece("a", b"2", 6)).status == 400
    assert not (node.root / "sda" / "objects").exists() or not node.files()


def test_a_parcel_that_breaks_off_leaves_nothing(node: ObjectNode) -> None:
    """Its length was announced, and the sender went away."""
    reply = node.ask(
        "REPLICATE", "/sda/7", body=pack([piece("a", b"1", 5)]), broken=True, X_Apus_Parcel="true"
    )
    assert reply.status == 499
    assert not (node.root / "sda" / "objects").exists()


@pytest.mark.parametrize("is_founded", [True, False])
@pytest.mark.parametrize(("failing", "named"), [(1, [0]), (2, [0, 2])])
def test_nothing_has_a_name_before_it_is_durable(
    node: ObjectNode, monkeypatch: pytest.MonkeyPatch, failing: int, named: list[int], is_founded: bool
) -> None:
    """When the device fails in the first round no object is there; in the second none is acknowledged."""
    if not is_founded:
        (node.root / "sda/objects/7").mkdir(parents=True)
    seen: list[int] = []

    def sync(_self: durability.GroupCommitter, _ticket: int | None = None) -> None:
        seen.append(len(list(node.root.glob("sda/objects/**/*.data"))))
        if len(seen) == failing:
            raise OSError(errno.EIO, "lost")

    monkeypatch.setattr(durability.GroupCommitter, "sync", sync)
    assert send(node, piece("a", b"1", 5), piece("b", b"1", 5)).status == 507
    assert seen == named


def test_without_nameless_files_all_is_left_to_puts(
    node: ObjectNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems lack them; the ordinary writer knows another way. A new partition needs none."""
    (node.root / "sda/objects/7").mkdir(parents=True)
    really_open = os.open

    def refusing(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no")
        return really_open(path, flags, *more, **options)

    monkeypatch.setattr("apus.object.files.batch.open_file", refusing)
    assert sent(node, piece("a", b"1", 5), piece("b", b"2", 5)) == [501, 501]


def test_a_full_device_takes_none(tmp_path: Path) -> None:
    """The reserve is every write's business."""
    node = ObjectNode(tmp_path, {"fallocate_reserve": "100%"})
    assert send(node, piece("a", b"1", 5)).status == 507
    assert node.files() == []


def test_every_answer_says_that_parcels_are_taken(node: ObjectNode) -> None:
    """By this a replicator knows that it does not speak to a stock server; a parcel's answer says it too.

    Other partitions' threads ask what the last answer said: one without it sends their objects one by one.
    """
    for reply in (
        node.ask("REPLICATE", "/sda/7"),
        node.ask("REPLICATE", "/sda/7", X_Apus_Inventory="all"),
        send(node, piece("a", b"1", 5)),
    ):
        assert reply.headers[TAKEN_HEADER.lower()] == TAKEN


def test_who_would_bring_what_is_on_its_way_is_answered_when_it_is_there(node: ObjectNode) -> None:
    """So it finds equal hashes; a stock server, which says nothing of bringing, does not wait."""
    node.ask("REPLICATE", "/sda/7", X_Apus_Brings="parcels")
    second = spawn(node.ask, "REPLICATE", "/sda/7", X_Apus_Brings="parcels")
    sleep()
    assert restricted_pickle.loads(node.ask("REPLICATE", "/sda/7").body) == {}
    assert not second.done
    assert sent(node, piece("a", b"1", 5)) == [201]
    assert len(restricted_pickle.loads(second.wait().body)) == 1
