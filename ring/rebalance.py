"""One rebalance: from the table as it is to one nearer the plan, moving no more than that needs.

    table, plan, who may move ──▶ rebalance() ──▶ new table

    1. Slots with nobody, of new replicas and removed devices, must find a home.
    2. Replicas that stand nearer together than planned are taken up, one of a partition at most.
    3. Devices above their quota give up what is too much, one replica of a partition at most.
    4. matching.py finds homes on devices below their quota. Whoever finds none goes back where it was.

No clock and no file: which partitions may move, and the dice, are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .layout import lay_out
from .matching import AGAINST_PLAN, ON_ONE_DEVICE, Costs, Matching, Slots, Table
from .plan import Plan, quotas
from .topology import Bools, Ints, Topology

ATTEMPTS_MAX = 12
PROBES = 8  # Devices tried in thought before a replica is taken up: enough to tell likely from hopeless.
FALLBACK_AT_ONCE = 512


@dataclass(slots=True)
class Rebalance:
    """The table on its way; slots are taken up from it and put down in it."""

    topology: Topology
    plan: Plan
    table: Table
    exists: Bools
    may_move: Bools
    rng: np.random.Generator
    quota: Ints = field(init=False)
    costs: Costs = field(init=False)

    def __post_init__(self) -> None:
        """Work out what every device should hold in the end."""
        self.costs = Costs(self.topology, self.plan)
        self.quota = quotas(
            self.topology,
            self.plan.target,
            partitions=len(self.table),
            slots=int(self.exists.sum()),
            have=self.have(),
        )

    def run(self) -> Table:
        """Return the new table."""
        if not (self.table >= 0).any():
            return lay_out(self.topology, self.quota, self.exists, self.rng)
        homeless = self._homeless()
        self._home(homeless, np.full(len(homeless), -1, dtype=np.int32))
        self._home(*self._take_up_crowded())
        for _ in range(ATTEMPTS_MAX):
            slots, origins = self._take_up_excess()
            if not len(slots) or not self._home(slots, origins):
                break
        return self.table

    def have(self) -> Ints:
        """Return how many slots each device id holds."""
        held = self.table[self.table >= 0]
        return np.bincount(held, minlength=len(self.topology.weights)).astype(np.int64)

    def _homeless(self) -> Slots:
        partitions, replicas = np.nonzero(self.exists & (self.table < 0))
        return Slots(partitions, replicas)

    def _take_up_crowded(self) -> tuple[Slots, Table]:
        """Take up the worst placed replica of each partition that is against the plan.

        Two replicas on one device are separated even when the partition moved lately.
        """
        cost = self.costs.standing(self.table)
        cost[~self.may_move] *= cost[~self.may_move] >= ON_ONE_DEVICE
        if not (cost >= AGAINST_PLAN).any():
            return self._lift(Slots(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)))
        over = np.append(self.have() - self.quota, 0)[self.table]
        rank = cost * (1 << 20) + np.clip(over, -(1 << 18), 1 << 18)
        worst = rank.argmax(axis=1)
        partitions = np.flatnonzero(cost[np.arange(len(cost)), worst] >= AGAINST_PLAN)
        return self._lift(Slots(partitions, worst[partitions]))

    def _take_up_excess(self) -> tuple[Slots, Table]:
        """Take up as many slots as devices hold too many, from partitions that may still move."""
        over = self.have() - self.quota
        rows = np.flatnonzero(self.may_move)
        local, replicas = np.nonzero(np.append(over, 0)[self.table[rows]] > 0)
        slots, score = self._likely(Slots(rows[local], replicas), over)
        devices = self.table[slots.partitions, slots.replicas]
        need = over / np.maximum(np.bincount(devices, minlength=len(over)), 1)
        slots = slots[np.lexsort((need[devices] * (0.5 + self.rng.random(len(slots))), score))[::-1]]
        _, first = np.unique(slots.partitions, return_index=True)
        slots = slots[np.sort(first)]
        devices = self.table[slots.partitions, slots.replicas]
        return self._lift(slots[_rank_in_group(devices) < over[devices]])

    def _likely(self, slots: Slots, over: Ints) -> tuple[Slots, Ints]:
        """Return the slots with a score: better when some device with room would take them at no cost."""
        pool = np.repeat(np.arange(len(over)), np.maximum(-over, 0)).astype(np.int32)
        score = np.full(len(slots), -(1 << 30), dtype=np.int64)
        if not len(pool):
            return slots, score
        for _ in range(PROBES):
            probe = self.rng.choice(pool, len(slots))
            score = np.maximum(score, -self.costs.of(self.table, slots, probe))
        hopeful = score > -AGAINST_PLAN
        now = self.costs.of(self.table, slots, self.table[slots.partitions, slots.replicas])
        return slots[hopeful], (score + now)[hopeful]

    def _lift(self, slots: Slots) -> tuple[Slots, Table]:
        origins = self.table[slots.partitions, slots.replicas]
        self.table[slots.partitions, slots.replicas] = -1
        return slots, origins

    def _home(self, slots: Slots, origins: Table) -> bool:
        """Put the slots down where there is room, else back, else wherever it harms least."""
        if not len(slots):
            return False
        room = np.maximum(self.quota - self.have(), 0)
        pool = np.repeat(np.arange(len(room)), room).astype(np.int32)
        devices, cost = Matching(self.costs, self.table, slots, pool, self.rng).settle()
        good = cost < AGAINST_PLAN
        self.table[slots.partitions[good], slots.replicas[good]] = devices[good]
        self._put_back(slots[~good], origins[~good])
        moved = slots.partitions[good & (origins >= 0) & (devices != origins)]
        self.may_move[moved] = False
        return bool(len(moved))

    def _put_back(self, slots: Slots, origins: Table) -> None:
        """Put down what found no good home with room: a little over quota is better than badly spread."""
        self.table[slots.partitions, slots.replicas] = origins
        stuck = self.costs.of(self.table, slots, origins) >= AGAINST_PLAN
        stuck |= origins < 0
        slots, origins = slots[stuck], origins[stuck]
        everyone = np.flatnonzero(self.topology.weights > 0).astype(np.int32)
        for at in range(0, len(slots), FALLBACK_AT_ONCE):
            some = slots[slice(at, at + FALLBACK_AT_ONCE)]
            fill = (self.have() + 1) / np.maximum(self.quota, 1)
            self._put_anywhere(some, origins[at : at + FALLBACK_AT_ONCE], everyone, fill)

    def _put_anywhere(self, slots: Slots, origins: Table, everyone: Table, fill: NDArray[np.float64]) -> None:
        for index in range(len(slots)):
            slot = Slots(
                *(np.repeat(column[index], len(everyone)) for column in (slots.partitions, slots.replicas))
            )
            cost = self.costs.of(self.table, slot, everyone)
            best = everyone[np.lexsort((self.rng.random(len(everyone)), fill[everyone], cost))[0]]
            partition, replica = slots.partitions[index], slots.replicas[index]
            if origins[index] >= 0:
                stays = self.costs.of(self.table, slots[[index]], origins[[index]])[0] <= cost.min()
                best = origins[index] if stays else best
                self.may_move[partition] &= bool(stays)
            self.table[partition, replica] = best
            fill[best] += 1 / max(int(self.quota[best]), 1)


def _rank_in_group(values: Table) -> Ints:
    """Return for each element how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.searchsorted(ordered, ordered)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - starts
    return rank
