"""A table from nothing: every quota met exactly, every partition spread exactly as planned.

    quotas per device ──▶ lay_out() ──▶ table[partition, replica] of device ids

    All slots of the table stand in one long line in which the partitions come round again and again. A tier
    takes the next stretch of its parent's line, as long as its quota: a stretch that is 1.2 times round
    meets every partition once or twice, never more, never less. Within its stretch each tier shuffles the
    partitions anew, so that the partners of a device are strangers.

No partition is anywhere yet; moving those that are is rebalance.py's work.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .topology import DEVICE, LEVELS, Bools, Ints, Topology

Line = NDArray[np.int32]


def lay_out(topology: Topology, quotas: Ints, exists: Bools, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return a full table; exists[partition, replica] says which slots there are."""
    partitions, replicas = exists.shape
    per_partition = exists.sum(axis=1)
    assert int(per_partition.sum()) == int(quotas.sum())
    starts, holders = _stretches(topology, quotas, _line(per_partition, rng), partitions, rng)
    flat_partition, flat_device = np.concatenate(starts), np.concatenate(holders)
    mixed = rng.permutation(len(flat_partition))
    order = mixed[np.argsort(flat_partition[mixed], kind="stable")]
    table = np.full((partitions, replicas), -1, dtype=np.int32)
    table[exists] = flat_device[order]
    return table


def _line(times: Ints, rng: np.random.Generator) -> Line:
    """Return partitions in random order, round and round, those that come once more in front."""
    least, most = int(times.min()), int(times.max())
    assert most - least <= 1
    more = rng.permutation(np.flatnonzero(times == most)).astype(np.int32)
    if most == least:
        return np.tile(more, most)
    others = rng.permutation(np.flatnonzero(times == least)).astype(np.int32)
    return np.concatenate([np.tile(np.concatenate([more, others]), least), more])


def _stretches(
    topology: Topology, quotas: Ints, line: Line, partitions: int, rng: np.random.Generator
) -> tuple[list[Line], list[Line]]:
    """Return each device's stretch of partitions, and its id as often."""
    lines = {0: line}
    for level in LEVELS:
        lengths = topology.summed(quotas, level).astype(np.int64)
        below: dict[int, Line] = {}
        taken = dict.fromkeys(lines, 0)
        for tier in np.flatnonzero(lengths).tolist():
            parent = int(topology.parents[level][tier])
            start = taken[parent]
            taken[parent] = start + int(lengths[tier])
            below[tier] = lines[parent][start : taken[parent]]
        lines = below if level == DEVICE else dict(_shuffled(below, partitions, rng))
    ids = topology.device_of_leaf
    return list(lines.values()), [np.full(len(own), ids[tier], np.int32) for tier, own in lines.items()]


def _shuffled(
    lines: dict[int, Line], partitions: int, rng: np.random.Generator
) -> Iterator[tuple[int, Line]]:
    for tier, line in lines.items():
        if len(line) < partitions:
            yield tier, rng.permutation(line)
        else:
            yield tier, _line(np.bincount(line, minlength=partitions), rng)
