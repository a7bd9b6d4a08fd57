"""The laws of a rebalance: spread, balanced, patient, and no more moved than needed."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import HOUR, NOW, World, builder_of, built, changed, device, grid, worlds

from apus.ring.builder import Builder
from apus.ring.matching import AGAINST_PLAN, ON_ONE_DEVICE, Costs
from apus.ring.plan import plan, quotas
from apus.ring.topology import Ints


def quota_of(builder: Builder) -> Ints:
    topology = builder.topology()
    table = builder.table()
    return quotas(
        topology,
        plan(topology, builder.replicas, builder.overload),
        partitions=builder.partitions,
        slots=int((table >= 0).sum()),
        have=builder.held(),
    )


def standing_costs(builder: Builder) -> np.ndarray:
    topology = builder.topology()
    costs = Costs(topology, plan(topology, builder.replicas, builder.overload))
    return costs.standing(builder.table())


def moved(before: np.ndarray, after: np.ndarray, gone: list[int]) -> np.ndarray:
    """Return which replicas are somewhere else now, but for those that were on devices now gone."""
    columns = min(before.shape[1], after.shape[1])
    old, new = before[:, :columns], after[:, :columns]
    return np.asarray((old >= 0) & (new >= 0) & (old != new) & ~np.isin(old, gone))


@settings(deadline=None, max_examples=20)
@given(worlds())
def test_a_new_ring_is_as_planned(world: World) -> None:
    """Every device has its quota exactly, and no partition stands nearer together than planned."""
    builder = built(world)
    builder.validate()
    assert builder.held().tolist() == quota_of(builder).tolist()
    assert (standing_costs(builder) < AGAINST_PLAN).all()


@settings(deadline=None, max_examples=20)
@given(worlds(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_replicas_are_on_different_devices_whatever_changes(world: World, random: Random, steps: int) -> None:
    """After any changes, with or without time to rest between rebalances."""
    builder = built(world)
    now = NOW
    for _ in range(steps):
        changed(builder, random)
        now += random.choice((0, 2 * HOUR))
        builder.rebalance(seed="2", now=now)
        builder.validate()
        assert (standing_costs(builder) < ON_ONE_DEVICE).all()


@settings(deadline=None, max_examples=20)
@given(worlds(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_patience_leads_to_the_plan(world: World, random: Random, steps: int) -> None:
    """A few rebalances, each allowed to move everything once, and nothing stands against the plan."""
    builder = built(world)
    for _ in range(steps):
        changed(builder, random)
    for round_ in range(2 * len(builder.table()[0]) + 2):
        builder.rebalance(seed="2", now=NOW + 1000 * HOUR * (round_ + 1))
    assert (standing_costs(builder) < AGAINST_PLAN).all()
    excess = np.maximum(builder.held() - quota_of(builder), 0).sum()
    assert excess <= 0.02 * builder.table().size + 1


@settings(deadline=None, max_examples=20)
@given(worlds(), st.randoms(use_true_random=False))
def test_one_rebalance_moves_a_partition_once(world: World, random: Random) -> None:
    """Of the replicas on devices that stay, at most one of a partition moves."""
    builder = built(world)
    changed(builder, random)
    gone = list(builder.removed)
    before = builder.table()
    builder.rebalance(seed="2", now=NOW + 100 * HOUR)
    stays = moved(before, builder.table(), gone)
    assert stays.sum(axis=1).max(initial=0) <= 1
    lost = np.isin(before, gone).any(axis=1)
    assert not (stays[lost].any() and len(gone)), "who lost a replica gives no other away"


@settings(deadline=None, max_examples=20)
@given(worlds(), st.randoms(use_true_random=False))
def test_a_partition_rests_after_it_moved(world: World, random: Random) -> None:
    """Within min_part_hours nothing moves but what was on removed devices."""
    builder = built(world)
    changed(builder, random)
    gone = list(builder.removed)
    before = builder.table()
    builder.rebalance(seed="2", now=NOW + HOUR - 60)
    stays = moved(before, builder.table(), gone)
    assert not stays.any()


@settings(deadline=None, max_examples=20)
@given(worlds(), st.sampled_from(("1", "2", "seed")))
def test_the_same_seed_gives_the_same_ring(world: World, seed: str) -> None:
    """Whatever ran before in the process."""
    first, second = built(world, seed), built(world, seed)
    assert first.table().tolist() == second.table().tolist()
    for builder in (first, second):
        builder.add(device(1, 1, 77, 1))
        builder.rebalance(seed=seed, now=NOW + 100 * HOUR)
    assert first.table().tolist() == second.table().tolist()


@settings(deadline=None, max_examples=20)
@given(worlds())
def test_nothing_moves_without_a_reason(world: World) -> None:
    """A rebalance of a balanced ring changes nothing."""
    builder = built(world)
    outcome = builder.rebalance(seed="other", now=NOW + 100 * HOUR)
    assert outcome.changed == 0


@pytest.mark.parametrize("zones", [3, 4])
def test_no_more_moves_than_the_new_device_takes(zones: int) -> None:
    """A device added to a balanced ring gets its quota, and nothing else moves."""
    builder = builder_of(grid(1, zones, 3, 4), part_power=10, overload=0.1)
    builder.rebalance(seed="1", now=NOW)
    new = builder.add(device(1, 1, 0, 99))
    outcome = builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    assert outcome.changed == builder.held()[new] == quota_of(builder)[new]


def test_a_removed_device_costs_its_own_replicas_only() -> None:
    """What it held finds homes within quotas; nothing else moves."""
    builder = builder_of(grid(1, 3, 3, 4), part_power=10, overload=0.1)
    builder.rebalance(seed="1", now=NOW)
    held = int(builder.held()[7])
    builder.remove(7)
    outcome = builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    assert outcome.changed == held
    assert builder.dispersion == 0


def test_a_stuck_device_is_freed_by_a_bystander() -> None:
    """When nothing above quota may go directly where room is, chains of two moves do it."""
    builder = builder_of(grid(1, 3, 4, 5, tuple(60.0 + (n * 31) % 120 for n in range(60))), part_power=10)
    builder.rebalance(seed="1", now=NOW)
    for n in range(60):
        builder.change(n, weight=60.0 + (n * 53) % 120)
    builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    builder.rebalance(seed="1", now=NOW + 200 * HOUR)
    assert builder.held().tolist() == quota_of(builder).tolist()


def test_a_growing_replica_count_fills_the_gap_without_moving() -> None:
    """From 2 to 3: the new replicas are placed, one per partition, the old ones stay."""
    builder = builder_of(grid(1, 3, 3, 4), replicas=2, part_power=8)
    builder.rebalance(seed="1", now=NOW)
    before = builder.table()
    builder.set_replicas(3)
    outcome = builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    assert outcome.changed == 256
    assert (builder.table()[:, :2] == before).all()
    assert builder.dispersion == 0


def test_a_shrinking_replica_count_drops_the_last_row() -> None:
    """From 3 to 2.5: half of the partitions lose their third replica."""
    builder = builder_of(grid(1, 3, 3, 4), replicas=3, part_power=8)
    builder.rebalance(seed="1", now=NOW)
    builder.set_replicas(2.5)
    builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    builder.validate()
    assert [len(row) for row in builder.rows or []] == [256, 256, 128]
    assert builder.balance() < 5


def test_two_replicas_on_one_device_part_at_once() -> None:
    """A table that another program left so is mended even if the partition moved lately."""
    builder = builder_of(grid(1, 3, 2, 2), part_power=6)
    builder.rebalance(seed="1", now=NOW)
    assert builder.rows is not None
    builder.rows[1] = builder.rows[0].copy()
    builder.rebalance(seed="1", now=NOW + 60)
    builder.validate()
