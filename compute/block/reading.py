"""Bytes of a disk, from its map: verified block by block, fetched a few blocks ahead.

read_range(maps, disk, start, length) ──▶ pieces of bytes, in order
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ...common.errors import Corrupt
from .map import DiskMap
from .maps import MapStore


def read_block(maps: MapStore, disk: DiskMap, index: int) -> bytes:
    """Return all bytes of the disk that a block covers.

    Raises:
        Missing: the block isn't in the store.
        Corrupt: no replica has its bytes.
    """
    length = disk.length_of(index)
    digest = disk.digest(index)
    if digest is None:
        return bytes(length)
    data = maps.blocks.get(digest)
    if len(data) > disk.block_size:
        raise Corrupt(f"block {index} has {len(data)} bytes")
    return data[:length] if len(data) >= length else data + bytes(length - len(data))


def read_range(maps: MapStore, disk: DiskMap, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Yield `length` bytes of the disk from `start`, to its end when none is given, a piece for each block.

    The range must lie within the disk. Blocks that are not all zero come from the store,
    `block_read_ahead` at a time; whoever stops early closes the iterator.
    """
    end = disk.size if length is None else start + length
    assert 0 <= start <= end <= disk.size
    if start == end:
        return
    first, last = start // disk.block_size, (end - 1) // disk.block_size
    ahead = maps.config.block_read_ahead
    pool = ThreadPoolExecutor(ahead, "block-read")
    waiting: deque[Future[bytes]] = deque()
    try:
        for index in range(first, last + 1 + ahead):
            if index <= last:
                waiting.append(pool.submit(read_block, maps, disk, index))
            if index < first + ahead or not waiting:
                continue
            yield from _trimmed(disk, index - ahead, waiting.popleft().result(), start, end)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _trimmed(disk: DiskMap, index: int, data: bytes, start: int, end: int) -> Iterator[bytes]:
    offset = index * disk.block_size
    piece = data[max(0, start - offset) : end - offset]
    assert piece
    yield piece
