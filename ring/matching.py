"""Homes for slots that have none: a search by exchange, over whole arrays at a time.

    slots without a device ─┐
    devices with room      ─┴▶ Matching.settle() ──▶ a device for each slot, as spread out as can be

    Begin with any pairing. A pairing costs something when the device stands too near to another replica of
    the partition. Offer every costly slot some exchanges with others, make those that lower the sum of
    costs and don't touch each other, and go on until nothing improves. One that finds no such exchange may
    pass its trouble on to another slot, for which it may be none.

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
IDLE_MAX = 4  # Rounds without gain before a search is given up.
DRIFT = 0.5  # How readily a badly placed slot trades its trouble with another, who may get rid of it.

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
        own = [self._tiers[level][devices] for level in LEVELS]
        near = [np.zeros(len(devices), dtype=np.int16) for _ in LEVELS]
        for replica in range(table.shape[1]):
            other = table[slots.partitions, replica]
            other[slots.replicas == replica] = -1
            for level in LEVELS:
                near[level] += self._tiers[level][other] == own[level]
        return self._priced(near, devices)

    def _priced(self, near: list[NDArray[np.int16]], devices: Table) -> Ints:
        against = np.zeros(len(devices), dtype=np.int64)
        uneven = np.zeros(len(devices), dtype=bool)
        for level in LEVELS:
            against += near[level] >= self._most[level][devices]
            if self._soft[level] and level != DEVICE:
                uneven |= near[level] >= self._even[level][devices]
        cost: Ints = AGAINST_PLAN * against + UNEVEN * uneven + ON_ONE_DEVICE * (near[DEVICE] > 0)
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
        """Return a device and its cost for every slot; bystanders are asked only when others can't help."""
        cost = self._costs.of(self._table, self._slots, self._devices)
        homes = np.arange(len(self._devices))
        self._improve(cost, np.delete(homes, slice(self._keen, self._real)), trouble=1)
        self._improve(cost, homes, trouble=AGAINST_PLAN)
        return self._devices[: self._real], cost[: self._real]

    def _improve(self, cost: Ints, partners: Ints, *, trouble: int) -> None:
        """Exchange with those partners until no slot costs as much, or nothing helps."""
        idle = 0
        for _ in range(ROUNDS_MAX):
            costly = np.flatnonzero(cost[: self._keen] >= trouble)
            if not len(costly) or idle >= IDLE_MAX:
                return
            before = int(cost.sum())
            changed = self._exchange(costly, partners, cost)
            if len(changed):
                touched = np.zeros(len(self._table), dtype=bool)
                touched[self._slots.partitions[changed]] = True
                which = np.flatnonzero(touched[self._slots.partitions])
                cost[which] = self._costs.of(self._table, self._slots[which], self._devices[which])
            gained = before - int(cost.sum())
            idle = 0 if gained > before // 500 else idle + 1

    def _put(self, which: Ints) -> None:
        real = which[which < self._real]
        slots = self._slots[real]
        self._table[slots.partitions, slots.replicas] = self._devices[real]

    def _exchange(self, costly: Ints, partners: Ints, cost: Ints) -> Ints:
        """Make the best of some random exchanges for each costly slot; return who was touched."""
        at_once = min(OFFERS_AT_ONCE, OFFERS_PER_SLOT * len(self._devices) + OFFERS_MIN)
        each = int(np.clip(at_once // len(costly), OFFERS_EACH_MIN, OFFERS_EACH_MAX))
        ours = self._rng.permutation(costly)[: max(at_once // each, 1)]
        theirs = partners[self._rng.integers(0, len(partners), (len(ours), each))]
        flat_ours = np.repeat(ours, each)
        flat_theirs = theirs.ravel()
        gain = self._gains(flat_ours, flat_theirs, cost)
        best = gain.reshape(theirs.shape).argmax(axis=1)
        chosen = np.arange(len(ours)) * each + best
        drifts = (cost[ours] >= AGAINST_PLAN) & (self._rng.random(len(ours)) < DRIFT)
        chosen = chosen[(gain[chosen] > 0) | ((gain[chosen] == 0) & drifts)]
        left, right = flat_ours[chosen], flat_theirs[chosen]
        free = self._apart(self._slots.partitions[left], self._slots.partitions[right])
        left, right = left[free], right[free]
        self._devices[left], self._devices[right] = self._devices[right], self._devices[left]
        touched = np.concatenate([left, right])
        self._put(touched)
        return touched

    def _gains(self, ours: Ints, theirs: Ints, cost: Ints) -> Ints:
        """Return by how much each exchange lowers the cost; below zero where it must not be made."""
        slots, devices = self._slots, self._devices
        then = self._costs.of(self._table, slots[theirs], devices[ours])
        gain: Ints = cost[ours] + cost[theirs] - then
        gain -= self._costs.of(self._table, slots[ours], devices[theirs])
        bystander = (theirs >= self._keen) & (theirs < self._real)
        gain[bystander & ((then >= AGAINST_PLAN) | (gain == 0))] = -1
        gain[slots.partitions[ours] == slots.partitions[theirs]] = -1
        gain[devices[ours] == devices[theirs]] = -1
        return gain

    def _apart(self, left: Ints, right: Ints) -> Bools:
        """Return which exchanges are the first to touch both their partitions."""
        first = np.full(len(self._table), len(left), dtype=np.int64)
        turn = np.arange(len(left))
        np.minimum.at(first, left, turn)
        np.minimum.at(first, right, turn)
        alone: Bools = (first[left] == turn) & (first[right] == turn)
        return alone
