"""Memory that devices read into and write from by themselves.

    how many, of which size ──▶ buffers() ──▶ views of one mapping, which lives as long as any of them
    borrow() ──▶ two of PIECE_BYTES ──▶ give_back() ──▶ kept for the next

A device gets one address for a large page, and 512 for small ones: for 2 MiB read or written directly that is
20 to 40 µs of CPU a MiB in place of 50 to 100, and one request in place of three. The kernel clears a page
before it gives it away, in 0.4 to 0.8 ms a MiB, so a few are kept. It does not know devices.
"""

from __future__ import annotations

import mmap

PIECE_BYTES = 2 << 20  # A large page of the processors that we know.
SPARE_MAX = 4  # Pairs: 16 MiB for each process.

_spare: list[list[memoryview]] = []


def buffers(count: int, size: int) -> list[memoryview]:
    """Return so many buffers, each as well aligned as its size is; of large pages, where these fit in."""
    assert count > 0
    assert size > 0
    memory = mmap.mmap(-1, count * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # A kernel without them.
    view = memoryview(memory)
    return [view[start : start + size] for start in range(0, count * size, size)]


def borrow() -> list[memoryview]:
    """Return two buffers of PIECE_BYTES, with whatever was in them last."""
    return _spare.pop() if _spare else buffers(2, PIECE_BYTES)


def give_back(pair: list[memoryview]) -> None:
    """Take two buffers back that no device and nobody else will use any more."""
    assert [len(buffer) for buffer in pair] == [PIECE_BYTES] * 2
    if len(_spare) < SPARE_MAX:
        _spare.append(pair)
