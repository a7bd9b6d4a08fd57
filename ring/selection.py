"""Which replica of each partition to take up, when only one may be: the devices' wishes, met evenly.

    score[partition, replica], what each device would give ──▶ one_each() ──▶ a replica, or none

A better score goes first. Among equals that device gives which has fewest other occasions for what it would
still give. Partitions are gone through in some dozens of portions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .topology import Floats, Ints

PORTIONS = 48
NEVER = -np.inf
NONE = -1


def one_each(
    score: Floats, devices: NDArray[np.int32], *, wish: Floats, most: Ints, rng: np.random.Generator
) -> Ints:
    """Return for each row the replica to take up, or NONE.

    `wish` and `most` are by device id; scores are whole numbers, NEVER for what must not be taken up.
    """
    chosen = np.full(len(score), NONE, dtype=np.int64)
    best = score.max(axis=1, initial=NEVER)
    order = rng.permutation(np.flatnonzero(best > NEVER))
    order = order[np.argsort(-best[order], kind="stable")]
    left = wish * min(1.0, len(order) / max(float(np.maximum(wish, 0).sum()), 1.0))
    room = most.copy()
    offered = _offered(score, devices, best, len(room))
    for rows in np.array_split(order, min(PORTIONS, max(len(order), 1))):
        here = devices[rows]
        urgency = left / (np.abs(left) + offered + 1)
        key = score[rows] + 0.4 * urgency[here] + 0.0005 * rng.random(here.shape)
        key[room[here] <= 0] = NEVER
        pick = key.argmax(axis=1)
        line = np.arange(len(rows))
        taker = here[line, pick]
        fits = (key[line, pick] > NEVER) & (rank_in_group(taker) < room[taker])
        chosen[rows[fits]] = pick[fits]
        taken = np.bincount(taker[fits], minlength=len(room))
        left -= taken
        room -= taken
        offered -= _offered(score[rows], here, best[rows], len(room))
    return chosen


def _offered(score: Floats, devices: NDArray[np.int32], best: Floats, ids: int) -> Ints:
    """Return how often each device stands among the best choices of a partition."""
    choice = (score == best[:, None]) & (score > NEVER)
    return np.bincount(devices[choice], minlength=ids)


def rank_in_group(values: NDArray[np.int32]) -> Ints:
    """Return for each element how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return rank
