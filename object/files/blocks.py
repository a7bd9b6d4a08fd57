"""A checksum per block, so that a part of an object can be trusted without reading the whole.

    body ──update()──▶ BlockSums ──encode()──▶ version, block size, length, CRC32Cs
                                                        │
    some blocks of the body ──Blocks.check()────────────┘──▶ True: as written

Blocks start at 64 KiB and double until 512 of them cover the body, so they stay under 2 KiB and fit, beside
the metadata, in what ext4 allows. Two neighbours' checksums combine into the one of both, so the body need
not be read again when blocks double, and its length need not be known before. Those of one block at most
lie in the metadata under KEY, in hex, all others in an attribute of their own.

It does not know files: it is told bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import google_crc32c

from ...common.crc32c import combine, extend, of_each
from ...common.errors import Corrupt

ATTRIBUTE = "user.apus.blocks"
KEY = "Apus-Blocks"
"""In the metadata, of which stock Swift shows nobody what it does not know."""
BLOCK_BYTES_MIN = 64 << 10
BLOCKS_MAX = 512
_VERSION = 1
_HEAD = struct.Struct(">BBQ")  # Version, binary logarithm of the block size, length of the body.
_ONE_BLOCK = struct.Struct(">BBQI")  # The same, and one checksum.
ONE_BLOCK_BYTES = _ONE_BLOCK.size
_EXPONENT_MIN = BLOCK_BYTES_MIN.bit_length() - 1


@dataclass(frozen=True, slots=True)
class Blocks:
    """The checksums of a stored body."""

    block_bytes: int
    length: int
    sums: tuple[int, ...]

    def check(self, index: int, block: bytes | memoryview) -> bool:
        """Whether the bytes are those that were stored as this block."""
        return extend(0, block) == self.sums[index]

    def first_damaged(self, index: int, piece: bytes | memoryview) -> int | None:
        """Return the first of the blocks from `index` on whose bytes are not those that were stored."""
        found = of_each(piece, self.block_bytes)
        stored = self.sums[index : index + len(found)]
        if tuple(found) == stored:
            return None
        return next(
            at for at, pair in enumerate(zip(found, stored, strict=True), index) if pair[0] != pair[1]
        )

    def cover(self, start: int, end: int) -> range:
        """Return the indices of the blocks that hold bytes [start, end)."""
        return range(start // self.block_bytes, -(-end // self.block_bytes))


class BlockSums:
    """The checksums of a body on its way in; feed it all bytes in order."""

    __slots__ = ("_block_bytes", "_crc", "_filled", "_length", "_sums")

    def __init__(self) -> None:
        self._block_bytes = BLOCK_BYTES_MIN
        self._sums: list[int] = []
        self._crc = 0
        self._filled = 0
        self._length = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the body."""
        length = len(data)
        self._length += length
        if self._filled + length < self._block_bytes:
            self._crc = extend(self._crc, data)
            self._filled += length
            return
        rest = memoryview(data)
        while rest:
            if self._filled or len(rest) < self._block_bytes:
                room = self._block_bytes - self._filled
                self._take(rest[:room])
            else:
                room = min(len(rest) // self._block_bytes, BLOCKS_MAX - len(self._sums)) * self._block_bytes
                self._sums += of_each(rest[:room], self._block_bytes)
            rest = rest[room:]
            if len(self._sums) == BLOCKS_MAX:
                self._double()

    def _take(self, piece: bytes | memoryview) -> None:
        self._crc = extend(self._crc, piece)
        self._filled += len(piece)
        if self._filled == self._block_bytes:
            self._sums.append(self._crc)
            self._crc = self._filled = 0

    def _double(self) -> None:
        pairs = zip(self._sums[::2], self._sums[1::2], strict=True)
        self._sums = [combine(left, right, self._block_bytes) for left, right in pairs]
        self._block_bytes *= 2

    def whole(self) -> int:
        """Return the CRC32C of the whole body fed so far; it is not read again."""
        crc = 0
        for block in self._sums:
            crc = combine(crc, block, self._block_bytes)
        return combine(crc, self._crc, self._filled)

    def encode(self) -> bytes:
        """Return the attribute's value for the body fed so far."""
        if self._filled == self._length > 0:
            return _ONE_BLOCK.pack(_VERSION, _EXPONENT_MIN, self._length, self._crc)
        sums = [*self._sums, self._crc] if self._filled else self._sums
        assert len(sums) <= BLOCKS_MAX
        head = _HEAD.pack(_VERSION, self._block_bytes.bit_length() - 1, self._length)
        return head + struct.pack(f">{len(sums)}I", *sums)


def encode_small(data: bytes) -> bytes:
    """Return the attribute's value for a body of one block at most."""
    assert len(data) <= BLOCK_BYTES_MIN
    if not data:
        return _HEAD.pack(_VERSION, _EXPONENT_MIN, 0)
    return _ONE_BLOCK.pack(_VERSION, _EXPONENT_MIN, len(data), google_crc32c.value(data))


def decode(value: bytes, length: int) -> Blocks:
    """Return the checksums in an attribute's value, for a body of `length` bytes.

    Raises:
        Corrupt: when the value is damaged or belongs to another body.
    """
    try:
        version, exponent, stored_length = _HEAD.unpack_from(value)
        sums = struct.unpack_from(f">{(len(value) - _HEAD.size) // 4}I", value, _HEAD.size)
    except struct.error as problem:
        raise Corrupt("block checksums are cut short") from problem
    if version != _VERSION or not 16 <= exponent < 48:
        raise Corrupt(f"block checksums of version {version} and size 2^{exponent}")
    if stored_length != length or len(sums) != -(-length // (1 << exponent)):
        raise Corrupt(f"{len(sums)} block checksums of a body of {stored_length} bytes, which has {length}")
    return Blocks(1 << exponent, length, sums)
