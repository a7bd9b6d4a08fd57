"""A part's body is given away whole only while somebody waits for it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.multipart.awaited import Awaited


class Late(Exception):
    """The upload has ended."""


def refuse() -> None:
    raise Late


def drain(taken: Awaited, got: bytearray, size: int, *, into: bool) -> None:
    """Read a body to its end, in pieces."""
    buffer = bytearray(size)
    while piece := buffer[: taken.readinto(memoryview(buffer))] if into else taken.read(size):
        got += piece


@given(st.binary(max_size=40), st.integers(1, 10), st.booleans(), st.booleans())
def test_whoever_comes_late_does_not_get_the_last_byte(
    body: bytes, size: int, into: bool, known: bool
) -> None:
    """However it is read, and whether or not its length is known."""
    taken = Awaited(io.BytesIO(body), str(len(body)) if known else None, refuse)
    got = bytearray()
    with pytest.raises(Late):
        drain(taken, got, size, into=into)
    assert body.startswith(got)
    assert not known or not body or len(got) < len(body)


@given(st.binary(max_size=40), st.integers(1, 10), st.booleans(), st.booleans())
def test_who_is_waited_for_is_asked_once(body: bytes, size: int, into: bool, known: bool) -> None:
    """And gets all of it."""
    asked: list[int] = []
    taken = Awaited(io.BytesIO(body), str(len(body)) if known else None, lambda: asked.append(1))
    got = bytearray()
    drain(taken, got, size, into=into)
    assert (bytes(got), len(asked)) == (body, 1)
