"""Large files cut into segments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apus.bin.client.segmentation import GIB, MIB, Cut, Limits, Upload, manifest, segment_bytes
from apus.bin.client.segments import _clock, leftovers
from apus.common.errors import Refused


@settings(deadline=None)
@given(
    st.integers(0, 2_000),
    st.integers(1, 600),
    st.text(min_size=1),
    st.sampled_from(["1.500000", "-1.500000"]),
)
def test_segments_are_the_file(size: int, piece: int, name: str, mtime: str) -> None:
    """One after the other they cover every byte once, sort by name, and are known again as one upload's."""
    cut = Cut(container="s", object_name=name, mtime=mtime, size=size, segment_bytes=piece)
    segments = list(cut.segments)
    assert [segment.start for segment in segments] == list(range(0, size, piece))
    assert sum(segment.length for segment in segments) == size
    assert [segment.name for segment in segments] == sorted(segment.name for segment in segments)
    uploads = {Upload.of(segment.name) for segment in segments}
    assert uploads <= {Upload(name, f"{mtime}/{size}/{piece}")}
    assert all(upload and upload.prefix == cut.prefix for upload in uploads)


@given(st.integers(0, 5000 * GIB))
def test_without_a_wish_any_file_fits(size: int) -> None:
    """Segments grow with the file, so that a manifest of the store's length names them all."""
    limits = Limits()
    piece = segment_bytes(size, None, limits)
    if piece is None:
        assert size <= limits.object_bytes_max
    else:
        assert -(-size // piece) <= limits.segments_max
        assert piece <= limits.object_bytes_max + MIB


def test_what_the_store_would_refuse_is_refused_before_a_byte_is_sent() -> None:
    """Too many segments, too large segments, too large a whole."""
    for size, wanted in ((2000, 1), (20 * GIB, 6 * GIB), (6 * GIB, 0), (6 * GIB, 7 * GIB)):
        with pytest.raises(Refused):
            segment_bytes(size, wanted, Limits())


def test_a_small_file_goes_whole() -> None:
    """Where it fits into one segment, or the wish is none."""
    assert segment_bytes(5, 5, Limits()) is None
    assert segment_bytes(MIB, None, Limits()) is None
    assert segment_bytes(GIB, 0, Limits()) is None


def test_the_manifest_names_size_and_md5() -> None:
    """So that the store itself refuses a segment that changed."""
    assert json.loads(manifest("s", [("n", "e", 3)])) == [{"path": "/s/n", "etag": "e", "size_bytes": 3}]


def row(name: str, age: str = "2026-01-01T00:00:00.0") -> dict[str, Any]:
    return {"name": name, "bytes": 10, "last_modified": age}


def test_leftovers_are_what_no_manifest_names() -> None:
    """By upload; what no client of this kind named is left alone."""
    rows = [row("o/slo/1.0/20/10/00000000"), row("o/slo/1.0/20/10/00000001"), row("o/slo/2.0/20/10/00000000")]
    found = leftovers([*rows, row("somebody's own")], {"o/slo/2.0/20/10/00000000"})
    assert [(each.upload, each.bytes) for each in found] == [(Upload("o", "1.0/20/10"), 20)]


def test_the_store_says_how_late_it_is() -> None:
    """A clock of ours that runs ahead makes no young segments old; without the store's, ours must do."""
    told = _clock({"date": "Sat, 21 Nov 2026 13:57:07 GMT"})
    assert told.isoformat() == "2026-11-21T13:57:07+00:00"
    for headers in ({}, {"date": "yesterday"}):
        assert _clock(headers).tzinfo is not None
