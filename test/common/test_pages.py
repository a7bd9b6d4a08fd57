"""Buffers for direct reads and writes."""

from __future__ import annotations

import ctypes
import mmap

import pytest

from apus.common import pages
from apus.common.pages import PIECE_BYTES, SPARE_MAX, borrow, buffers, give_back


@pytest.mark.parametrize(("count", "size"), [(1, 4096), (2, 12288), (2, 1 << 20), (2, 2 << 20), (3, 5 << 20)])
def test_each_is_aligned_writable_and_its_own(count: int, size: int) -> None:
    """Filled one after the other, each keeps what it was given."""
    made = buffers(count, size)
    for number, buffer in enumerate(made):
        buffer[:] = bytes([number + 1]) * size
    for number, buffer in enumerate(made):
        assert len(buffer) == size
        assert bytes(buffer) == bytes([number + 1]) * size
        assert ctypes.addressof(ctypes.c_char.from_buffer(buffer)) % mmap.PAGESIZE == 0


def test_memory_lives_as_long_as_a_part_of_it() -> None:
    """A part of one buffer outlives the list and the other buffers."""
    part = buffers(2, 4096)[1][10:20]
    part[:] = b"0123456789"
    assert bytes(part) == b"0123456789"


def test_what_is_given_back_is_lent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never to two at a time, and no more than a few are kept."""
    monkeypatch.setattr(pages, "_spare", [])
    lent = [borrow() for _ in range(SPARE_MAX + 2)]
    assert {len(buffer) for pair in lent for buffer in pair} == {PIECE_BYTES}
    for pair in lent:
        give_back(pair)
    again = [borrow() for _ in range(SPARE_MAX + 1)]
    assert len({id(pair) for pair in again}) == SPARE_MAX + 1
    assert sum(any(pair is former for former in lent) for pair in again) == SPARE_MAX
