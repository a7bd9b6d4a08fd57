"""Failure domains as arrays: which region, zone, server and device every device id stands for.

    devices ──▶ Topology.of() ──▶ tier_of[level][device id] ──▶ index of a tier
                                  parents[level][tier]      ──▶ index of the tier around it

A tier is a failure domain; a level is its size: region, zone, server, device. Weights are known here,
partitions are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .device import Device

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Tier = tuple[Any, ...]

REGION, ZONE, SERVER, DEVICE = LEVELS = range(4)


@dataclass(frozen=True, slots=True)
class Topology:
    """The tree of failure domains; tiers of one level are numbered in the order of their names.

    The id -1 is nobody: it is in no tier, which the tables answer with -1.
    """

    names: list[list[Tier]]
    tier_of: list[NDArray[np.int32]]
    parents: list[Ints]
    weights: Floats

    @classmethod
    def of(cls, devices: Sequence[Device | None]) -> Topology:
        """Number the tiers of these devices; a device's id is its place in the list."""
        paths = {d.id: (d.region, d.zone, d.ip, d.id) for d in devices if d is not None}
        names: list[list[Tier]] = []
        tier_of: list[NDArray[np.int32]] = []
        parents: list[Ints] = []
        above: dict[Tier, int] = {(): 0}
        for level in LEVELS:
            names.append(sorted({path[: level + 1] for path in paths.values()}))
            numbers = {name: number for number, name in enumerate(names[level])}
            table = np.full(len(devices) + 1, -1, dtype=np.int32)
            for id_, path in paths.items():
                table[id_] = numbers[path[: level + 1]]
            tier_of.append(table)
            parents.append(np.array([above[name[:-1]] for name in names[level]], dtype=np.int64))
            above = numbers
        weights = np.array([0.0 if d is None else float(d.weight) for d in devices], dtype=np.float64)
        return cls(names, tier_of, parents, weights)

    @property
    def device_of_leaf(self) -> Ints:
        """The device id of each tier of the lowest level."""
        return np.array([name[-1] for name in self.names[DEVICE]], dtype=np.int64)

    def summed(self, per_device: NDArray[Any], level: int) -> Floats:
        """Return the sum over each tier's devices."""
        ids = self.device_of_leaf
        tiers = self.tier_of[level][ids]
        sums = np.bincount(tiers, per_device[ids].astype(np.float64), minlength=len(self.names[level]))
        return sums.astype(np.float64)

    def children_in_use(self, level: int) -> Ints:
        """Return for each tier above `level` how many tiers of `level` in it have any weight."""
        above = 1 if level == REGION else len(self.names[level - 1])
        used = self.summed(self.weights > 0, level) > 0
        return np.bincount(self.parents[level][used], minlength=above)
