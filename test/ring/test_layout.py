"""The laws of a table made from nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import World, numbered, worlds

from apus.ring.layout import lay_out
from apus.ring.plan import plan, quotas
from apus.ring.topology import LEVELS, Topology


def existing(world: World) -> np.ndarray:
    partitions = 1 << world.part_power
    more = int(partitions * (world.replicas % 1))
    exists = np.ones((partitions, int(world.replicas) + (more > 0)), dtype=bool)
    if more:
        exists[more:, -1] = False
    return exists


@settings(deadline=None, max_examples=40)
@given(worlds(), st.integers(0, 2**32))
def test_quotas_are_met_and_every_partition_is_spread_as_planned(world: World, seed: int) -> None:
    """Each tier holds the floor or the ceiling of its share of every single partition."""
    topology = Topology.of(numbered(list(world.devices)))
    shares = plan(topology, world.replicas, world.overload)
    exists = existing(world)
    nothing = np.zeros(len(topology.weights), dtype=np.int64)
    quota = quotas(topology, shares, partitions=len(exists), slots=int(exists.sum()), have=nothing)
    table = lay_out(topology, quota, exists, np.random.default_rng(seed))
    assert ((table >= 0) == exists).all()
    assert np.bincount(table[exists], minlength=len(quota)).tolist() == quota.tolist()
    for level in LEVELS:
        counts = np.zeros((len(table), len(topology.names[level])), dtype=int)
        rows, columns = np.nonzero(exists)
        np.add.at(counts, (rows, topology.tier_of[level][table[rows, columns]]), 1)
        given = topology.summed(quota, level)
        assert (counts >= np.floor(given / len(table))).all()
        assert (counts <= np.ceil(given / len(table))).all()


def test_the_first_replica_is_no_favourite_zone() -> None:
    """Who comes first in a partition is drawn too, since first replicas are asked first."""
    from ring_worlds import grid

    topology = Topology.of(numbered(grid(1, 3, 1, 1)))
    exists = np.ones((600, 3), dtype=bool)
    table = lay_out(topology, np.array([600, 600, 600]), exists, np.random.default_rng(1))
    assert (np.bincount(table[:, 0]) > 150).all()
