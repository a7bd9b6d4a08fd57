"""Homes for slots that have none: a search by exchange, over whole arrays at a time.

    slots without a device ─┐
    devices with room      ─┴▶ Matching.settle() ──▶ a device for each slot, as spread out as can be

    Begin with any pairing. A pairing costs something when the device stands too near to another replica of
    the partition. Offer every costly slot some exchanges with others, make those that lower the sum of
    costs and don't touch each other, and go on until nothing improves.

What may move and why is decided in rebalance.py; here a slot is only a place in the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .plan import Plan
from .topology import DEVICE, LEVELS, Bools, Ints, Topology

ON_ONE_DEVICE = 1 << 16  # Two replicas on one device are no two replicas.
AGAINST_PLAN = 1 << 8  # More in one failure domain than planned: what a validator calls badly dispersed.
UNEVEN = 1  # More than the tree would need, though the weights ask for it: better avoided.
OFFERS_AT_ONCE = 1 << 18  # Bounds the memory of one round of exchanges to some tens of megabytes.
OFFERS_PER_SLOT, OFFERS_MIN = 4, 4096
OFFERS_EACH_MIN, OFFERS_EACH_MAX = 4, 2048
ROUNDS_MAX = 60

Table = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Slots:
    """Places in the table, as parallel arrays."""

    partitions: Ints
    replicas: Ints

    def __len__(self) -> int:
        return len(self.partitions)

    def __getitem__(self, which: slice | list[int] | Ints | Bools) -> Slots:
        return Slots(self.partitions[which], self.replicas[which])

    def __add__(self, other: Slots) -> Slots:
        return Slots(
            np.concatenate([self.partitions, other.partitions]),
            np.concatenate([self.replicas, other.replicas]),
        )


class Costs:
    """What it costs to have a replica on a device, given where the partition's other replicas are."""

    def __init__(self, topology: Topology, plan: Plan) -> None:
        """Lay the limits of each tier out by device id; the id -1 has no limits."""
        self._tiers = topology.tier_of
        self._most = [_by_device(topology, plan.most[level], level) for level in LEVELS]
        self._even = [_by_device(topology, plan.even[level], level) for level in LEVELS]
        self._soft = [bool((plan.most[level] > plan.even[level]).any()) for level in LEVELS]

    def of(self, table: Table, slots: Slots, devices: Table) -> Ints:
        """Return the cost of each slot if it were on that device."""
        others = table[slots.partitions]
        others[np.arange(len(slots)), slots.replicas] = -1
        return self._given(others, devices)

    def _given(self, others: Table, devices: Table) -> Ints:
        cost = np.zeros(devices.shape, dtype=np.int64)
        uneven = np.zeros(devices.shape, dtype=bool)
        for level in LEVELS:
            tiers = self._tiers[level]
            near = (tiers[others] == tiers[devices][..., None]).sum(axis=-1)
            cost += AGAINST_PLAN * (near >= self._most[level][devices])
            if level == DEVICE:
                cost += ON_ONE_DEVICE * (near > 0)
            elif self._soft[level]:
                uneven |= near >= self._even[level][devices]
        cost += UNEVEN * uneven
        return cost

    def standing(self, table: Table) -> Ints:
        """Return the cost of every slot of the table as it stands."""
        cost = np.zeros(table.shape, dtype=np.int64)
        uneven = np.zeros(table.shape, dtype=bool)
        for level in LEVELS:
            tiers = self._tiers[level][table]
            most, even = self._most[level][table], self._even[level][table]
            for replica in range(table.shape[1]):
                own = tiers[:, replica]
                near = (tiers == own[:, None]).sum(axis=1) - 1
                cost[:, replica] += AGAINST_PLAN * (near >= most[:, replica])
                if level == DEVICE:
                    cost[:, replica] += ON_ONE_DEVICE * (near > 0)
                elif self._soft[level]:
                    uneven[:, replica] |= near >= even[:, replica]
        cost += UNEVEN * uneven
        cost[table < 0] = 0
        return cost


def _by_device(topology: Topology, limits: Ints, level: int) -> NDArray[np.int32]:
    tiers = topology.tier_of[level]
    by_device = np.append(limits, 1 << 30)[tiers].astype(np.int32)
    by_device[-1] = 1 << 30
    return by_device


