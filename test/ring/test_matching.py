"""The laws of costs and of the search by exchange."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import World, built, grid, numbered, worlds

from apus.ring.matching import AGAINST_PLAN, ON_ONE_DEVICE, Costs, Matching, Slots
from apus.ring.plan import plan
from apus.ring.topology import Topology


def costs_of(world: World) -> tuple[Topology, Costs]:
    topology = Topology.of(numbered(list(world.devices)))
    return topology, Costs(topology, plan(topology, world.replicas, world.overload))


@settings(deadline=None, max_examples=20)
@given(worlds())
def test_both_ways_of_counting_agree(world: World) -> None:
    """The cost of each slot where it stands is the same, counted at once or one by one."""
    _, costs = costs_of(world)
    table = built(world).table()
    rows, columns = np.nonzero(table >= 0)
    one_by_one = costs.of(table, Slots(rows, columns), table[rows, columns])
    assert costs.standing(table)[rows, columns].tolist() == one_by_one.tolist()


def test_nearness_has_its_price() -> None:
    """The same device is worst, the same server and zone are against a plan with three zones."""
    world = World(tuple(grid(1, 3, 2, 2)), 3, 3, 0.0)
    _, costs = costs_of(world)
    table = np.array([[0, 4, -1]], dtype=np.int32)
    slot = Slots(np.zeros(4, dtype=np.int64), np.full(4, 2))
    same_device, same_server, same_zone, other = costs.of(
        table, slot, np.array([0, 1, 2, 8], dtype=np.int32)
    ).tolist()
    assert same_device >= ON_ONE_DEVICE
    assert same_device > same_server > same_zone >= AGAINST_PLAN > other == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 200))
def test_a_matching_keeps_the_pool(seed: int, partitions: int) -> None:
    """Every device offered is used as often as it was offered, spare ones included."""
    rng = np.random.default_rng(seed)
    world = World(tuple(grid(1, 3, 2, 2)), 3, 3, 0.0)
    _, costs = costs_of(world)
    table = np.full((partitions, 3), -1, dtype=np.int32)
    table[:, 0] = rng.integers(0, 4, partitions)
    table[:, 1] = rng.integers(4, 8, partitions)
    slots = Slots(np.arange(partitions), np.full(partitions, 2))
    offered = rng.integers(0, 12, partitions).astype(np.int32)
    spare = rng.integers(8, 12, partitions).astype(np.int32)
    matching = Matching(costs, table, slots, offered, bystanders=0, spare=spare, rng=rng)
    devices, cost = matching.settle()
    assert (
        np.bincount(devices, minlength=12) <= np.bincount(np.concatenate([offered, spare]), minlength=12)
    ).all()
    placed = table.copy()
    placed[:, 2] = devices
    assert costs.standing(placed)[:, 2].tolist() == cost.tolist()


def test_a_strict_puzzle_is_solved() -> None:
    """Each slot fits one zone only, the offers are shuffled: all find theirs."""
    rng = np.random.default_rng(5)
    world = World(tuple(grid(1, 3, 2, 2)), 3, 3, 0.0)
    _, costs = costs_of(world)
    missing = rng.integers(0, 3, 3000)
    table = np.full((3000, 3), -1, dtype=np.int32)
    table[:, 0] = (missing + 1) % 3 * 4 + rng.integers(0, 4, 3000)
    table[:, 1] = (missing + 2) % 3 * 4 + rng.integers(0, 4, 3000)
    offered = rng.permutation(missing * 4 + rng.integers(0, 4, 3000)).astype(np.int32)
    slots = Slots(np.arange(3000), np.full(3000, 2))
    nobody = np.zeros(0, dtype=np.int32)
    devices, cost = Matching(costs, table, slots, offered, bystanders=0, spare=nobody, rng=rng).settle()
    assert not cost.any()
    assert (devices // 4 == missing).all()
