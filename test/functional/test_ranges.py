"""Parts of objects: one range, many ranges, and those that make no sense."""

from __future__ import annotations

import random
import re

import pytest
from store import Client, Reply

SIZE = 200_000
CONTENT = random.Random(7).randbytes(SIZE)


@pytest.fixture
def thing(client: Client, container: str) -> str:
    assert client.put(container, "thing", body=CONTENT, headers={"Content-Type": "text/x"}).status == 201
    return container


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("0-0", 0, 1),
        ("0-99", 0, 100),
        ("65530-65540", 65530, 65541),
        ("199990-", 199990, SIZE),
        ("-10", SIZE - 10, SIZE),
        ("-999999", 0, SIZE),
        ("100-999999", 100, SIZE),
    ],
)
def test_trap_23_one_range(client: Client, thing: str, wanted: str, start: int, end: int) -> None:
    """206 with exactly those bytes, and where they are in the whole."""
    reply = client.get(thing, "thing", headers={"Range": f"bytes={wanted}"})
    assert reply.status == 206
    assert reply.body == CONTENT[start:end]
    assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert reply.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("wanted", ["200000-", "999999-1000000", "-0"])
def test_trap_23_a_range_outside_is_unsatisfiable(client: Client, thing: str, wanted: str) -> None:
    """416, and how long the object is."""
    reply = client.get(thing, "thing", headers={"Range": f"bytes={wanted}"})
    assert reply.status == 416
    assert reply.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "header", ["bytes=nonsense", "bytes=5-1", "pages=1-2", "bytes=", "bytes=1-2-3", "bytes=a-b"]
)
def test_trap_23_a_range_that_is_none_is_ignored(client: Client, thing: str, header: str) -> None:
    """200 and the whole object."""
    reply = client.get(thing, "thing", headers={"Range": header})
    assert (reply.status, len(reply.body)) == (200, SIZE)


def test_trap_23_several_ranges_come_in_parts(client: Client, thing: str) -> None:
    """One answer, one part a range, each with its own type and place."""
    reply = client.get(thing, "thing", headers={"Range": "bytes=0-9,100000-100009,-5"})
    assert reply.status == 206
    assert parts(reply) == [
        (f"bytes 0-9/{SIZE}", CONTENT[:10]),
        (f"bytes 100000-100009/{SIZE}", CONTENT[100000:100010]),
        (f"bytes 199995-199999/{SIZE}", CONTENT[-5:]),
    ]


def test_trap_23_of_several_ranges_only_the_satisfiable_count(client: Client, thing: str) -> None:
    """One of two is outside: the other is answered alone."""
    reply = client.get(thing, "thing", headers={"Range": "bytes=0-9,500000-500001"})
    assert reply.status == 206
    assert reply.body == CONTENT[:10]


def test_trap_23_a_range_of_an_empty_object(client: Client, container: str) -> None:
    """There is no first byte: 416 for a range from the front."""
    client.put(container, "empty", body=b"")
    assert client.get(container, "empty", headers={"Range": "bytes=0-"}).status == 416


@pytest.mark.usefixtures("apus_servers")
def test_trap_23_if_range_guards_against_a_change(client: Client, thing: str) -> None:
    """The part where the ETag still fits, the whole where it does not."""
    etag = client.head(thing, "thing").headers["etag"]
    same = client.get(thing, "thing", headers={"Range": "bytes=0-9", "If-Range": f'"{etag}"'})
    assert (same.status, same.body) == (206, CONTENT[:10])
    other = client.get(thing, "thing", headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status, len(other.body)) == (200, SIZE)


def parts(reply: Reply) -> list[tuple[str, bytes]]:
    """The place and the bytes of every part of a multipart/byteranges body."""
    match = re.fullmatch(r"multipart/byteranges; ?boundary=(.+)", reply.headers["content-type"])
    assert match, reply.headers
    assert reply.headers["content-length"] == str(len(reply.body))
    boundary = b"--" + match.group(1).strip('"').encode()
    pieces = reply.body.split(boundary)
    assert pieces[-1].strip() == b"--"
    found = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().strip().splitlines())
        assert fields["Content-Type"] == "text/x"
        found.append((fields["Content-Range"], content.removesuffix(b"\r\n")))
    return found
