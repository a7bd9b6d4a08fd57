"""The laws of shares and quotas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import World, device, grid, numbered, worlds

from apus.ring.plan import Unsatisfiable, evenly, plan, quotas, required_overload, wanted, weighted
from apus.ring.topology import DEVICE, LEVELS, REGION, ZONE, Topology


def topology_of(world: World) -> Topology:
    return Topology.of(numbered(list(world.devices)))


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_shares_sum_to_the_replicas_at_every_level(world: World) -> None:
    """Whatever the weights, the tree and the overload ask for; and no device has more than one replica."""
    topology = topology_of(world)
    shares = plan(topology, world.replicas, world.overload)
    for level in LEVELS:
        assert shares.target[level].sum() == pytest.approx(world.replicas)
        assert (shares.target[level] <= shares.most[level] + 1e-9).all()
    assert shares.target[DEVICE].max() <= 1 + 1e-9


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_a_tier_has_what_its_children_have(world: World) -> None:
    """From devices up to regions."""
    topology = topology_of(world)
    target = plan(topology, world.replicas, world.overload).target
    for level in (ZONE, 2, DEVICE):
        summed = np.bincount(topology.parents[level], target[level])
        assert summed == pytest.approx(target[level - 1])


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_overload_bounds_what_a_device_gets_beyond_its_weight(world: World) -> None:
    """With an overload of 0 weights decide alone; with more, no device exceeds its weight by more."""
    topology = topology_of(world)
    shares = plan(topology, world.replicas, world.overload)
    used = topology.weights[topology.device_of_leaf] > 0
    by_weight = weighted(topology, world.replicas)[DEVICE][used]
    assert (shares.target[DEVICE][used] <= by_weight * (1 + world.overload) + 1e-6).all()


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_the_required_overload_spreads_fully(world: World) -> None:
    """More than required changes nothing."""
    topology = topology_of(world)
    by_weight = weighted(topology, world.replicas)
    by_spread = wanted(topology, world.replicas, by_weight)
    required = required_overload(by_weight, by_spread)
    for overload in (required, required + 1):
        target = plan(topology, world.replicas, overload).target
        assert all(target[level] == pytest.approx(by_spread[level], abs=1e-6) for level in LEVELS)


@settings(deadline=None, max_examples=40)
@given(worlds(), st.randoms(use_true_random=False))
def test_quotas_are_shares_rounded(world: World, random: object) -> None:
    """Each tier gets the floor or the ceiling of its share, whatever devices hold now, and all slots are given."""
    topology = topology_of(world)
    shares = plan(topology, world.replicas, world.overload)
    partitions = 1 << world.part_power
    slots = int(partitions * int(world.replicas)) + int(partitions * (world.replicas % 1))
    have = np.array([random.randrange(partitions) for _ in topology.weights])  # type: ignore[attr-defined]
    quota = quotas(topology, shares, partitions=partitions, slots=slots, have=have)
    assert quota.sum() == slots
    assert quota.max() <= partitions
    for level in LEVELS:
        exact = shares.target[level] * partitions
        summed = topology.summed(quota, level)
        assert (summed >= np.floor(exact + 1e-6) - 1).all()
        assert (summed <= np.ceil(exact - 1e-6) + 1e-9).all()


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_quotas_leave_those_alone_who_have_them(world: World) -> None:
    """Rounding again, with the quotas in place, gives the same quotas: it moves nothing by itself."""
    topology = topology_of(world)
    shares = plan(topology, world.replicas, world.overload)
    partitions = 1 << world.part_power
    slots = int(partitions * int(world.replicas)) + int(partitions * (world.replicas % 1))
    first = quotas(
        topology, shares, partitions=partitions, slots=slots, have=np.zeros(len(topology.weights), int)
    )
    again = quotas(topology, shares, partitions=partitions, slots=slots, have=first)
    assert first.tolist() == again.tolist()


def test_three_unequal_zones_are_used_alike_when_overload_allows() -> None:
    """Weights say 1.2, 1.2 and 0.6 replicas; dispersion says one each."""
    devices = numbered([*grid(1, 2, 1, 2), device(1, 3, 0, 0)])
    topology = Topology.of(devices)
    assert plan(topology, 3, 0.0).target[ZONE] == pytest.approx([1.2, 1.2, 0.6])
    assert plan(topology, 3, 10.0).target[ZONE] == pytest.approx([1.0, 1.0, 1.0])
    assert evenly(topology, 3, whole=True)[ZONE].tolist() == [1.0, 1.0, 1.0]
    assert evenly(topology, 3, whole=True)[REGION].tolist() == [3.0]


@pytest.mark.parametrize("replicas", [1, 3])
def test_too_few_devices_are_refused(replicas: int) -> None:
    """A plan that can't be is said so, not looped over."""
    with pytest.raises(Unsatisfiable):
        plan(Topology.of(numbered(grid(1, 1, 1, replicas - 1))), replicas, 0.0)
