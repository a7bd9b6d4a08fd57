"""Where in the log an entry stands.

    target, moment, object ──queue_of()──▶ container `TARGET-DAY-SHARD` ──row_name()──▶ `MOMENT-ID`

A target has queues of its own, so that one which takes nothing is in nobody's way. All of one object and day
stand in one queue, in their order. Days, because a container is quicker deleted than emptied. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from .....common.timestamp import Timestamp

ACCOUNT = ".notifications"
SHARDS = 8
"""Queues of one target and day, each worked through by one process; never to be changed."""
DAY_SECONDS = 86400
UNLISTED_SECONDS = 3600
"""Within so many the account surely lists a container: the container updaters see to that."""


@dataclass(frozen=True, slots=True, order=True)
class Queue:
    """One container of the log; they sort by shards, and by days within."""

    target: str
    shard: int
    day: int
    """When it began, in seconds since 1970."""

    @property
    def container(self) -> str:
        """Its name."""
        return f"{self.target}-{self.day:010d}-{self.shard}"

    def belongs_to(self, process: int, processes: int) -> bool:
        """Tell whether it is this process's share; a shard of a target is always the same one's."""
        return processes <= 1 or zlib.crc32(f"{self.target}-{self.shard}".encode()) % processes == process

    def is_over(self, now: float) -> bool:
        """Tell whether nothing comes in any more, but from who has been at it for more than a day."""
        return now >= self.day + 3 * DAY_SECONDS


def queue_of(target: str, moment: Timestamp, place: tuple[str, str, str]) -> Queue:
    """Return the queue for something that happens to an object."""
    shard = zlib.crc32("/".join(place).encode("utf-8", "surrogateescape")) % SHARDS
    return Queue(target, shard, int(float(moment)) // DAY_SECONDS * DAY_SECONDS)


def queue_named(container: str) -> Queue | None:
    """Return the queue that a container is, if it is one."""
    target, _, rest = container.rpartition("-")[0].rpartition("-")
    shard = container.rpartition("-")[2]
    if not (target and rest.isascii() and rest.isdigit() and shard.isascii() and shard.isdigit()):
        return None
    return Queue(target, int(shard), int(rest))


def present(target: str, now: float) -> Iterator[Queue]:
    """Yield the queues of a target that something may have come into, though no account lists them yet."""
    today = int(now) // DAY_SECONDS * DAY_SECONDS
    first = int(now - UNLISTED_SECONDS) // DAY_SECONDS * DAY_SECONDS
    for day in range(first, today + 1, DAY_SECONDS):
        for shard in range(SHARDS):
            yield Queue(target, shard, day)


def row_name(moment: Timestamp, unique: str) -> str:
    """Return the name of an entry: entries of one queue stand in the order of their moments."""
    return f"{moment.internal}-{unique}"
