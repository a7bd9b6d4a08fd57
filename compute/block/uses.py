"""Which blocks of an attached disk are in use at this moment, and which were lately: who may go from here.

    with uses.of(first, last): …        nobody takes these blocks away meanwhile
    uses.take(index, mark) ──▶ True     it was not in use, and is marked as gone before anybody can ask for it
    uses.stale_first() ──▶ indexes      those not used since the hand came by last, then the others

A clock with one hand: a use sets a block's mark, the hand takes it away and chooses who has none. It doesn't
know what is in a block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType


class Uses:
    """The uses of one disk's blocks; threads may share it."""

    def __init__(self, block_count: int) -> None:
        self.lock = threading.Lock()
        self.held: dict[int, int] = {}
        """How often each block in use is in use."""
        self.lately = bytearray(block_count)
        """1 for each block used since the hand came by."""
        self._hand = 0

    def of(self, first: int, last: int) -> Use:
        """Return a context in which no block from the first to the last is taken away."""
        return Use(self, first, last)

    def grow(self, block_count: int) -> None:
        """Make room for blocks of a larger disk."""
        with self.lock:
            self.lately.extend(bytes(block_count - len(self.lately)))

    def take(self, index: int, mark: Callable[[], None]) -> bool:
        """Call `mark` unless the block is in use; it must then be known to everyone as gone."""
        with self.lock:
            if index in self.held:
                return False
            mark()
            return True

    def stale_first(self) -> Iterator[int]:
        """Yield each block at most twice, the first time only if it was not used lately."""
        count = len(self.lately)
        for _ in range(2 * count):
            index = self._hand % count
            self._hand = index + 1
            if self.lately[index]:
                self.lately[index] = 0
            else:
                yield index


class Use:
    """One use, as a context; every request on a disk pays for it, so it goes straight to what it needs."""

    __slots__ = ("_blocks", "_held", "_lately", "_lock")

    def __init__(self, uses: Uses, first: int, last: int) -> None:
        self._lock, self._held, self._lately = uses.lock, uses.held, uses.lately
        self._blocks = (first,) if first == last else range(first, last + 1)

    def __enter__(self) -> None:
        held, lately = self._held, self._lately
        with self._lock:
            for index in self._blocks:
                held[index] = held.get(index, 0) + 1
                lately[index] = 1

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        held = self._held
        with self._lock:
            for index in self._blocks:
                if held[index] == 1:
                    del held[index]
                else:
                    held[index] -= 1
