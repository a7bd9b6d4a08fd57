"""The laws of the ring file: stock Swift's bytes, in both directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt
from apus.ring.file import RingData, decode, encode, read_ring_file, replica_count, write_ring_file

FIXTURES = Path(__file__).parent / "fixtures"
RINGS = sorted(path.name for path in FIXTURES.glob("*.ring.gz"))


@pytest.mark.parametrize("name", RINGS)
def test_stock_files_are_written_again_byte_for_byte(name: str) -> None:
    """Reading a ring that stock Swift wrote and writing it gives the same file, gzip header and all."""
    data = (FIXTURES / name).read_bytes()
    ring = decode(data)
    assert encode(ring, format_version=ring.format_version, name=name) == data


@pytest.mark.parametrize("name", RINGS)
def test_both_versions_hold_the_same_ring(name: str) -> None:
    """What is written in one version of the format is read from the other."""
    ring = decode((FIXTURES / name).read_bytes())
    again = decode(encode(ring, format_version=2, name=name))
    assert again.devices == ring.devices
    assert again.part_shift == ring.part_shift
    assert again.next_part_power == ring.next_part_power
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(again.rows, ring.rows, strict=True))


def test_ids_keep_their_width() -> None:
    """Version 2 has two or four bytes for a device id, and says so."""
    wide = read_ring_file(FIXTURES / "regions-v2-4.ring.gz")
    narrow = read_ring_file(FIXTURES / "regions-v2-2.ring.gz")
    assert (wide.id_bytes, narrow.id_bytes) == (4, 2)
    assert [row.tolist() for row in wide.rows] == [row.tolist() for row in narrow.rows]


def test_a_fractional_replica_is_a_short_row() -> None:
    """With 3.25 replicas a quarter of the partitions has four."""
    ring = read_ring_file(FIXTURES / "regions.ring.gz")
    assert replica_count(ring.rows) == 3.25
    assert [len(row) for row in ring.rows] == [128, 128, 128, 32]


def test_devices_keep_what_we_do_not_know() -> None:
    """A key that somebody's tool put into a device survives."""
    ring = read_ring_file(FIXTURES / "plain.ring.gz")
    assert ring.devices[0] is not None
    fields = ring.devices[0].written() | {"colour": "red"}
    marked = type(ring.devices[0]).parse(fields)
    assert marked.written()["colour"] == "red"


def test_a_written_file_is_read_again(tmp_path: Path) -> None:
    """Writing replaces the file, whole, and leaves nothing else behind."""
    ring = read_ring_file(FIXTURES / "plain.ring.gz")
    path = tmp_path / "object.ring.gz"
    path.write_bytes(b"old")
    write_ring_file(ring, path)
    assert read_ring_file(path).devices == ring.devices
    assert [entry.name for entry in tmp_path.iterdir()] == ["object.ring.gz"]


@given(cut=st.integers(0, 600))
def test_a_file_cut_short_is_corrupt(cut: int) -> None:
    """However little is missing."""
    data = (FIXTURES / "plain.ring.gz").read_bytes()
    with pytest.raises(Corrupt):
        decode(data[: min(cut, len(data) - 1)])


@pytest.mark.parametrize("name", ["plain.ring.gz", "regions-v2-2.ring.gz"])
@given(at=st.integers(0, 2000), flip=st.integers(1, 255))
def test_a_damaged_file_is_corrupt_or_the_same_ring(name: str, at: int, flip: int) -> None:
    """No flipped byte gives another error, nor another table: gzip's checksum sees it."""
    data = bytearray((FIXTURES / name).read_bytes())
    whole = decode(bytes(data))
    data[at % len(data)] ^= flip
    try:
        ring = decode(bytes(data))
    except Corrupt:
        return
    assert [row.tolist() for row in ring.rows] == [row.tolist() for row in whole.rows]


@given(st.binary(max_size=200))
def test_anything_else_is_corrupt(data: bytes) -> None:
    """Bytes that are no ring are refused as such."""
    with pytest.raises(Corrupt):
        decode(data)


def test_a_table_that_names_nobody_is_corrupt() -> None:
    """A device id without a device would fail a request much later."""
    ring = read_ring_file(FIXTURES / "plain.ring.gz")
    ring.rows[1] = ring.rows[1].copy()
    ring.rows[1][5] = 99
    with pytest.raises(Corrupt, match="does not exist"):
        decode(encode(ring, format_version=1, name="x"))


def test_an_empty_last_row_is_no_row() -> None:
    """Rounding can leave nothing of a fractional replica; stock Swift counts it all the same."""
    ring = RingData(devices=read_ring_file(FIXTURES / "plain.ring.gz").devices, part_shift=32, rows=[])
    ring.rows = [np.zeros(1, np.uint16), np.zeros(0, np.uint16)]
    assert len(decode(encode(ring, format_version=1, name="x")).rows) == 1