class Matching:
    """One pairing of slots with devices, improved in place; `table` holds the pairing as it is found."""

    def __init__(
        self,
        costs: Costs,
        table: Table,
        slots: Slots,
        devices: Table,
        *,
        bystanders: int,
        spare: Table,
        rng: np.random.Generator,
    ) -> None:
        """Begin with that pairing of slots and devices; spare devices have room that nobody needs.

        The last so many slots are bystanders: they have a home, and leave it for a good one only.

        They stand beside imaginary slots of imaginary partitions, so that exchanging with them is like
        any other exchange.
        """
        assert len(devices) == len(slots)
        imaginary = Slots(
            np.arange(len(table), len(table) + len(spare), dtype=np.int64),
            np.zeros(len(spare), dtype=np.int64),
        )
        self._costs, self._rng = costs, rng
        self._real = len(slots)
        self._keen = len(slots) - bystanders
        self._table = np.concatenate([table, np.full((len(spare), table.shape[1]), -1, dtype=np.int32)])
        self._slots = slots + imaginary
        self._devices = np.concatenate([devices, spare])
        self._put(np.arange(len(self._devices)))

    def settle(self) -> tuple[Table, Ints]:
        """Return a device and its cost for every slot."""
        cost = self._costs.of(self._table, self._slots, self._devices)
        idle = 0
        for _ in range(ROUNDS_MAX):
            costly = np.flatnonzero(cost[: self._keen])
            if not len(costly) or idle >= 3:
                break
            before = int(cost.sum())
            changed = self._exchange(costly, cost)
            if len(changed):
                touched = np.zeros(len(self._table), dtype=bool)
                touched[self._slots.partitions[changed]] = True
                which = np.flatnonzero(touched[self._slots.partitions])
                cost[which] = self._costs.of(self._table, self._slots[which], self._devices[which])
            gained = before - int(cost.sum())
            idle = 0 if gained > before // 500 else idle + 1
        return self._devices[: self._real], cost[: self._real]

    def _put(self, which: Ints) -> None:
        real = which[which < self._real]
        slots = self._slots[real]
        self._table[slots.partitions, slots.replicas] = self._devices[real]

    def _exchange(self, costly: Ints, cost: Ints) -> Ints:
        """Make the best of some random exchanges for each costly slot; return who was touched."""
        at_once = min(OFFERS_AT_ONCE, OFFERS_PER_SLOT * len(self._devices) + OFFERS_MIN)
        each = int(np.clip(at_once // len(costly), OFFERS_EACH_MIN, OFFERS_EACH_MAX))
        ours = self._rng.permutation(costly)[: max(at_once // each, 1)]
        theirs = self._rng.integers(0, len(self._devices), (len(ours), each))
        flat_ours = np.repeat(ours, each)
        flat_theirs = theirs.ravel()
        gain = cost[flat_ours] + cost[flat_theirs]
        gain -= self._costs.of(self._table, self._slots[flat_ours], self._devices[flat_theirs])
        then = self._costs.of(self._table, self._slots[flat_theirs], self._devices[flat_ours])
        gain -= then
        gain[(then >= AGAINST_PLAN) & (flat_theirs >= self._keen) & (flat_theirs < self._real)] = 0
        gain[self._slots.partitions[flat_ours] == self._slots.partitions[flat_theirs]] = 0
        best = gain.reshape(theirs.shape).argmax(axis=1)
        chosen = np.arange(len(ours)) * each + best
        chosen = chosen[gain[chosen] > 0]
        left, right = flat_ours[chosen], flat_theirs[chosen]
        free = self._apart(self._slots.partitions[left], self._slots.partitions[right])
        left, right = left[free], right[free]
        self._devices[left], self._devices[right] = self._devices[right], self._devices[left]
        touched = np.concatenate([left, right])
        self._put(touched)
        return touched

    def _apart(self, left: Ints, right: Ints) -> Bools:
        """Return which exchanges are the first to touch both their partitions."""
        first = np.full(len(self._table), len(left), dtype=np.int64)
        turn = np.arange(len(left))
        np.minimum.at(first, left, turn)
        np.minimum.at(first, right, turn)
        alone: Bools = (first[left] == turn) & (first[right] == turn)
        return alone
