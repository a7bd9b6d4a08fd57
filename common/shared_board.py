"""Whole numbers that forked workers change apart and read together, at once and by topic.

    worker ──add("AUTH_a/c", OPEN, 10, 1)──▶ its own region ─┐
    worker ──sums("AUTH_a/c", OPEN)◀── all regions' sum ─────┴─ one anonymous shared mapping

For decisions that several workers must not take as if they were alone; what is counted for people to read is
in shared_cells.py. Each process writes its own region only, so reading and adding need no lock; doing both
in one step does. A worker takes over the region of one that has died: what that had open is forgotten, what
it had done stays done.

Topics share slots: numbers of two topics whose hashes meet, one pair in 16,381, are added. Who decides by
them must err on the side that is safe when a sum is too large.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5

from .shared_cells import is_alive

REGIONS = 65  # One for the process that forks, 64 for workers alive at the same time.
SLOTS = 16_381
OPEN, DONE = 0, 2
"""What is under way, which ends with its worker; and what has been done, which stays."""
_SLOT_CELLS = 4
_REGION_CELLS = SLOTS * _SLOT_CELLS


class Board:
    """The mapping: whose region is whose, then the regions; and which one is this process's own."""

    def __init__(self) -> None:
        self._next: int | None = None
        self.begin()

    def begin(self) -> None:
        """From here on this process and those that it forks count together, from zero."""
        # Pages that nobody has touched take no memory.
        self._cells = memoryview(mmap.mmap(-1, (REGIONS + REGIONS * _REGION_CELLS) * 8)).cast("q")
        self._lock = os.fdopen(os.memfd_create("board"), "wb")
        self._forker_pid = self._cells[0] = os.getpid()
        self._region = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes waiting, for microseconds, while this one looks and adds.

        Nothing may wait in there, so that nothing else runs in this process. A lock ends with its process.
        """
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def add(self, topic: str, kind: int, first: int, second: int) -> None:
        """Add to this process's two numbers of a topic."""
        cell = _start_of(self._region) + _offset_of(topic) + kind
        self._cells[cell] += first
        self._cells[cell + 1] += second

    def sums(self, topic: str, kind: int) -> tuple[int, int]:
        """Return the sums of all processes' two numbers of a topic."""
        offset = _offset_of(topic) + kind
        places = [_start_of(region) + offset for region in range(REGIONS) if self._cells[region]]
        return sum(self._cells[place] for place in places), sum(self._cells[place + 1] for place in places)

    def before_fork(self) -> None:
        """In the process that forks workers: choose a region for the new one."""
        self._next = None
        if os.getpid() == self._forker_pid:
            pids = ((region, self._cells[region]) for region in range(1, REGIONS))
            self._next = next((region for region, pid in pids if not pid or not is_alive(pid)), None)

    def after_fork(self) -> None:
        """In the new process: take the chosen region, or count apart when there is none."""
        region = self._next
        if region is None:
            self.begin()
            return
        if self._cells[region]:  # Of one that has died: nothing of its is under way any more.
            start = _start_of(region) + OPEN
            for cell in range(start, start + _REGION_CELLS, _SLOT_CELLS):
                if self._cells[cell] or self._cells[cell + 1]:
                    self._cells[cell] = self._cells[cell + 1] = 0
        self._region = region
        self._cells[region] = os.getpid()


def _start_of(region: int) -> int:
    return REGIONS + region * _REGION_CELLS


def _offset_of(topic: str) -> int:
    digest = md5(topic.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8]) % SLOTS * _SLOT_CELLS


uploads = Board()
"""Uploads under quotas, by whom a quota is about."""
os.register_at_fork(before=uploads.before_fork, after_in_child=uploads.after_fork)
