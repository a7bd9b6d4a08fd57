"""A disk written from a stream of bytes, and one given another size.

    pieces ──▶ cut into blocks ──▶ Crew of uploads ──▶ DiskMap, saved

What is there already is not sent again, so a stream begun anew after a failure goes on where it was. At most
`block_uploads` blocks are being sent and one is being gathered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ...common.errors import Refused
from .map import DiskMap, blocks_in
from .maps import MapStore
from .writing import Writing


def write_stream(
    maps: MapStore,
    source: Iterable[bytes],
    *,
    size: int | None = None,
    map_id: str = "",
    block_size: int | None = None,
) -> DiskMap:
    """Make a disk of the bytes and return its saved map.

    `size` is what the source must have, when it is known. `map_id` may be chosen before, so that whoever was
    interrupted finds what it made.

    Raises:
        Refused: the source is shorter or longer than `size`.
        OutOfSpace: the store is full.
    """
    with maps.writing() as writing:
        disk = gathered(maps, writing, source, size=size, block_size=block_size)
        return writing.save(disk, map_id)


def gathered(
    maps: MapStore,
    writing: Writing,
    source: Iterable[bytes],
    *,
    size: int | None = None,
    block_size: int | None = None,
) -> DiskMap:
    """Send the bytes as blocks and return their map, not yet saved."""
    block_size = block_size or maps.config.block_size
    changes: dict[int, bytes | None] = {}
    seen = 0
    with ThreadPoolExecutor(maps.config.block_uploads, "block-upload") as pool:
        waiting: deque[tuple[int, Future[bytes | None]]] = deque()
        try:
            for index, data in enumerate(cut(source, block_size)):
                seen += len(data)
                if size is not None and seen > size:
                    raise Refused(f"the data is longer than the {size} bytes announced")
                if len(waiting) == maps.config.block_uploads:
                    done, future = waiting.popleft()
                    changes[done] = future.result()
                waiting.append((index, pool.submit(writing.put, data)))
            for done, future in waiting:
                changes[done] = future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if size is not None and seen != size:
        raise Refused(f"the data ends after {seen} of the {size} bytes announced")
    return DiskMap.empty(seen, block_size).with_changes({i: d for i, d in changes.items() if d})


def cut(source: Iterable[bytes], block_size: int) -> Iterator[bytes]:
    """Yield the bytes in blocks; only the last one is shorter."""
    held = bytearray()
    for given in source:
        piece = memoryview(given)  # So that large pieces are cut without being copied again and again.
        if held:
            missing = block_size - len(held)
            held += piece[:missing]
            piece = piece[missing:]
            if len(held) == block_size:
                yield bytes(held)
                held = bytearray()
        whole = len(piece) // block_size * block_size
        for at in range(0, whole, block_size):
            yield bytes(piece[at : at + block_size])
        held += piece[whole:]
    if held:
        yield bytes(held)


def resized(maps: MapStore, writing: Writing, disk: DiskMap, size: int) -> DiskMap:
    """Return the disk with another size, not yet saved; bytes beyond its old end are zero."""
    smaller = min(size, disk.size)
    changes: dict[int, bytes | None] = {}
    if smaller % disk.block_size and size < disk.size:
        index = blocks_in(smaller, disk.block_size) - 1
        digest = disk.digest(index)
        if digest is not None:
            kept = maps.blocks.get(digest)[: smaller % disk.block_size]
            changes[index] = writing.put(kept)
    return disk.with_changes(changes, size=size)
