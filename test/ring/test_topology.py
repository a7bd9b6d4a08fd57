"""The laws of failure domains as arrays."""

from __future__ import annotations

import numpy as np
from ring_worlds import device, grid, numbered

from apus.ring.topology import DEVICE, LEVELS, REGION, SERVER, ZONE, Topology


def test_every_device_is_in_one_tier_of_each_level() -> None:
    """And a tier's parent is the tier above in the device's own path."""
    devices = numbered(grid(2, 3, 2, 2))
    topology = Topology.of(devices)
    assert [len(names) for names in topology.names] == [2, 6, 12, 24]
    for each in devices:
        assert each is not None
        path = (each.region, each.zone, each.ip, each.id)
        tiers = [int(topology.tier_of[level][each.id]) for level in LEVELS]
        assert [topology.names[level][tiers[level]] for level in LEVELS] == [
            path[:1],
            path[:2],
            path[:3],
            path,
        ]
        for level in (ZONE, SERVER, DEVICE):
            assert topology.parents[level][tiers[level]] == tiers[level - 1]


def test_nobody_is_nowhere() -> None:
    """Holes in the list of devices, and the id -1, are in no tier."""
    topology = Topology.of([None, *numbered(grid(1, 1, 1, 2))[1:]])
    assert [topology.tier_of[level][-1] for level in LEVELS] == [-1] * 4
    assert [topology.tier_of[level][0] for level in LEVELS] == [-1] * 4


def test_sums_and_siblings_count_what_has_weight() -> None:
    """A drained device stays in the tree but is no sibling."""
    devices = numbered([*grid(1, 2, 1, 2), device(1, 3, 0, 0, 0.0)])
    topology = Topology.of(devices)
    assert topology.summed(topology.weights, ZONE).tolist() == [200.0, 200.0, 0.0]
    assert topology.children_in_use(ZONE).tolist() == [2]
    assert topology.children_in_use(DEVICE).tolist() == [2, 2, 0]
    assert topology.summed(np.ones(5), REGION).tolist() == [5.0]
