"""A large body whose sums are told behind it: believed when it is the body that was sent, else nothing is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import pytest
from engine import Raw, Served, serving
from object_server import PATH, ObjectNode, moment

from apus.common.body_sums import BODY_BYTES_MIN, BodySums
from apus.object.files.blocks import ATTRIBUTE, BlockSums

BODY = os.urandom(3 * BODY_BYTES_MIN + 77)
MD5 = hashlib.md5(BODY).hexdigest()
FOOTER = BodySums(MD5, google_crc32c.value(BODY)).encode()
OFFER = "X-Apus-Sums: 1\r\n"


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path)


@pytest.fixture
def served(node: ObjectNode) -> Iterator[Served]:
    with serving(node.server) as running:
        yield running


def head(extra: str = OFFER, length: str = f"Content-Length: {len(BODY)}\r\n") -> bytes:
    """Return the head of a PUT that waits to be told to continue."""
    return (
        f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {moment(0)}\r\nContent-Type: text/plain\r\n"
        f"{length}Expect: 100-continue\r\n{extra}\r\n"
    ).encode()


def agreed(raw: Raw, extra: str = OFFER) -> None:
    """Begin an upload whose sums are to follow."""
    raw.send(head(extra))
    status, headers = raw._head()
    assert (status, headers["x-apus-sums"]) == (100, "1")


def test_what_is_told_is_believed(node: ObjectNode, served: Served) -> None:
    """The ETag is what was told, the blocks are summed as ever, and the connection goes on."""
    told = BodySums("0" * 32, google_crc32c.value(BODY)).encode()
    with served.raw() as raw:
        agreed(raw)
        raw.send(BODY, told)
        reply = raw.answer()
        assert (reply.status, reply.headers["etag"]) == (201, f'"{"0" * 32}"')
        raw.send(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        reply = raw.answer()
        assert (reply.body, reply.headers["etag"]) == (BODY, f'"{"0" * 32}"')
    sums = BlockSums()
    sums.update(BODY)
    assert os.getxattr(node.data_file(), ATTRIBUTE) == sums.encode()


@pytest.mark.parametrize("at", [0, len(BODY) // 2, len(BODY) - 1])
def test_a_bit_that_flips_on_the_way_is_noticed(node: ObjectNode, served: Served, at: int) -> None:
    """Nothing is kept, and who sent it is told to try again."""
    flipped = bytearray(BODY)
    flipped[at] ^= 4
    with served.raw() as raw:
        agreed(raw)
        raw.send(bytes(flipped), FOOTER)
        assert raw.answer().status == 503
    assert not node.files()


def test_a_sender_who_dies_before_the_footer_leaves_nothing(node: ObjectNode, served: Served) -> None:
    """Nor one in the middle of it."""
    for told in (b"", FOOTER[:-1]):
        with served.raw() as raw:
            agreed(raw)
            raw.send(BODY, told)
            raw.end()
            assert raw.answer().status == 499
    assert not node.files()


def test_a_footer_that_is_none_is_refused(node: ObjectNode, served: Served) -> None:
    """And what came with it is not kept."""
    with served.raw() as raw:
        agreed(raw)
        raw.send(BODY, b"x" * len(FOOTER))
        assert raw.answer().status == 400
    assert not node.files()


def test_the_clients_etag_is_held_against_what_is_told(node: ObjectNode, served: Served) -> None:
    """Before anything is committed."""
    for etag, status in (("1" * 32, 422), (MD5, 201)):
        with served.raw() as raw:
            agreed(raw, f"{OFFER}ETag: {etag}\r\n")
            raw.send(BODY, FOOTER)
            assert raw.answer().status == status
        assert bool(node.files()) is (status == 201)


@pytest.mark.parametrize("extra", ["", "X-Apus-Sums: 2\r\n"])
def test_who_offers_nothing_known_is_asked_for_nothing(node: ObjectNode, served: Served, extra: str) -> None:
    """Stock Swift's proxy, or one of another time."""
    with served.raw() as raw:
        raw.send(head(extra))
        status, headers = raw._head()
        assert status == 100
        assert "x-apus-sums" not in headers
        raw.send(BODY)
        reply = raw.answer()
        assert (reply.status, reply.headers["etag"]) == (201, f'"{MD5}"')


def test_bodies_of_other_kinds_have_no_footer(node: ObjectNode, served: Served) -> None:
    """Chunked ones, small ones, and those whose sender does not wait."""
    for length, body in (
        ("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ("Content-Length: 5\r\n", b"hello"),
    ):
        with served.raw() as raw:
            raw.send(head(length=length))
            status, headers = raw._head()
            assert status == 100
            assert "x-apus-sums" not in headers
            raw.send(body)
            assert raw.answer().status == 201
        node.ask("DELETE", at=-1)
        node.data_file().unlink()
    with served.raw() as raw:
        raw.send(head().replace(b"Expect: 100-continue\r\n", b""), BODY)
        reply = raw.answer()
        assert (reply.status, reply.headers["etag"]) == (201, f'"{MD5}"')
