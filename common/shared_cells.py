"""Numbers that forked worker processes count apart and show together.

    worker ──cells[index] += n──▶ its own region ─┐
    worker ──cells[index] += n──▶ its own region ─┼─ one anonymous shared mapping ──totals()──▶ sums
    forker ── dead workers' sums ──▶ first region ┘

The mapping is made before workers are forked, so nothing needs a file, a lock or a clean-up; a server that
was itself forked by another program begins a mapping of its own. A region
holds doubles, and one line of JSON for each key that says which doubles are its own; only its own process
writes it. When the forker forks again, it first takes over what workers that have died had counted.

It does not know what is counted, nor in which form it is shown.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
from collections.abc import Iterator

import orjson

log = logging.getLogger(__name__)

REGIONS = 65  # One for the process that forks, 64 for workers alive at the same time.
CELLS_PER_REGION = 8192
KEY_BYTES_PER_REGION = 1 << 18
_HEADER = struct.Struct("=QQQ")  # pid, cells used, bytes of keys used
_REGION_BYTES = _HEADER.size + CELLS_PER_REGION * 8 + KEY_BYTES_PER_REGION
SPARE_CELL = 0  # Counts what finds no room; never shown.

Key = tuple[str, tuple[str, ...]]


class Region:
    """One process's cells, and the keys that say what each counts."""

    __slots__ = ("_header", "_keys", "cells")

    def __init__(self, memory: memoryview) -> None:
        cells_end = _HEADER.size + CELLS_PER_REGION * 8
        self._header = memory[: _HEADER.size]
        self.cells = memory[_HEADER.size : cells_end].cast("d")
        self._keys = memory[cells_end:_REGION_BYTES]

    @property
    def pid(self) -> int:
        """The process that writes here, 0 when none does."""
        pid: int = _HEADER.unpack(self._header)[0]
        return pid

    def claim(self, pid: int, like: Region | None = None) -> None:
        """Make the region a process's own: cells at zero, keys as in another region."""
        self._header[:] = _HEADER.pack(pid, 1, 0)
        self.cells[:] = _ZEROS
        if like is not None:
            _, used, length = _HEADER.unpack(like._header)
            self._keys[:length] = like._keys[:length]
            self._header[:] = _HEADER.pack(pid, used, length)

    def release(self) -> None:
        """Forget the process."""
        self._header[:] = _HEADER.pack(0, 0, 0)

    def add(self, key: Key, width: int) -> int:
        """Return the first of `width` new cells, or the spare one when there is no room."""
        pid, used, length = _HEADER.unpack(self._header)
        line = orjson.dumps((key[0], key[1], used, width)) + b"\n"
        if used + width > CELLS_PER_REGION or length + len(line) > KEY_BYTES_PER_REGION:
            return SPARE_CELL
        self._keys[length : length + len(line)] = line
        self._header[:] = _HEADER.pack(pid, used + width, length + len(line))
        return int(used)

    def readings(self) -> Iterator[tuple[Key, list[float]]]:
        """Yield every key with the values of its cells."""
        length = _HEADER.unpack(self._header)[2]
        for line in bytes(self._keys[:length]).splitlines():
            name, labels, first, width = orjson.loads(line)
            values: list[float] = self.cells[first : first + width].tolist()  # type: ignore[assignment]  # cast("d")
            yield (name, tuple(labels)), values


_ZEROS = memoryview(bytes(CELLS_PER_REGION * 8)).cast("d")


class Store:
    """All regions, and the index of this process's own."""

    def __init__(self) -> None:
        self._next: Region | None = None
        self.transient: set[str] = set()
        self._indices: dict[Key, int] = {}
        self._map(like=None)

    def begin(self) -> None:
        """From here on this process and those that it forks count together, from zero."""
        self._map(like=self.region)

    def _map(self, like: Region | None) -> None:
        memory = memoryview(mmap.mmap(-1, REGIONS * _REGION_BYTES))
        self._regions = [
            Region(memory[start : start + _REGION_BYTES])
            for start in range(0, REGIONS * _REGION_BYTES, _REGION_BYTES)
        ]
        self._forker_pid = os.getpid()
        self.region = self._regions[0]
        self.region.claim(self._forker_pid, like=like)
        self.cells = self.region.cells

    def index(self, key: Key, width: int) -> int:
        """Return the first cell of a key, the same one each time."""
        first = self._indices.get(key)
        if first is None:
            first = self._indices[key] = self.region.add(key, width)
            if first == SPARE_CELL:
                log.warning("no room for another metric: too many label values", extra={"metric": key[0]})
        return first

    def before_fork(self) -> None:
        """In the process that forks workers: keep what dead ones counted, choose a region for the new one."""
        self._next = None
        if os.getpid() != self._forker_pid:
            return
        for region in self._regions[1:]:
            if region.pid and not is_alive(region.pid):
                self._inherit(region)
            if not region.pid and self._next is None:
                self._next = region

    def after_fork(self) -> None:
        """In the new process: count into the chosen region, or apart when there is none."""
        region = self._next
        if region is None:
            self.begin()
            return
        region.claim(os.getpid(), like=self.region)
        self.region, self.cells = region, region.cells

    def totals(self) -> dict[Key, list[float]]:
        """Return the sums over all living regions."""
        sums: dict[Key, list[float]] = {}
        for region in self._regions:
            if not region.pid:
                continue
            for key, values in region.readings():
                earlier = sums.get(key)
                sums[key] = (
                    values if earlier is None else [a + b for a, b in zip(earlier, values, strict=True)]
                )
        return sums

    def _inherit(self, region: Region) -> None:
        for key, values in region.readings():
            if key[0] in self.transient:
                continue
            first = self.index(key, len(values))
            for offset, value in enumerate(values):
                self.cells[first + offset] += value
        region.release()


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
