"""One rebalance: from the table as it is to one nearer the plan, moving no more than that needs.

    table, plan, who may move ──▶ rebalance() ──▶ new table

    1. Slots with nobody, of new replicas and removed devices, must find a home.
    2. Replicas that stand nearer together than planned are taken up, one of a partition at most.
    3. Devices above their quota give up what is too much, one replica of a partition at most.
    4. matching.py finds homes on devices below their quota. Whoever finds none goes back where it was.

No clock and no file: which partitions may move, and the dice, are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .layout import lay_out
from .matching import AGAINST_PLAN, ON_ONE_DEVICE, Costs, Matching, Slots, Table
from .plan import Plan, quotas
from .selection import NEVER, NONE, one_each
from .topology import Bools, Floats, Ints, Topology

ATTEMPTS_MAX = 12
IDLE_MAX = 3
BYSTANDERS_EACH, BYSTANDERS_MIN, BYSTANDERS_MAX = 8, 1024, 1 << 15
PROBES = 8  # Devices tried in thought before a replica is taken up: enough to tell likely from hopeless.
FALLBACK_AT_ONCE = 512
FEW = 512  # Devices compared for a slot that found no home, before all of them are.
OCCASIONS = 24  # Replicas considered for each one that a device gives up: enough to choose among.

Scoring = Callable[[Slots, Ints], tuple[Slots, Ints]]
NOBODY = Slots(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


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
            self.plan,
            partitions=len(self.table),
            slots=int(self.exists.sum()),
            have=self.have(),
        )

    def run(self) -> Table:
        """Return the new table."""
        if not (self.table >= 0).any():
            return lay_out(self.topology, self.quota, self.exists, self.rng)
        homeless = self._homeless()
        nowhere = np.full(len(homeless), -1, dtype=np.int32)
        crowded, crowded_from = self._take_up_crowded()
        self.may_move[crowded.partitions] = False
        excess, excess_from = self._take_up_excess(self._likely)
        everyone, before = homeless + crowded + excess, np.concatenate([nowhere, crowded_from, excess_from])
        for _ in range(ATTEMPTS_MAX):
            if not self._home(everyone, before):
                break
            everyone, before = self._take_up_excess(self._likely)
        idle = 0
        for _ in range(ATTEMPTS_MAX):
            slots, origins = self._take_up_excess(self._anyhow)
            if not len(slots):
                break
            idle = 0 if self._home(slots, origins) else idle + 1
            if idle == IDLE_MAX:
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
        drained = np.append(self.quota == 0, False)[self.table]
        score = np.where(cost >= AGAINST_PLAN, 1.0 + (cost >= ON_ONE_DEVICE) + drained, NEVER)
        over = self.have() - self.quota
        anything = np.full(len(over), self.table.size, dtype=np.int64)
        return self._lift_one_each(np.arange(len(score)), score, over, anything)

    def _take_up_excess(self, scored: Scoring) -> tuple[Slots, Table]:
        """Take up as many slots as devices hold too many, from partitions that may still move."""
        over = self.have() - self.quota
        rows = np.flatnonzero(self.may_move)
        share = np.append(OCCASIONS * np.maximum(over, 0) / np.maximum(self.have(), 1), 0.0)
        considered = share[self.table[rows]]
        local, replicas = np.nonzero(considered > self.rng.random(considered.shape))
        slots, points = scored(Slots(rows[local], replicas), over)
        score = np.full((len(self.table), self.table.shape[1]), NEVER)
        score[slots.partitions, slots.replicas] = points
        return self._lift_one_each(rows, score[rows], over, np.maximum(over, 0))

    def _lift_one_each(self, rows: Ints, score: Floats, wish: Ints, most: Ints) -> tuple[Slots, Table]:
        """Take up the replica with the best score of each of those partitions."""
        worth = score.max(axis=1, initial=NEVER) > NEVER
        rows, score = rows[worth], score[worth]
        replicas = one_each(score, self.table[rows], wish=wish.astype(np.float64), most=most, rng=self.rng)
        lifted = replicas != NONE
        return self._lift(Slots(rows[lifted], replicas[lifted]))

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

    def _anyhow(self, slots: Slots, over: Ints) -> tuple[Slots, Ints]:
        """Return at most some slots, without hope that a device with room would take them directly."""
        some = self.rng.permutation(len(slots))[: int(np.maximum(over, 0).sum()) * PROBES]
        return slots[some], np.zeros(len(some), dtype=np.int64)

    def _bystanders(self, lifted: Slots) -> Slots:
        """Return slots that could make way: they move on to a device with room, another takes their place."""
        free = self.may_move & self.exists.all(axis=1)
        free[lifted.partitions] = False
        partitions = self.rng.permutation(np.flatnonzero(free))
        partitions = partitions[: min(len(lifted) * BYSTANDERS_EACH + BYSTANDERS_MIN, BYSTANDERS_MAX)]
        return Slots(partitions, self.rng.integers(0, self.table.shape[1], len(partitions)))

    def _lift(self, slots: Slots) -> tuple[Slots, Table]:
        origins = self.table[slots.partitions, slots.replicas]
        self.table[slots.partitions, slots.replicas] = -1
        return slots, origins

    def _home(self, slots: Slots, origins: Table) -> bool:
        """Put the slots down where there is room, else back, else wherever it harms least."""
        if not len(slots):
            return False
        bystanders = self._bystanders(slots)
        given, spare = self._rooms(len(slots))
        standing = self.table[bystanders.partitions, bystanders.replicas]
        everyone, before = slots + bystanders, np.concatenate([origins, standing])
        pairing = np.concatenate([given, standing])
        devices, cost = Matching(
            self.costs,
            self.table,
            everyone,
            pairing,
            bystanders=len(bystanders),
            spare=spare,
            rng=self.rng,
        ).settle()
        good = cost < AGAINST_PLAN
        good[len(slots) :] = True
        self.table[everyone.partitions[good], everyone.replicas[good]] = devices[good]
        self._put_back(everyone[~good], before[~good])
        moved = everyone.partitions[good & (before >= 0) & (devices != before)]
        self.may_move[moved] = False
        return bool(len(moved))

    def _rooms(self, needed: int) -> tuple[Table, Table]:
        """Return as many places on devices with room, evenly by how much they have, and those left over."""
        room = np.maximum(self.quota - self.have(), 0)
        assert int(room.sum()) >= needed, "whoever is homeless left room behind"
        exact = room * (needed / max(int(room.sum()), 1))
        taken = np.floor(exact).astype(np.int64)
        rest = np.lexsort((self.rng.random(len(room)), taken - exact))[: needed - int(taken.sum())]
        taken[rest] += 1
        ids = np.arange(len(room))
        spare = np.maximum(room - taken, 0)
        return self._shuffled(np.repeat(ids, taken)), self._shuffled(np.repeat(ids, spare))

    def _shuffled(self, ids: Ints) -> Table:
        return self.rng.permutation(ids).astype(np.int32)

    def _put_back(self, slots: Slots, origins: Table) -> None:
        """Put down what found no good home with room: a little over quota is better than badly spread."""
        self.table[slots.partitions, slots.replicas] = origins
        stuck = self.costs.of(self.table, slots, origins) >= AGAINST_PLAN
        stuck |= origins < 0
        slots, origins = slots[stuck], origins[stuck]
        for at in range(0, len(slots), FALLBACK_AT_ONCE):
            fill = (self.have() + 1) / np.maximum(self.quota, 1)
            for index in range(at, min(at + FALLBACK_AT_ONCE, len(slots))):
                self._put_anywhere(slots[[index]], origins[[index]], fill)

    def _put_anywhere(self, slot: Slots, origin: Table, fill: Floats) -> None:
        """Put one slot down where it harms least and room is most, or leave it where it was."""
        everyone = np.flatnonzero(self.topology.weights > 0).astype(np.int32)
        few = self.rng.choice(everyone, min(FEW, len(everyone)), replace=False)
        best, cost = self._least_harm(slot, few, fill)
        if cost >= AGAINST_PLAN and len(few) < len(everyone):
            best, cost = self._least_harm(slot, everyone, fill)
        if origin[0] >= 0:
            harm = int(self.costs.of(self.table, slot, origin)[0])
            stays = harm < cost or (harm == cost and self.quota[origin[0]] > 0)
            best = int(origin[0]) if stays else best
            self.may_move[slot.partitions] &= stays
        self.table[slot.partitions, slot.replicas] = best
        fill[best] += 1 / max(int(self.quota[best]), 1)

    def _least_harm(self, slot: Slots, devices: Table, fill: Floats) -> tuple[int, int]:
        repeated = Slots(np.repeat(slot.partitions, len(devices)), np.repeat(slot.replicas, len(devices)))
        cost = self.costs.of(self.table, repeated, devices)
        best = np.lexsort((self.rng.random(len(devices)), fill[devices], cost))[0]
        return int(devices[best]), int(cost[best])
