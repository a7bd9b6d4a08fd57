"""Every block of a disk, read and hashed again.

verified(maps, disk) ──▶ Verdict(blocks, bytes, lost)      wrong replicas are put right on the way
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ...common.errors import Corrupt, Missing
from .map import DiskMap
from .maps import MapStore


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found."""

    blocks: int
    """Different blocks of the disk; one that it has many times is read once."""
    bytes_read: int
    lost: tuple[int, ...]
    """Indexes of blocks of which no replica has the bytes; one index for each different block."""

    @property
    def is_whole(self) -> bool:
        """Whether the disk can be read to its end."""
        return not self.lost


def verified(maps: MapStore, disk: DiskMap) -> Verdict:
    """Read the whole disk, `block_read_ahead` blocks at a time, and say what is lost.

    Raises:
        Corrupt, Missing: a page of the map itself is lost.
    """
    indexes: dict[bytes, int] = {}
    for index, digest in disk.blocks():
        indexes.setdefault(digest, index)
    lost: list[int] = []
    bytes_read = 0
    waiting: deque[tuple[int, Future[bytes]]] = deque()
    with ThreadPoolExecutor(maps.config.block_read_ahead, "block-verify") as pool:

        def settle() -> int:
            index, future = waiting.popleft()
            try:
                return len(future.result())
            except (Corrupt, Missing):
                lost.append(index)
                return 0

        for digest, index in indexes.items():
            if len(waiting) > maps.config.block_read_ahead:
                bytes_read += settle()
            waiting.append((index, pool.submit(maps.blocks.get, digest)))
        while waiting:
            bytes_read += settle()
    return Verdict(len(indexes), bytes_read, tuple(sorted(lost)))
