"""Manifests of static large objects: whatever a client writes, and which bytes make which span."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt, Refused
from apus.common.ranges import choose
from apus.proxy.middleware.segments import Piece
from apus.proxy.middleware.slo.manifest import (
    Flawed,
    Stored,
    asked,
    document_of,
    etag_of,
    raw,
    resolved,
    size_of,
    stored,
)
from apus.proxy.middleware.slo.pieces import pieces_of

NAMES = ("c/0", "c/1", "c/2")
CONTENTS = {name: bytes(range(index * 40, index * 40 + 17)) for index, name in enumerate(NAMES)}
ATOMS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6))
VALUES = st.recursive(
    ATOMS, lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=4), some)
)
KEYS = st.sampled_from(("path", "data", "etag", "size_bytes", "range", "other"))
PATHS = st.sampled_from(("/c/o", "c/o", "c", "/c/itself", "//c/o/", "/c/\ud800"))
RANGES = st.from_regex(r"[0-9]{0,2}-[0-9]{0,2}", fullmatch=True)


@st.composite
def segments(draw: st.DrawFn) -> Stored:
    """A stored segment: an object, a range of one, or bytes."""
    if draw(st.booleans()) and draw(st.booleans()):
        return Stored(data=draw(st.binary(min_size=1, max_size=5)))
    name = draw(st.sampled_from(NAMES))
    first = draw(st.integers(0, 16))
    last = draw(st.integers(first, 16))
    span = draw(st.sampled_from((None, (first, last + 1))))
    return Stored(path=name, size=17, etag="0" * 32, content_type="a/b", modified="2020", span=span)


def content_of(segment: Stored) -> bytes:
    """The bytes that a segment is."""
    if segment.data is not None:
        return segment.data
    return CONTENTS[segment.path][slice(*segment.span)] if segment.span else CONTENTS[segment.path]


@given(st.lists(st.dictionaries(KEYS, VALUES | PATHS | RANGES, max_size=4) | VALUES, max_size=4))
def test_trap_30_no_manifest_is_too_odd(entries: list[Any]) -> None:
    """It is understood, or refused with 400 and a line for each flaw."""
    document = json.dumps(entries).encode()
    told = ""
    try:
        wanted = asked(document, itself="c/itself")
    except Refused as refusal:
        told = f"{refusal.status} {refusal}"
    assert told == "" or (told.startswith("400 ") and told.endswith("\n"))
    assert told or len(wanted) == len(entries)


@given(st.binary(max_size=40))
def test_no_document_breaks_the_reader(document: bytes) -> None:
    """What is no manifest is Refused from a client, and Corrupt from the disk."""
    for read, problem in (
        (lambda: asked(document, itself="c/o"), Refused),
        (lambda: stored(document), Corrupt),
    ):
        try:
            read()
        except problem:
            pass


@given(st.lists(segments(), max_size=6))
def test_what_is_stored_is_read_back(rows: list[Stored]) -> None:
    """Segment by segment; and the raw form is what a client may put again."""
    document = document_of(rows)
    assert stored(document) == rows
    assert etag_of(stored(document)) == etag_of(rows)
    objects = [row for row in rows if row.data is None]
    if objects:
        again = asked(raw(document), itself="c/itself")
        assert len(again) == len(rows)


@given(st.lists(segments(), max_size=6), st.integers(0, 70), st.integers(1, 70))
def test_pieces_of_a_span_are_its_bytes(rows: list[Stored], first: int, length: int) -> None:
    """Whatever the segments, their ranges and nesting: joined, the pieces are that part of the whole."""
    whole = b"".join(map(content_of, rows))
    inner = Stored(path="c/inner", size=size_of(rows), etag="1" * 32, is_manifest=True)
    for manifest, expected in ((rows, whole), ([*rows, inner, *rows], whole * 3)):
        read = b""
        for piece in pieces_of(manifest, (first, first + length), lambda _path: rows):
            read += CONTENTS[piece.path][slice(*piece.span)] if isinstance(piece, Piece) else piece
        assert read == expected[first : first + length]


@given(RANGES, st.integers(0, 30))
def test_a_segments_range_means_what_it_means_in_a_request(text: str, size: int) -> None:
    """One half-open span, or none where it is the whole object; Flawed where a request would get a 416 or 200."""
    spans = choose(f"bytes={text}", size)
    if not spans:
        with pytest.raises(Flawed):
            resolved(text, size)
    else:
        assert resolved(text, size) == (None if spans == [(0, size)] else spans[0])


def test_a_sub_manifest_of_old_tells_its_size_in_its_type() -> None:
    """Its own bytes are the document's there."""
    row = {
        "name": "/c/o",
        "bytes": 300,
        "hash": "x",
        "content_type": "a/b; swift_bytes=9000",
        "sub_slo": True,
    }
    assert size_of(stored(json.dumps([row]).encode())) == 9000
