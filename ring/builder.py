"""The builder: what operators change, and the table that follows from it at the next rebalance.

    create, add, set weight, remove … ──▶ Builder ──▶ rebalance() ──▶ ring() ──▶ ring file

Changes to devices only take effect with a rebalance, so that many can be made at once. The builder
remembers when each partition last moved, and lets it rest for min_part_hours: while replicators follow one
move, the other replicas must be where everybody looks for them.

It does not know files (builder_file.py) nor the clock: the time is an argument.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..common.errors import Refused
from . import dispersion
from .device import Device
from .file import RingData, Row
from .matching import Table
from .plan import Unsatisfiable, plan, required_overload, wanted, weighted
from .rebalance import Rebalance
from .topology import Bools, Ints, Topology

BALANCE_WORST = 999.99  # Shown for a device that should hold nothing and still does.
HOURS_KEPT = 255  # Ages are kept in one byte.
ID_BYTES = (2, 4)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one rebalance did."""

    changed: int
    balance: float
    removed: int


@dataclass(slots=True)
class Builder:
    """Devices, settings and the table of assignments; all that a builder file holds."""

    part_power: int
    replicas: float
    min_part_hours: int
    devices: list[Device | None] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    rows: list[Row] | None = None
    version: int = 0
    overload: float = 0.0
    devices_changed: bool = False
    next_part_power: int | None = None
    id: str | None = None
    id_bytes: int = 2
    moved_hours_ago: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    moved_epoch: int = 0
    gather_start: int = 0
    graph: dispersion.Graph = field(default_factory=dict)
    dispersion: float | None = 0.0
    wanted: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no ring can be."""
        if not 0 <= self.part_power <= 32:
            raise Refused(f"part_power must be from 0 to 32, not {self.part_power}")
        if self.replicas < 1:
            raise Refused(f"replicas must be at least 1, not {self.replicas:g}")
        if self.min_part_hours < 0:
            raise Refused(f"min_part_hours must not be negative, as {self.min_part_hours} is")
        if len(self.moved_hours_ago) != self.partitions:
            self.moved_hours_ago = np.zeros(self.partitions, np.uint8)

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return 1 << self.part_power

    def present(self) -> Iterator[Device]:
        """Yield the devices, those marked for removal too."""
        return (device for device in self.devices if device is not None)

    def held(self) -> Ints:
        """Return how many slots of the table each device id holds."""
        counts = np.zeros(len(self.devices), dtype=np.int64)
        for row in self.rows or []:
            counts += np.bincount(row, minlength=len(counts))[: len(counts)]
        return counts

    # What operators change.

    def add(self, device: Device) -> int:
        """Add a device under the first free id; its `id` is ignored."""
        id_ = self.devices.index(None) if None in self.devices else len(self.devices)
        if id_ == len(self.devices):
            self.devices.append(None)
        if id_ >= (1 << 8 * self.id_bytes) - 1:
            self.set_id_bytes(4)
        self.devices[id_] = replace(device, id=id_, weight=float(device.weight))
        self._touched()
        return id_

    def change(self, id_: int, **fields: object) -> Device:
        """Change what placement depends on: weight, region, zone."""
        if id_ in self.removed:
            raise Refused(f"device {id_} is marked for removal")
        device = self.rename(id_, **fields)
        self._touched()
        return device

    def rename(self, id_: int, **fields: object) -> Device:
        """Change what placement does not depend on: addresses, device name, meta."""
        device = self.devices[id_]
        assert device is not None
        self.devices[id_] = device = replace(device, **fields)  # type: ignore[arg-type]
        return device

    def remove(self, id_: int) -> None:
        """Mark a device for removal at the next rebalance; it holds nothing after that."""
        self.rename(id_, weight=0)
        self.removed.append(id_)
        self._touched()

    def set_replicas(self, replicas: float) -> None:
        """Change the replica count, with effect at the next rebalance."""
        if int(self.partitions * self.replicas) != int(self.partitions * replicas):
            self.devices_changed = True
        self.replicas = replicas

    def set_id_bytes(self, id_bytes: int) -> None:
        """Change how wide a device id is in files."""
        assert id_bytes in ID_BYTES
        self.id_bytes = id_bytes

    def pretend_min_part_hours_passed(self) -> None:
        """Let every partition move at the next rebalance."""
        self.moved_epoch = 0
        self.moved_hours_ago[:] = HOURS_KEPT

    def prepare_power_increase(self) -> bool:
        """Announce twice as many partitions, so that servers can link what they hold to both places."""
        if self.next_part_power:
            return False
        self.next_part_power = self.part_power + 1
        self.version += 1
        return True

    def increase_power(self) -> bool:
        """Split every partition in two on the devices that hold it, once that was prepared."""
        if self.next_part_power != self.part_power + 1 or self.rows is None:
            return False
        self.rows = [np.repeat(row, 2) for row in self.rows]
        self.moved_hours_ago = np.repeat(self.moved_hours_ago, 2)
        self.part_power += 1
        self.version += 1
        return True

    def cancel_power_increase(self) -> bool:
        """Announce that the partitions stay as they are after all."""
        if self.next_part_power != self.part_power + 1:
            return False
        self.next_part_power = self.part_power
        self.version += 1
        return True

    def finish_power_increase(self) -> bool:
        """Stop announcing: nothing is left in the old places."""
        if not self.next_part_power or self.next_part_power != self.part_power:
            return False
        self.next_part_power = None
        self.version += 1
        return True

    def _touched(self) -> None:
        self.devices_changed = True
        self.version += 1

    # What follows from it.

    def topology(self) -> Topology:
        """Return the failure domains as they are now."""
        return Topology.of(self.devices)

    def balances(self) -> dict[int, float]:
        """Return by how many percent each device id holds more than its weight asks for."""
        present = list(self.present())
        total = sum(device.weight for device in present)
        if total <= 0:
            raise Refused("there are no devices in this ring, or none with weight")
        per_weight = self.partitions * self.replicas / total
        held = self.held()
        return {d.id: _balance(int(held[d.id]), d.weight * per_weight) for d in present}

    def balance(self) -> float:
        """Return the worst device's distance from what its weight asks for, in percent."""
        return max(abs(balance) for balance in self.balances().values())

    def required_overload(self) -> float:
        """Return the overload at which the replicas would stand as far apart as the tree allows."""
        topology = self.topology()
        by_weight = weighted(topology, self.replicas)
        return required_overload(by_weight, wanted(topology, self.replicas, by_weight))

    def seconds_until_free(self, now: float) -> int:
        """Return how long the partitions moved last must still rest."""
        return max(self.min_part_hours * 3600 - int(now - self.moved_epoch), 0)

    def rebalance(self, *, seed: str | None, now: float) -> Outcome:
        """Assign and reassign partitions until the table is as near to the plan as it may come."""
        topology = self.topology()
        if int((topology.weights > 0).sum()) < self.replicas:
            raise Unsatisfiable(
                f"{self.replicas:g} replicas need at least as many devices with weight; "
                f"there are {int((topology.weights > 0).sum())}"
            )
        self.grow_older(now)
        before, exists = self.table(), self._exists()
        table = _resized(before, exists)
        orphaned = np.isin(table, self.removed)
        table[orphaned] = -1
        may_move = (self.moved_hours_ago >= self.min_part_hours) & ~orphaned.any(axis=1)
        work = Rebalance(
            topology=topology,
            plan=plan(topology, self.replicas, self.overload),
            table=table,
            exists=exists,
            may_move=may_move,
            rng=np.random.default_rng(_entropy(seed)),
        )
        table = work.run()
        have = work.have()
        self.wanted = {d.id: int(work.quota[d.id] - have[d.id]) for d in self.present()}
        changed = self._adopt(table, exists, before)
        removed = self._forget_removed()
        self.devices_changed = False
        self.recount_dispersion()
        return Outcome(changed=changed, balance=self.balance(), removed=removed)

    def recount_dispersion(self) -> None:
        """Count the dispersion graph anew."""
        self.graph, self.dispersion = dispersion.count(self.topology(), self.table(), self.replicas)
        self.version += 1

    def grow_older(self, now: float) -> None:
        """Add the whole hours since the last time to each partition's age."""
        hours = int(now - self.moved_epoch) // 3600
        if hours > 0:
            older = self.moved_hours_ago.astype(np.int64) + hours
            self.moved_hours_ago = np.minimum(older, HOURS_KEPT).astype(np.uint8)
            self.moved_epoch = int(now)

    def table(self) -> Table:
        """Return the rows as table[partition, replica], with -1 where there is nobody or no slot."""
        rows = self.rows or []
        table = np.full((self.partitions, len(rows)), -1, dtype=np.int32)
        for replica, row in enumerate(rows):
            table[: len(row), replica] = np.where(row >= len(self.devices), -1, row.astype(np.int64))
        return table

    def _exists(self) -> Bools:
        """Return which slots there are: a fractional replica exists for the first partitions only."""
        fraction, whole = math.modf(self.replicas)
        more = int(self.partitions * fraction)
        exists = np.ones((self.partitions, int(whole) + (more > 0)), dtype=bool)
        if more:
            exists[more:, -1] = False
        return exists

    def _adopt(self, table: Table, exists: Bools, before: Table) -> int:
        """Take the new table and return in how many slots it differs from the old one."""
        old = _resized(before, exists)
        changed = exists & (table != old)
        kind = np.uint16 if self.id_bytes == 2 else np.uint32
        self.rows = [table[exists[:, r], r].astype(kind) for r in range(exists.shape[1])]
        self.moved_hours_ago[changed.any(axis=1)] = 0
        return int(changed.sum())

    def _forget_removed(self) -> int:
        removed = len(self.removed)
        for id_ in self.removed:
            self.devices[id_] = None
            self.wanted.pop(id_, None)
        self.removed = []
        while self.devices and self.devices[-1] is None:
            self.devices.pop()
        if self.id_bytes > 2 and len(self.devices) < 1 << 15:
            self.set_id_bytes(2)
        return removed

    def validate(self) -> None:
        """Refuse a table that a cluster could not live with."""
        if not self.rows:
            raise Refused("no partition is assigned; was there a rebalance?")
        table, exists = self.table(), self._exists()
        if [len(row) for row in self.rows] != exists.sum(axis=0).tolist():
            raise Refused("the table does not have the slots that the replica count asks for")
        real = np.append([device is not None for device in self.devices], False)
        if not real[table[exists]].all():
            raise Refused("a partition is assigned to a device that does not exist")
        ordered = np.sort(np.where(exists, table, -1 - np.arange(table.shape[1])), axis=1)
        twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if len(twice):
            raise Refused(f"partition {twice[0]} is assigned to one device twice")
        for device in self.present():
            if not isinstance(device.port, int):
                raise Refused(f"device {device.id} has port {device.port!r}, which is no number")

    def ring(self) -> RingData:
        """Return what servers need of all this."""
        kind = np.uint16 if self.id_bytes == 2 else np.uint32
        return RingData(
            devices=list(self.devices),
            part_shift=32 - self.part_power,
            rows=[row.astype(kind) for row in self.rows or []],
            version=self.version,
            next_part_power=self.next_part_power if self.rows else None,
            id_bytes=self.id_bytes,
        )


def _balance(held: int, owed: float) -> float:
    if owed <= 0:
        return BALANCE_WORST if held else 0.0
    return 100.0 * held / owed - 100.0


def _resized(table: Table, exists: Bools) -> Table:
    """Return the table with as many slots as there should be; new ones are nobody's."""
    resized = np.full(exists.shape, -1, dtype=np.int32)
    columns = min(table.shape[1], exists.shape[1])
    resized[:, :columns] = table[:, :columns]
    resized[~exists] = -1
    return resized


def _entropy(seed: str | None) -> int | None:
    if seed is None:
        return None
    return int.from_bytes(hashlib.sha256(str(seed).encode()).digest(), "big")
