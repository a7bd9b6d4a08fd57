"""How far apart the replicas of each partition stand, counted.

    table ──▶ count() ──▶ Dispersion: per tier, how many partitions have 0, 1, 2 … replicas in it
          └▶ report() ──▶ which tiers hold more replicas of a partition than the tree would need

The figure is stock Swift's: the share of replicas that stand nearer to another one than the tree forces
them to, whatever weights may ask for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .device import Device
from .matching import Table
from .plan import Shares, evenly
from .topology import DEVICE, LEVELS, Ints, Tier, Topology

Graph = dict[Tier, list[int]]


@dataclass(frozen=True, slots=True)
class TierReport:
    """One failure domain's line of the report."""

    name: str
    most: int
    placed: int
    percent: float
    partitions_by_replicas: list[int]


@dataclass(frozen=True, slots=True)
class Report:
    """The worst tier and every tier that was asked for."""

    worst_percent: float
    worst_tier: str | None
    tiers: list[TierReport]


def count(topology: Topology, table: Table, replicas: float) -> tuple[Graph, float]:
    """Return the graph by tier and the dispersion in percent."""
    allowed = [_whole(share) for share in evenly(topology, replicas, whole=True)]
    columns = int(np.ceil(replicas))
    graph: Graph = {}
    at_risk = np.zeros(len(table), dtype=np.int64)
    for level in LEVELS:
        tiers = topology.tier_of[level][table]
        near, first = _neighbours(tiers)
        flat = tiers[first].astype(np.int64) * (columns + 1) + np.minimum(near[first], columns)
        counts = np.bincount(flat, minlength=len(topology.names[level]) * (columns + 1))
        counts = counts.reshape(-1, columns + 1)
        counts[:, 0] = len(table) - counts[:, 1:].sum(axis=1)
        met = counts[:, 1:].any(axis=1)
        for tier in np.flatnonzero(met).tolist():
            graph[topology.names[level][tier]] = counts[tier].tolist()
        excess = np.where(first, np.maximum(near - np.append(allowed[level], 0)[tiers], 0), 0)
        at_risk = np.maximum(at_risk, excess.sum(axis=1))
    return graph, 100.0 * float(at_risk.sum()) / (len(table) * replicas)


def _whole(share: np.ndarray) -> Ints:
    return np.asarray(share, dtype=np.int64)


def _neighbours(tiers: Table) -> tuple[Ints, np.ndarray]:
    """Return for each slot how many of its partition's are in its tier, and whether it is the first."""
    near = np.zeros(tiers.shape, dtype=np.int64)
    first = tiers >= 0
    for replica in range(tiers.shape[1]):
        same = tiers == tiers[:, replica : replica + 1]
        near[:, replica] = same.sum(axis=1)
        first[:, replica] &= ~same[:, :replica].any(axis=1)
    return near, first


def report(
    graph: Mapping[Tier, Sequence[int]],
    *,
    topology: Topology,
    devices: Sequence[Device | None],
    replicas: float,
    only: str | None = None,
) -> Report:
    """Judge every tier of the graph whose name matches the regular expression `only`."""
    allowed = _allowed_by_name(topology, evenly(topology, replicas, whole=True))
    lines = []
    for tier in sorted(graph):
        name = tier_name(tier, devices)
        if only and not re.match(only, name):
            continue
        counts = list(graph[tier])
        most = allowed.get(tier, 0)
        placed = sum(n * partitions for n, partitions in enumerate(counts))
        excess = sum((n - most) * partitions for n, partitions in enumerate(counts) if n > most)
        lines.append(TierReport(name, most, placed, 100.0 * excess / placed if placed else 0.0, counts))
    worst = max(lines, key=lambda line: line.percent, default=None)
    if worst is None or worst.percent <= 0:
        return Report(0.0, None, lines)
    return Report(worst.percent, worst.name, lines)


def _allowed_by_name(topology: Topology, shares: Shares) -> dict[Tier, int]:
    return {
        name: int(share)
        for level in LEVELS
        for name, share in zip(topology.names[level], shares[level].tolist(), strict=True)
    }


def tier_name(tier: Tier, devices: Sequence[Device | None]) -> str:
    """Return a tier as operators write it: r1, r1z2, r1z2-10.0.0.1, r1z2-10.0.0.1/sda."""
    texts = [f"r{tier[0]}", *(f"z{zone}" for zone in tier[1:2]), *(f"-{ip}" for ip in tier[2:3])]
    if len(tier) == DEVICE + 1:
        device = devices[tier[3]] if tier[3] < len(devices) else None
        texts.append(f"/{device.device if device else f'IDd{tier[3]}'}")
    return "".join(texts)
