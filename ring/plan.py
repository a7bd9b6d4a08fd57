"""How many replicas of a partition each failure domain should hold: weights against dispersion.

    weights ──▶ weighted()  what fairness asks for
    tree    ──▶ wanted()    what spreading the replicas asks for
    overload ─▶ plan()      between the two; its floor and ceiling bind every partition
    plan    ──▶ quotas()    whole partitions per device, summing to the table's size

The unit is the replica: a zone at 1.2 holds every partition once and a fifth of them twice. Shares are
lists by level, each an array by tier. Nothing here knows where partitions are now, except that quotas()
rounds in favour of those who already have them, so that rounding moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..common.errors import Refused
from .topology import DEVICE, LEVELS, Floats, Ints, Topology

NEARLY = 1e-10  # Sums of shares differ from the replica count by float error below this.
ROUNDS_MAX = 10_000

Shares = list[Floats]


class Unsatisfiable(Refused):
    """The devices can't hold that many replicas; the text says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The share of every tier, and the most replicas of one partition it may hold."""

    target: Shares
    weighted: Shares
    most: list[Ints]
    even: list[Ints]


def evenly(topology: Topology, replicas: float, *, whole: bool) -> Shares:
    """Return shares by number of siblings alone, rounded up at every level when `whole`."""
    shares: Shares = []
    above = np.array([float(replicas)])
    for level in LEVELS:
        siblings = topology.children_in_use(level)
        share = above / np.maximum(siblings, 1)
        if whole:
            share = np.ceil(share)
        if level == DEVICE:
            share = np.minimum(share, 1)
        parents = topology.parents[level]
        above = np.where(topology.summed(topology.weights > 0, level) > 0, share[parents], 0.0)
        shares.append(above)
    return shares


def weighted(topology: Topology, replicas: float) -> Shares:
    """Return shares by weight; no device can hold a partition twice, so what exceeds that is passed on."""
    weights = topology.weights
    total = weights.sum()
    if total <= 0:
        raise Unsatisfiable("there are no devices with weight")
    if (weights > 0).sum() < replicas:
        raise Unsatisfiable(f"{replicas:g} replicas need more than {(weights > 0).sum()} devices with weight")
    share = np.minimum(weights * replicas / total, 1.0)
    while (missing := replicas - share.sum()) >= NEARLY:
        room = (share < 1) & (weights > 0)
        share[room] = np.minimum(share[room] * (1 + missing / share[room].sum()), 1.0)
    return [topology.summed(share, level) for level in LEVELS]


def wanted(topology: Topology, replicas: float, by_weight: Shares) -> Shares:
    """Return shares that spread replicas as evenly as the tree allows, by weight within that."""
    spread = evenly(topology, replicas, whole=False)
    room = [topology.summed(topology.weights > 0, level) for level in LEVELS]
    shares: Shares = []
    above = np.array([float(replicas)])
    for level in LEVELS:
        share = np.zeros(len(topology.names[level]))
        used = np.flatnonzero(room[level] > 0)
        groups = np.split(used, np.flatnonzero(np.diff(topology.parents[level][used])) + 1)
        for group in groups:
            share[group] = _spread_one(
                float(above[topology.parents[level][group[0]]]),
                weights=by_weight[level][group],
                least=np.floor(spread[level][group]),
                most=np.ceil(spread[level][group]),
                room=room[level][group],
            )
        shares.append(share)
        above = share
    return shares


def _spread_one(replicas: float, *, weights: Floats, least: Floats, most: Floats, room: Floats) -> Floats:
    """Divide one tier's replicas among its children, by weight, between least and most where possible."""
    if replicas > room.sum() + NEARLY:
        raise Unsatisfiable(f"{replicas:g} replicas do not fit on {room.sum():g} devices")
    placed = np.zeros(len(weights))
    open_ = np.ones(len(weights), dtype=bool)
    limit = np.minimum(most, room)
    left = replicas
    for _ in range(ROUNDS_MAX):
        step = left / weights[open_].sum()
        lowest = np.minimum(least, room)
        placed[open_] = np.clip(placed[open_] + weights[open_] * step, lowest[open_], limit[open_])
        left = replicas - placed.sum()
        if abs(left) <= NEARLY:
            return placed
        open_ = placed > least if left < 0 else placed < limit
        if not open_.any():
            limit = room if left > 0 else limit
            least = least if left > 0 else np.zeros(len(least))
            open_ = placed < room if left > 0 else placed > 0
    raise Unsatisfiable("no division of replicas was found")


def required_overload(by_weight: Shares, by_spread: Shares) -> float:
    """Return the least overload with which the replicas can be spread as far as the tree allows."""
    used = by_weight[DEVICE] > 0
    if not used.any():
        return 0.0
    excess = by_spread[DEVICE][used] / by_weight[DEVICE][used] - 1
    return max(0.0, float(excess.max()))


def plan(topology: Topology, replicas: float, overload: float) -> Plan:
    """Return the shares that follow the weights and lean towards dispersion as far as overload lets them."""
    by_weight = weighted(topology, replicas)
    by_spread = wanted(topology, replicas, by_weight)
    required = required_overload(by_weight, by_spread)
    lean = 1.0 if required <= 0 else min(overload, required) / required
    target = [w + (s - w) * lean for w, s in zip(by_weight, by_spread, strict=True)]
    return Plan(
        target=target,
        weighted=by_weight,
        most=[np.ceil(share - NEARLY).astype(np.int64) for share in target],
        even=[share.astype(np.int64) for share in evenly(topology, replicas, whole=True)],
    )


def quotas(topology: Topology, shares: Plan, *, partitions: int, slots: int, have: Ints) -> Ints:
    """Return how many of the table's slots each device id should hold: its share rounded down or up.

    Rounded up are first those tiers that it does not crowd, then those that hold that much already, then
    small ones, and of devices those whose weight is done most justice by it.
    """
    above = np.array([slots], dtype=np.int64)
    for level in LEVELS:
        exact = shares.target[level] * partitions
        whole = np.floor(exact + 1e-6).astype(np.int64)
        parents = topology.parents[level]
        fair = shares.weighted[level] * partitions
        spread = whole < shares.even[level] * partitions
        holds = topology.summed(have, level) > whole
        justice = (2 * (fair - whole) - 1) / np.maximum(fair, 1e-6) if level == DEVICE else -exact
        preference = np.lexsort((justice, holds, spread))
        left = above - np.bincount(parents, whole, minlength=len(above)).astype(np.int64)
        above = whole + _rounding(exact, whole, parents=parents, left=left, preference=preference)
    result = np.zeros(len(topology.weights), dtype=np.int64)
    result[topology.device_of_leaf] = above
    assert int(result.sum()) == slots
    return result


def _rounding(exact: Floats, whole: Ints, *, parents: Ints, left: Ints, preference: Ints) -> Ints:
    """Return by how much each tier is rounded, so that siblings sum to what their parent has left."""
    place = np.empty(len(exact), dtype=np.int64)
    place[preference] = np.arange(len(exact))
    extra = np.zeros(len(exact), dtype=np.int64)
    for sign in (1, -1):
        open_ = exact - whole > 1e-6 if sign > 0 else whole > 0
        owed = np.maximum(left * sign, 0)
        order = np.lexsort((-sign * place, ~open_, parents))
        first = np.searchsorted(parents[order], np.arange(len(left)))
        rank = np.empty(len(exact), dtype=np.int64)
        rank[order] = np.arange(len(exact)) - first[parents[order]]
        extra += sign * (rank < owed[parents])
    return extra
