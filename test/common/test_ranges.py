"""What a Range header gets, for any header and any length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.ranges import OVERLAPS_MAX, RANGES_MAX, Multipart, choose, content_range

POSITIONS = st.integers(0, 1200)
SPECS = st.one_of(
    st.tuples(POSITIONS, POSITIONS).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    POSITIONS.map(lambda first: f"{first}-"),
    POSITIONS.map(lambda last: f"-{last}"),
)


@given(st.lists(SPECS, min_size=1, max_size=7), st.integers(0, 1000))
def test_spans_lie_inside_the_body(specs: list[str], length: int) -> None:
    """Every span is of at least one byte and inside the body."""
    spans = choose("bytes=" + ",".join(specs), length)
    assert all(0 <= start < end <= length for start, end in spans or [])


@given(POSITIONS, POSITIONS, st.integers(1, 1000))
def test_one_range_is_what_slicing_gives(first: int, last: int, length: int) -> None:
    """The three forms select what Python's slices select."""
    body = list(range(length))
    for header, expected in (
        (f"bytes={first}-{first + last}", body[first : first + last + 1]),
        (f"bytes={first}-", body[first:]),
        (f"bytes=-{last}", body[-last:] if last else []),
    ):
        spans = choose(header, length)
        assert spans is not None
        assert [byte for start, end in spans for byte in body[start:end]] == expected


@given(st.text(max_size=30), st.integers(0, 100))
def test_no_header_breaks_it(text: str, length: int) -> None:
    """Whatever a client sends, there is an answer."""
    choose(text, length)
    choose("bytes=" + text, length)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "0-1",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=x-1",
        "bytes=1-x",
        "bytes=--1",
        "bytes=1",
        "items=0-1",
        "bytes=0-1,x",
        "bytes=0-1,",
        "bytes=٣-٤",
    ],
)
def test_malformed_headers_are_ignored(header: str) -> None:
    """One malformed range spoils the header, and the whole body is sent."""
    assert choose(header, 10) is None


@pytest.mark.parametrize(
    ("header", "length", "expected"),
    [
        ("bytes=10-", 10, []),
        ("bytes=0-0", 0, []),
        ("bytes=-0", 10, []),
        ("bytes=-5", 0, None),
        ("bytes=-500", 10, [(0, 10)]),
        ("Bytes = 1-2", 10, [(1, 3)]),
        ("bytes=0-1,20-30", 10, [(0, 2)]),
        ("bytes=5-" + "9" * 5000, 10, [(5, 10)]),
    ],
)
def test_edges(header: str, length: int, expected: list[tuple[int, int]] | None) -> None:
    """Nothing of nothing is all of it; what begins behind the end cannot be had."""
    assert choose(header, length) == expected


def test_abuse_is_refused() -> None:
    """Too many ranges, too many overlaps, too much disorder: 416, the limits being stock Swift's."""
    many = ",".join(f"{at * 2}-{at * 2}" for at in range(RANGES_MAX + 1))
    assert choose(f"bytes={many}", 1000) == []
    assert choose("bytes=" + ",".join(["0-9"] * (OVERLAPS_MAX + 1)), 1000) == [(0, 10)] * 3
    assert choose("bytes=0-9,5-14,10-19,15-24,20-29", 1000) == []
    backwards = ",".join(f"{at}-{at}" for at in range(70, -1, -10))
    assert choose(f"bytes={backwards}", 1000) == []
    assert choose(f"bytes={backwards.partition(',')[2]}", 1000) is not None


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), min_size=2, max_size=5))
def test_a_multipart_body_is_as_long_as_announced(pairs: list[tuple[int, int]]) -> None:
    """The Content-Length of several ranges counts every byte of the frame."""
    spans = [(start, start + size) for start, size in pairs]
    frame = Multipart(spans, 1000, "text/plain", "b" * 32)
    whole = (
        b"".join(frame.opening(span) + b"x" * (span[1] - span[0]) + b"\r\n" for span in spans) + frame.closing
    )
    assert len(whole) == frame.content_length
    assert content_range((0, 10), 1000) == "bytes 0-9/1000"
