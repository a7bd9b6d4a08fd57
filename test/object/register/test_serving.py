"""The register of an object, as a proxy asks an object server for it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from object_server import ObjectNode, moment
from one_request import Reply

from apus.common import register
from apus.common.register import Promise, Version
from apus.common.timestamp import Timestamp


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path)


def ballot(number: int, token: str = "one") -> str:
    return register.ballot_after("", number, token)


def step(node: ObjectNode, step: str, number: int, *, body: bytes = b"", **headers: Any) -> Reply:
    """Ask for one step at a ballot."""
    return node.ask(
        register.METHOD,
        at=5,
        body=body,
        X_Backend_Register_Step=step,
        X_Backend_Register_Ballot=ballot(number),
        **headers,
    )


def promise(reply: Reply) -> Promise:
    assert reply.status == 200, reply.text
    return register.decode_promise(reply.headers[register.PROMISE.lower()])


def stage(node: ObjectNode, number: int, change: str, body: bytes, **headers: Any) -> Reply:
    source = {"Content_Type": "text/plain"}
    return step(node, "stage", number, body=body, X_Backend_Register_Change=change, **source, **headers)


def version(change: str, second: float, body: bytes | None) -> Version:
    etag = "" if body is None else hashlib.md5(body).hexdigest()
    return Version(change, Timestamp.parse(moment(second)), etag, body is not None)


def told(node: ObjectNode, name: str, number: int, what: Version) -> Reply:
    return step(node, name, number, X_Backend_Register_Version=register.encode_version(what))


@pytest.mark.parametrize("size", [0, 5, 100_000, 2_000_000])
def test_a_body_is_shown_when_it_was_chosen(node: ObjectNode, size: int) -> None:
    """Staged and accepted it is nowhere to be seen; committed it is the object, with its moment."""
    body = os.urandom(size)
    given = promise(stage(node, 1, "c1", body, X_Object_Meta_Colour="blue"))
    assert given.granted
    assert given.visible.version == register.ABSENT
    chosen = version("c1", 7, body)
    assert promise(told(node, "accept", 1, chosen)).granted
    assert node.ask("GET").status == 404
    assert told(node, "commit", 1, chosen).status == 201
    got = node.ask("GET")
    assert (got.status, got.body) == (200, body)
    assert got.headers["x-timestamp"] == moment(7)
    assert got.headers["x-object-meta-colour"] == "blue"
    assert told(node, "commit", 1, chosen).status == 201
    assert not list((node.root / "sda" / "registers").rglob("*.staged"))


def test_a_promise_outlives_the_process_and_the_object(node: ObjectNode, tmp_path: Path) -> None:
    """Who has promised refuses lower ballots, even when it was killed and its copy is in quarantine since."""
    assert promise(step(node, "prepare", 9)).granted
    node.put(b"body", at=1)
    node.data_file().write_bytes(b"other and longer")
    again = ObjectNode(tmp_path)
    refused = promise(step(again, "prepare", 8))
    assert not refused.granted
    assert refused.record.promised == ballot(9)
    assert not promise(told(again, "accept", 8, version("c1", 7, b""))).granted
    assert promise(step(again, "prepare", 9)).granted


def test_a_look_promises_nothing(node: ObjectNode) -> None:
    """It tells what is here; lower ballots go on as before."""
    assert promise(step(node, "prepare", 3)).granted
    seen = promise(node.ask(register.METHOD, at=5, X_Backend_Register_Step="look"))
    assert not seen.granted
    assert seen.record.promised == ballot(3)
    assert promise(told(node, "accept", 3, version("c1", 7, None))).granted


def test_a_device_tells_since_when_it_is_asked_of_a_partition(node: ObjectNode) -> None:
    """The first request of any object there begins it; an empty disk begins anew."""
    assert promise(step(node, "prepare", 3)).since == Timestamp.parse(moment(5))
    later = node.ask(register.METHOD, at=50, X_Backend_Register_Step="look")
    assert promise(later).since == Timestamp.parse(moment(5))
    shutil.rmtree(node.root / "sda" / "registers")
    again = node.ask(register.METHOD, at=50, X_Backend_Register_Step="look")
    assert promise(again).since == Timestamp.parse(moment(50))


def test_what_was_accepted_is_told_to_the_next(node: ObjectNode) -> None:
    """A later ballot learns the version and what the folder shows."""
    node.put(b"plain", at=1)
    wanted = version("c1", 7, b"new")
    told(node, "accept", 3, wanted)
    given = promise(step(node, "prepare", 4))
    assert given.record.accepted == wanted
    assert given.record.ballot == ballot(3)
    assert given.visible.etag == hashlib.md5(b"plain").hexdigest()


def test_a_chosen_deletion_is_a_tombstone(node: ObjectNode) -> None:
    """It needs no body, so every primary can show it."""
    node.put(b"plain", at=1)
    gone = version("c1", 7, None)
    assert told(node, "commit", 3, gone).status == 204
    missing = node.ask("GET")
    assert (missing.status, missing.headers["x-backend-timestamp"]) == (404, moment(7))


def test_who_lacks_the_body_says_so(node: ObjectNode) -> None:
    """It has learned what was chosen, and counts for no copy."""
    chosen = version("c1", 7, b"new")
    assert told(node, "commit", 3, chosen).status == 404
    assert promise(step(node, "prepare", 4)).record.accepted == chosen


def test_what_is_newer_stays(node: ObjectNode) -> None:
    """A change without register and of a later moment is not undone by what was chosen before it."""
    stage(node, 1, "c1", b"chosen")
    node.put(b"newer", at=8)
    assert told(node, "commit", 1, version("c1", 7, b"chosen")).status == 201
    assert node.ask("GET").body == b"newer"


def test_a_damaged_record_promises_nothing(node: ObjectNode) -> None:
    """Who can't know what he promised abstains."""
    step(node, "prepare", 9)
    (record,) = (node.root / "sda" / "registers").rglob("record")
    record.write_bytes(b"{")
    assert step(node, "prepare", 10).status == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Backend_Register_Step": "prepare", "X_Backend_Register_Ballot": "soon"},
        {"X_Backend_Register_Step": "dance", "X_Backend_Register_Ballot": ballot(1)},
        {"X_Backend_Register_Step": "accept", "X_Backend_Register_Ballot": ballot(1)},
        {
            "X_Backend_Register_Step": "stage",
            "X_Backend_Register_Ballot": ballot(1),
            "X_Backend_Register_Change": "../x",
        },
    ],
)
def test_nonsense_is_refused(node: ObjectNode, headers: dict[str, Any]) -> None:
    """400, and nothing is kept."""
    assert node.ask(register.METHOD, at=5, **headers).status == 400
    assert not list((node.root / "sda").rglob("record"))
