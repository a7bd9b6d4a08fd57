"""What Cinder's chunked backup driver reads, stores and sends for an incremental backup, as a formula.

    size, changed ranges ──▶ incremental() ──▶ Cost

The rules are those of `cinder/backup/chunkeddriver.py` with the Swift driver's defaults. The volume is read
whole, `backup_swift_object_size` (52,428,800 bytes) at a time; each 32,768 bytes (`backup_swift_block_size`)
are hashed by SHA-256 and compared with the parent's list, which is fetched. Runs of changed blocks become
objects that end where what was read at a time ends. The list of all hashes is stored anew, as JSON with a
line of 72 bytes for each; a document lists the objects. Compression is left out, as what is measured here is
random: the driver then keeps what it read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CHUNK_BYTES = 52_428_800
BLOCK_BYTES = 32_768
HASH_LINE_BYTES = 72
"""Four blanks, the hash of 64 digits in quotes, a comma, the end of the line."""
OBJECT_LINES_BYTES = 330
"""About what the document says of one object: name, offset, length, MD5, compression, indented."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of one backup."""

    read: int
    """From the volume."""
    fetched: int
    """From the store."""
    sent: int
    """To the store, where as much is stored."""
    objects: int


def incremental(size: int, changed: Iterable[tuple[int, int]]) -> Cost:
    """Return what a backup costs of a volume in which these ranges (offset, length) changed."""
    blocks = sorted({block for offset, length in changed for block in _blocks(offset, length)})
    runs = list(_runs(blocks))
    hashes = -(-size // BLOCK_BYTES) * HASH_LINE_BYTES
    data = sum(min(last * BLOCK_BYTES, size) - first * BLOCK_BYTES for first, last in runs)
    return Cost(size, hashes, data + hashes + OBJECT_LINES_BYTES * len(runs), len(runs) + 2)


def _blocks(offset: int, length: int) -> range:
    return range(offset // BLOCK_BYTES, -(-(offset + length) // BLOCK_BYTES))


def _runs(blocks: list[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of blocks, first and beyond the last, none of which crosses the end of a chunk."""
    in_a_chunk = CHUNK_BYTES // BLOCK_BYTES
    first = before = -1
    for block in blocks:
        if first < 0:
            first = block
        elif block != before + 1 or not block % in_a_chunk:
            yield first, before + 1
            first = block
        before = block
    if first >= 0:
        yield first, before + 1
