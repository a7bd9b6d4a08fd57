"""The laws of the inventory's wire form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt
from apus.common.timestamp import Timestamp
from apus.object.files.names import file_name, select
from apus.replicator.inventory import decode, encode, version_of
from apus.replicator.plan import Version

HASHES = st.text("0123456789abcdef", min_size=32, max_size=32)
MOMENTS = st.builds(Timestamp, st.integers(10**5, 10**14), st.integers(0, 300))


@st.composite
def versions(draw: st.DrawFn) -> Version:
    written = draw(MOMENTS)
    if draw(st.booleans()):
        return Version(tombstone=written)
    later = st.one_of(st.none(), st.integers(1, 10**6).map(lambda ticks: written.later(ticks)))
    return Version(data=written, meta=draw(later), content_type=draw(later))


@given(st.dictionaries(HASHES, versions()))
def test_what_is_written_is_read(inventory: dict[str, Version]) -> None:
    """Two nodes understand each other exactly."""
    assert decode(encode(inventory)) == inventory


def test_parts_no_newer_than_the_data_are_left_out() -> None:
    """A peer that repeats the data's moment says nothing new."""
    digest = "a" * 32
    document = (
        b'{"aaa": {"%s": {"data": "5.00000", "meta": "5.00000", "ctype": "4.00000"}}}' % digest.encode()
    )
    assert decode(document) == {digest: Version(data=Timestamp.of(5))}


def test_a_folder_says_what_its_files_say() -> None:
    """Versions come from the same rules by which the object server picks an object's files."""
    moments = [Timestamp.of(second) for second in (5, 7, 9)]
    names = [
        file_name(moments[0], ".data"),
        file_name(moments[1], ".meta", moments[1]),
        file_name(moments[2], ".meta"),
    ]
    assert version_of(select(names)) == Version(data=moments[0], meta=moments[2], content_type=moments[1])
    assert version_of(select([*names, file_name(moments[2], ".ts")])) == Version(tombstone=moments[2])
    assert version_of(select(names[1:])) is None


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"\x80\x02}q\x00.",
        b'{"aaa": []}',
        b'{"aaa": {"xyz": {"ts": "5"}}}',
        b'{"bbb": {"%s": {"ts": "5"}}}' % (b"a" * 32),
        b'{"aaa": {"%s": {}}}' % (b"a" * 32),
        b'{"aaa": {"%s": {"ts": "5", "data": "5"}}}' % (b"a" * 32),
        b'{"aaa": {"%s": {"ts": "yesterday"}}}' % (b"a" * 32),
        b'{"aaa": {"%s": {"data": 5}}}' % (b"a" * 32),
        b'{"aaa": {"%s": 7}}' % (b"a" * 32),
    ],
)
def test_what_is_no_inventory_is_refused(document: bytes) -> None:
    """A half-understood inventory could remove a last copy."""
    with pytest.raises(Corrupt):
        decode(document)
