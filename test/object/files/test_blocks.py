"""Block checksums: they follow the body however it came, and no flipped bit passes them."""

from __future__ import annotations

import random

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt
from apus.object.files import blocks
from apus.object.files.blocks import BLOCK_BYTES_MIN, BLOCKS_MAX, BlockSums, decode


def encoded(body: bytes, piece: int) -> bytes:
    sums = BlockSums()
    for start in range(0, len(body), piece):
        sums.update(body[start : start + piece])
    return sums.encode()


@pytest.mark.parametrize("length", [0, 1, 65536, 65537, 1_000_000, 70_000_001])
def test_the_checksum_of_the_whole_follows_from_the_blocks(length: int) -> None:
    """It is what one CRC32C over all of the body is, whatever the blocks are."""
    body = bytes(length % 251 for _ in range(min(length, 300))) * (length // 300 + 1)
    sums = BlockSums()
    sums.update(body[:length])
    assert sums.whole() == google_crc32c.value(body[:length])


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 1_000_000])
def test_pieces_do_not_matter(length: int) -> None:
    """However the body was cut on its way in, its checksums are the same."""
    body = random.Random(length).randbytes(length)
    expected = encoded(body, 1 << 20)
    for piece in (4097, 65536, 100_000):
        assert encoded(body, piece) == expected


def test_blocks_double_so_that_few_cover_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long body has larger blocks, never more than the maximum, and each still checks."""
    monkeypatch.setattr(blocks, "BLOCKS_MAX", 8)
    body = random.Random(1).randbytes(40 * BLOCK_BYTES_MIN + 7)
    known = decode(encoded(body, 300_000), len(body))
    assert known.block_bytes == 8 * BLOCK_BYTES_MIN
    assert len(known.sums) == 6
    for index in known.cover(0, len(body)):
        assert known.check(index, body[index * known.block_bytes : (index + 1) * known.block_bytes])
    assert BLOCKS_MAX * 4 + 10 < 2100  # What an ext4 inode's attributes have room for, beside the metadata.


@given(st.integers(0, 200_000 * 8 - 1))
def test_a_flipped_bit_fails_its_block(bit: int) -> None:
    """Exactly the block that holds the bit fails."""
    body = bytearray(200_000)
    known = decode(encoded(bytes(body), 65536), len(body))
    body[bit // 8] ^= 1 << bit % 8
    size = known.block_bytes
    failed = [
        i for i in known.cover(0, len(body)) if not known.check(i, bytes(body[i * size : (i + 1) * size]))
    ]
    assert failed == [bit // 8 // size]
    assert known.first_damaged(0, bytes(body)) == failed[0]
    assert known.first_damaged(failed[0], memoryview(body)[failed[0] * size :]) == failed[0]
    assert known.first_damaged(failed[0] + 1, bytes(body[(failed[0] + 1) * size :])) is None


def test_checksums_of_another_body_are_refused() -> None:
    """A value that is cut, of a strange version or of a body with another length is corrupt."""
    value = encoded(b"x" * 100_000, 65536)
    for wrong in (value[:-1], value[:5], b"\x09" + value[1:], b""):
        with pytest.raises(Corrupt):
            decode(wrong, 100_000)
    with pytest.raises(Corrupt):
        decode(value, 99_999)
