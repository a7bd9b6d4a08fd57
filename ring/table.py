"""Who holds a partition, and who stands in for them: the question every request begins with.

    path hash ──▶ Ring.partition() ──▶ Ring.primaries() ──▶ devices in order, one per replica
                                  └──▶ Ring.handoffs()  ──▶ stand-ins, nearest to the ideal first

    The stand-ins of a partition come from a walk over the table that begins at a place drawn from the
    partition's number: first every new region met, then every new zone, server, device. All programs with
    the same ring file walk alike, stock Swift's too, so a stand-in's data is found again.

Nothing here knows a network or a clock; a ring never changes. WatchedRing (watch.py) follows a file.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Hashable, Iterator
from functools import cached_property

import numpy as np

from .device import Device
from .file import RingData, read_ring_file, replica_count

# The walk for stand-ins looks at about this many places of a table, so it strides over large ones.
WALK_PLACES = 65536
FIRST_STRIDE, LAST_STRIDE = 16, 4096


class Ring:
    """A ring file, loaded and ready to be asked."""

    def __init__(self, data: RingData, *, path: str = "", mtime: float = 0.0) -> None:
        """Keep the rows as flat memory that is cheap to index from Python."""
        self.data = data
        self.path = path
        self.mtime = mtime
        self.devices: list[Device | None] = data.devices
        self.part_shift = data.part_shift
        self._rows = [np.ascontiguousarray(row).data for row in data.rows]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ring:
        """Read a ring file of version 1 or 2; Corrupt or OSError when that can't be done."""
        mtime = os.stat(path).st_mtime
        return cls(read_ring_file(path), path=os.fspath(path), mtime=mtime)

    @property
    def part_power(self) -> int:
        """Two to this power is the number of partitions."""
        return 32 - self.part_shift

    @property
    def next_part_power(self) -> int | None:
        """The partition power that is being prepared or has just been reached."""
        return self.data.next_part_power

    @property
    def version(self) -> int | None:
        """How many times the builder had changed when it wrote this ring."""
        return self.data.version

    @property
    def size(self) -> int:
        """Bytes of the ring file."""
        return self.data.size

    @property
    def replica_count(self) -> float:
        """Replicas of a partition on average."""
        return replica_count(self.data.rows)

    @property
    def partition_count(self) -> int:
        """Partitions that devices are assigned to; none before the first rebalance."""
        return len(self._rows[0]) if self._rows else 0

    def partition(self, path_hash: str) -> int:
        """Return the partition of a path, given its hash in hex."""
        return int(path_hash[:8], 16) >> self.part_shift

    def primaries(self, partition: int) -> list[Device]:
        """Return the devices responsible for a partition, each once, in the table's order."""
        ids = dict.fromkeys([row[partition] for row in self._rows if partition < len(row)])
        return [self._device(id_) for id_ in ids]

    def handoffs(self, partition: int) -> Iterator[Device]:
        """Yield every other device that holds anything, the best stand-in first.

        A device seen a second time in the walk can't be chosen if it wasn't the first time, so
        the four passes share one list of devices in the order of their first appearance.
        """
        if not self._rows:
            return
        walk = _Remembered(self._walk(partition))
        primaries = self.primaries(partition)
        used = {device.id for device in primaries}
        chosen = list(primaries)
        for domain, in_ring in zip(DOMAINS, self._domain_counts, strict=True):
            met = {domain(device) for device in chosen}
            candidates = walk.from_start()
            while len(met) < in_ring and (device := next(candidates, None)):
                if device.id in used or domain(device) in met:
                    continue
                used.add(device.id)
                met.add(domain(device))
                chosen.append(device)
                yield device

    def _device(self, id_: int) -> Device:
        device = self.devices[id_]
        assert device is not None, "the file was checked when it was read"
        return device

    def _walk(self, partition: int) -> Iterator[Device]:
        """Yield devices in the order in which the walk for this partition first meets them."""
        count = self.partition_count
        digest = hashlib.md5(str(partition).encode(), usedforsecurity=False).digest()
        (drawn,) = struct.unpack_from(">I", digest)
        start = drawn >> self.part_shift
        step = count // WALK_PLACES or 1
        met: set[int] = set()
        laps = (range(start, count, step), range(step - ((count - start) % step), start, step))
        for lap in laps:
            for stride in _strides(lap):
                for id_ in self._ids_at(stride):
                    if id_ not in met:
                        met.add(id_)
                        yield self._device(id_)

    def _ids_at(self, places: range) -> list[int]:
        """Return the distinct device ids at those places, in the order of the table read by columns."""
        cut = slice(places.start, places.stop, places.step)
        columns = [row[cut] for row in self.data.rows]
        whole = len(columns[-1])
        ids = np.stack([column[:whole] for column in columns], axis=1).ravel().tolist()
        if len(columns[0]) > whole:
            ids += np.stack([column[whole:] for column in columns[:-1]], axis=1).ravel().tolist()
        return list(dict.fromkeys(ids))

    @cached_property
    def assigned_ids(self) -> list[int]:
        """The ids of devices that hold at least one partition."""
        held = np.zeros(len(self.devices), dtype=bool)
        for row in self.data.rows:
            held[row] = True
        return np.flatnonzero(held).tolist()

    @cached_property
    def _domain_counts(self) -> list[int]:
        """How many regions, zones, servers and devices hold at least one partition."""
        assigned = [self._device(id_) for id_ in self.assigned_ids]
        return [len({domain(device) for device in assigned}) for domain in DOMAINS]


DOMAINS: tuple[Callable[[Device], Hashable], ...] = (
    lambda device: device.region,
    lambda device: (device.region, device.zone),
    lambda device: device.server,
    lambda device: device.id,
)


class _Remembered:
    """A walk that can be read again from its start, and goes on only when somebody reads past its end."""

    def __init__(self, walk: Iterator[Device]) -> None:
        self._walk = walk
        self._seen: list[Device] = []

    def from_start(self) -> Iterator[Device]:
        yield from self._seen
        for device in self._walk:
            self._seen.append(device)
            yield device


def _strides(lap: range) -> Iterator[range]:
    """Cut a lap into pieces that grow, since most callers want only the first few devices."""
    at, length = 0, FIRST_STRIDE
    while at < len(lap):
        yield lap[at : at + length]
        at, length = at + length, min(length * 4, LAST_STRIDE)
