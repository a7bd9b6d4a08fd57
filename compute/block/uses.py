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
        self._lock = threading.Lock()
        self._held: dict[int, int] = {}
        self._lately = bytearray(block_count)
        self._hand = 0

    def of(self, first: int, last: int) -> Use:
        """Return a context in which no block from the first to the last is taken away."""
        return Use(self, first, last)

    def grow(self, block_count: int) -> None:
        """Make room for blocks of a larger disk."""
        with self._lock:
            self._lately.extend(bytes(block_count - len(self._lately)))

    def take(self, index: int, mark: Callable[[], None]) -> bool:
        """Call `mark` unless the block is in use; it must then be known to everyone as gone."""
        with self._lock:
            if index in self._held:
                return False
            mark()
            return True

    def stale_first(self) -> Iterator[int]:
        """Yield each block at most twice, the first time only if it was not used lately."""
        count = len(self._lately)
        for _ in range(2 * count):
            index = self._hand % count
            self._hand = index + 1
            if self._lately[index]:
                self._lately[index] = 0
            else:
                yield index

    def begin(self, first: int, last: int) -> None:
        """Hold the blocks; `Use` is the way to."""
        with self._lock:
            for index in range(first, last + 1):
                self._held[index] = self._held.get(index, 0) + 1
                self._lately[index] = 1

    def end(self, first: int, last: int) -> None:
        """Let go of the blocks."""
        with self._lock:
            for index in range(first, last + 1):
                if self._held[index] == 1:
                    del self._held[index]
                else:
                    self._held[index] -= 1


class Use:
    """One use, as a context."""

    __slots__ = ("_first", "_last", "_uses")

    def __init__(self, uses: Uses, first: int, last: int) -> None:
        self._uses, self._first, self._last = uses, first, last

    def __enter__(self) -> None:
        self._uses.begin(self._first, self._last)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uses.end(self._first, self._last)
