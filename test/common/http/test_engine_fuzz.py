"""The engine under arbitrary bytes.

The invariant: whatever bytes arrive, in whatever split, the application sees exactly the requests that a plain
reading of them yields, in order, with their bodies; where that reading ends in a refusal, the last answer is a 4xx or
5xx that says Connection: close; and the connection ends. It never hangs.
"""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import pytest
from engine import Line, Served, scripted, serving
from plain_reading import Reading, plain_reading

from apus.common import concurrency
from apus.common.errors import Unavailable
from apus.common.http.client import Pool, PoolConfig

TARGETS = [b"/", b"/v1/a/c/o", b"//a/./..", b"/%00%ff;x?q", b"/\xc3\xa9", b"http://h/x", b"*", b"x"]
METHODS = [b"GET", b"PUT", b"HEAD", b"OPTIONS", b"REPLICATE", b"get", b"G@T"]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1"]
HEADERS = [
    b"Host: h",
    b"X-Object-Meta-A: b",
    b"X-\xc3\xa4: \xff",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: x, Close",
    b"Accept:",
    b"Expect: 100-continue",
    b"Expect: 7",
    b"Content-Length: 3",
    b"content-length: 0",
    b"Content-Length: -1",
    b"Content_Length: 3",
    b"Content-Length: 3, 3",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:chunKed ",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b" folded: x",
    b"no colon",
    b": empty",
    b"Space : x",
    b"Nul: \0",
    b"Upgrade: websocket",
]
BODIES = [
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;x=y\r\nabc\r\n0\r\nT: r\r\n\r\n",
    b"0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"g\r\n",
    b"A\r\n0123456789\r\n1 ;\r\nx\r\n000\r\n\r\n",
]
NOISE = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\xff", b"0", b"a", b";", b"\r\n\r\n", b"\x0b"]


def sound_request(rng: random.Random) -> bytes:
    """A request as it should be."""
    data = bytes(rng.randrange(256) for _ in range(rng.choice((0, 1, 3, 50, 3000))))
    lines = [b"%s %s HTTP/1.1" % (rng.choice(METHODS[:5]), rng.choice(TARGETS[:6])), b"Host: h"]
    if rng.random() < 0.1:
        lines.append(b"Connection: close")
    if rng.random() < 0.3:
        lines.append(b"Transfer-Encoding: chunked")
        at, body = 0, b""
        while at < len(data):
            piece = data[at : at + rng.randint(1, 2000)]
            body += b"%x\r\n%s\r\n" % (len(piece), piece)
            at += len(piece)
        body += b"0\r\n\r\n"
    else:
        lines.append(b"Content-Length: %d" % len(data))
        body = data
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def odd_request(rng: random.Random) -> bytes:
    """A request put together from odd parts."""
    line = b" ".join((rng.choice(METHODS), rng.choice(TARGETS), rng.choice(VERSIONS)))
    lines = [line, *rng.choices(HEADERS, k=rng.randint(0, 4))]
    end = b"\n" if rng.random() < 0.03 else b"\r\n"
    return end.join(lines) + end * 2 + rng.choice(BODIES)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with some bytes replaced, inserted or lost."""
    changed = bytearray(data)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
        at = rng.randint(0, len(changed))
        kind = rng.randrange(3)
        if kind == 0:
            changed[at:at] = rng.choice(NOISE)
        elif kind == 1:
            del changed[at : at + rng.randint(1, 4)]
        else:
            changed[at : at + 1] = rng.choice(NOISE)
    return bytes(changed)


def conversation(rng: random.Random) -> bytes:
    """All that one client sends."""
    kinds = rng.choices((sound_request, odd_request), (3, 1), k=rng.randint(1, 4))
    whole = b"".join(kind(rng) for kind in kinds)
    return mutated(whole, rng) if rng.random() < 0.6 else whole


def portions(data: bytes, rng: random.Random) -> list[bytes]:
    """The data cut at random places; sometimes at each byte."""
    if rng.random() < 0.1 and len(data) < 500:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted({0, len(data), *(rng.randint(0, len(data)) for _ in range(rng.choice((0, 1, 3, 8))))})
    return [data[left:right] for left, right in itertools.pairwise(cuts)]


class Application:
    """Notes whole requests; reads bodies fully, in part or not at all."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, bytes, bytes]] = []
        self.appetite = -1

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        method, path = environ["REQUEST_METHOD"].encode("latin-1"), environ["RAW_PATH_INFO"].encode("latin-1")
        body = environ["wsgi.input"].read(self.appetite)
        self.seen.append((method, path, body))
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


