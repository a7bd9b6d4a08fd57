"""Multipart bodies: every part ends where its boundary says, however the bytes arrive."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.proxy.middleware.multipart import (
    HEADERS_BYTES_MAX,
    HEADERS_MAX,
    PARTS_MAX,
    Multipart,
    attributes_of,
)

# Bytes of which boundaries, and their beginnings, come up by chance.
NEARLY = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"B", b"\r\n--", b"x"]), max_size=20).map(
    b"".join
)


class Trickle(io.BytesIO):
    """A source that gives a few bytes at a time."""

    few = 3

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.few)


def body(parts: list[bytes], boundary: bytes = b"BB") -> bytes:
    head = b'Content-Disposition: form-data; name="n"\r\n\r\n'
    return (
        b"".join(b"--" + boundary + b"\r\n" + head + part + b"\r\n" for part in parts)
        + b"--"
        + boundary
        + b"--\r\n"
    )


def read(data: bytes, few: int = 3) -> list[bytes]:
    source = Trickle(data)
    source.few = few
    form = Multipart(source, b"BB")
    return [b"".join(iter(lambda: form.read(5), b"")) for _ in form]


@settings(deadline=None)
@given(st.lists(NEARLY, min_size=1, max_size=4), st.integers(1, 40))
def test_parts_come_out_as_they_went_in(parts: list[bytes], few: int) -> None:
    """Whatever resembles the boundary, and however the bytes arrive."""
    parts = [part for part in parts if b"\r\n--BB" not in b"\r\n" + part] or [b""]
    assert read(body(parts), few) == parts
    assert read(b"\r\n\r\n" + body(parts), few) == parts


@settings(deadline=None)
@given(st.integers(0, 100))
def test_what_breaks_off_is_refused(length: int) -> None:
    """Before its last boundary nothing is whole."""
    data = body([b"one", b"two"])
    with pytest.raises(Refused):
        read(data[: min(length, len(data) - 5)])


def test_parts_that_nobody_reads_are_passed_over() -> None:
    """The next one comes all the same."""
    assert len(list(Multipart(Trickle(body([b"a" * 1000, b"", b"b"])), b"BB"))) == 3


def test_memory_is_bounded() -> None:
    """Neither endless headers nor endless parts are taken in."""
    line = b"X: " + b"y" * 100 + b"\r\n"
    for data in (
        b"--BB\r\n" + line * (HEADERS_BYTES_MAX // 100) + b"\r\n",
        b"--BB\r\n" + b"y" * (1 << 20),
        body([b""] * (PARTS_MAX + 1)),
    ):
        with pytest.raises(Refused):
            read(data, 1 << 16)


def test_attributes_are_read_as_browsers_write_them() -> None:
    """Semicolons and blanks may stand between quotes."""
    said = 'Form-Data; name="a; b"; filename="C:\\\\x y.txt"; odd=1'
    assert attributes_of(said) == ("form-data", {"name": "a; b", "filename": "C:\\\\x y.txt", "odd": "1"})
    assert attributes_of("") == ("", {})


def test_a_part_has_few_headers() -> None:
    """However short they are: each costs more than its bytes."""
    few = b"".join(b"h%d:\r\n" % number for number in range(30))
    form = Multipart(io.BytesIO(b"--BB\r\n" + few + b"\r\nx\r\n--BB--\r\n"), b"BB")
    assert [len(part.headers) for part in form] == [30]
    many = b"h:\r\n" * (HEADERS_MAX + 1)
    with pytest.raises(Refused, match="more than"):
        list(Multipart(io.BytesIO(b"--BB\r\n" + many + b"\r\nx\r\n--BB--\r\n"), b"BB"))


def test_blank_lines_before_the_first_boundary_count_for_nothing() -> None:
    """A megabyte of them costs what its bytes cost, not their square."""
    assert read(b"\r\n" * (1 << 19) + body([b"one"]), 1 << 16) == [b"one"]
    with pytest.raises(Refused):
        read(b"\r\n" * (1 << 19) + b"x" + body([b"one"]), 1 << 16)
