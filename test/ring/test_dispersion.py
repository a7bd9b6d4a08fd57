"""The laws of the dispersion figures, against a count made one by one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from ring_worlds import World, built, grid, worlds

from apus.ring import dispersion
from apus.ring.builder import Builder
from apus.ring.plan import evenly
from apus.ring.topology import LEVELS


def counted(builder: Builder) -> tuple[dispersion.Graph, float]:
    """Count the same by plain loops."""
    graph: dict[tuple[object, ...], Counter[int]] = defaultdict(Counter)
    topology = builder.topology()
    allowed = evenly(topology, builder.replicas, whole=True)
    most = {
        name: n for level in LEVELS for name, n in zip(topology.names[level], allowed[level], strict=True)
    }
    at_risk = 0
    for slots in builder.table().tolist():
        near: Counter[tuple[object, ...]] = Counter()
        for id_ in slots:
            device = builder.devices[id_] if id_ >= 0 else None
            if device is not None:
                path = (device.region, device.zone, device.ip, device.id)
                near.update(path[: level + 1] for level in LEVELS)
        excess: Counter[int] = Counter()
        for tier, replicas in near.items():
            graph[tier][replicas] += 1
            excess[len(tier)] += max(0, replicas - int(most[tier]))
        at_risk += max(excess.values(), default=0)
    columns = math.ceil(builder.replicas) + 1
    whole = {
        tier: [builder.partitions - sum(counts.values()), *(counts[n] for n in range(1, columns))]
        for tier, counts in graph.items()
    }
    return whole, 100.0 * at_risk / (builder.partitions * builder.replicas)


@settings(deadline=None, max_examples=20)
@given(worlds())
def test_arrays_count_as_loops_do(world: World) -> None:
    """Same graph, same percentage."""
    builder = built(world)
    graph, percent = counted(builder)
    assert builder.graph == graph
    assert builder.dispersion == pytest.approx(percent)


def test_a_report_names_the_worst_tier() -> None:
    """And can be asked about some tiers only."""
    builder = built(World((*grid(1, 2, 2, 2), *grid(1, 1, 1, 1)), 3, 6, 0.0))
    found = dispersion.report(
        builder.graph, topology=builder.topology(), devices=builder.devices, replicas=3, only=r"r\d+z\d+$"
    )
    assert [tier.name for tier in found.tiers] == ["r1z1", "r1z2"]
    assert all(
        tier.placed == sum(n * c for n, c in enumerate(tier.partitions_by_replicas)) for tier in found.tiers
    )
    assert found.worst_tier is None or found.worst_percent > 0


def test_tiers_are_named_as_operators_write_them() -> None:
    """Region, zone, server, device."""
    devices = built(World(tuple(grid(1, 1, 1, 3)), 3, 3, 0.0)).devices
    names = [dispersion.tier_name((1, 1, "10.1.1.0", 2)[:n], devices) for n in (1, 2, 3, 4)]
    assert names == ["r1", "r1z1", "r1z1-10.1.1.0", "r1z1-10.1.1.0/sd2"]
    assert dispersion.tier_name((1, 1, "10.1.1.0", 9), devices) == "r1z1-10.1.1.0/IDd9"