def converse(served: Served, data: bytes, rng: random.Random) -> bytes:
    """Send it all, end, and return all that came back."""
    with served.raw() as raw:
        raw.send(*portions(data, rng))
        raw.end()
        return raw.rest()


def judge(seen: list[tuple[bytes, bytes, bytes]], reading: Reading, heard: bytes, note: str) -> None:
    """Hold the invariant against what happened."""
    assert seen == reading.requests, note
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]
    final = [status for status in statuses if status >= 200]
    refusals = [status for status in final if status >= 400]
    assert refusals == final[len(seen) :], f"{note}: {statuses}"
    assert len(refusals) <= 1, note
    if reading.ending == "refused":
        assert refusals, note
        assert b"\r\nConnection: close\r\n" in heard[heard.rindex(b"HTTP/1.1 %d" % refusals[0]) :], note
    if reading.ending == "closed":
        assert not refusals, note


@pytest.mark.parametrize("block", range(8))
def test_the_application_sees_what_a_plain_reading_yields(block: int) -> None:
    """The invariant, over seeded conversations."""
    application = Application()
    with serving(application, linger_seconds=0.05) as served, concurrency.timeout(120):
        for seed in range(block * 250, block * 250 + 250):
            rng = random.Random(seed)
            data = conversation(rng)
            application.seen = []
            heard = converse(served, data, rng)
            judge(application.seen, plain_reading(data), heard, f"seed {seed}: {data!r}")


def test_bodies_left_unread_never_become_requests() -> None:
    """An application that reads part of its bodies sees a beginning of the same requests, and nothing else."""
    application = Application()
    with serving(application, linger_seconds=0.05) as served, concurrency.timeout(120):
        for seed in range(400):
            rng = random.Random(seed)
            data = conversation(rng)
            application.seen, application.appetite = [], rng.choice((0, 1, 20))
            converse(served, data, rng)
            expected = [
                (method, target, body[: application.appetite])
                for method, target, body in plain_reading(data).requests
            ]
            # One more may have been begun whose body was broken behind what was read of it.
            whole = application.seen[: len(expected)]
            assert whole == expected[: len(whole)], f"seed {seed}: {data!r}"
            assert len(application.seen) <= len(expected) + 1, f"seed {seed}: {data!r}"


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: x\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: r\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\n\r\nhello",
]


def test_a_peer_can_do_no_worse_than_be_unavailable() -> None:
    """Whatever a peer answers: a response, read to its end, or an Unavailable; no other error and no hang.

    And an answer that nothing was done to is understood, however it was cut.
    """
    rng = random.Random()
    data = b""

    def peer(line: Line) -> None:
        while line.hear():
            line.say(*portions(data, rng))
            if b"Content-Length" not in data and b"chunked" not in data:
                return

    with scripted(peer) as address, concurrency.timeout(120):
        for seed in range(600):
            rng = random.Random(seed)
            sound = rng.choice(ANSWERS)
            data = sound if rng.random() < 0.3 else mutated(sound, rng)
            patience = 5 if data == sound else 0.05
            pool = Pool(PoolConfig(response_timeout_seconds=patience, read_timeout_seconds=patience))
            note = f"seed {seed}: {data!r}"
            try:
                response = pool.request(address, rng.choice(("GET", "HEAD")), "/", {})
                body = response.read()
            except Unavailable:
                assert data != sound, note
            else:
                assert data != sound or body in (b"", b"hello"), note
            pool.close()
