"""Which replica of each partition to take up, when only one may be: the devices' wishes, met evenly.

    score[partition, replica], what each device would give ──▶ one_each() ──▶ a replica, or none

A better score goes first. Among equals that device gives which has fewest other occasions for what it would
still give. Partitions are gone through in some dozens of portions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .topology import Bools, Floats, Ints

PORTIONS = 48  # Enough for an even choice, few enough for speed.
NEVER = -np.inf
NONE = -1


def one_each(
    score: Floats, devices: NDArray[np.int32], *, wish: Floats, most: Ints, rng: np.random.Generator
) -> Ints:
    """Return for each row the replica to take up, or NONE.

    `wish` and `most` are by device id; scores are whole numbers, NEVER for what must not be taken up.
    """
    chosen = np.full(len(score), NONE, dtype=np.int64)
    rows_at_most = int((score > NEVER).any(axis=1).sum())
    left = wish * min(1.0, rows_at_most / max(float(np.maximum(wish, 0).sum()), 1.0))
    room = most.copy()
    for points in np.unique(score[score > NEVER])[::-1]:
        offers = (score == points) & (chosen == NONE)[:, None]
        _choose(chosen, offers, devices, left=left, room=room, rng=rng)
    return chosen


def _choose(
    chosen: Ints,
    offers: Bools,
    devices: NDArray[np.int32],
    *,
    left: Floats,
    room: Ints,
    rng: np.random.Generator,
) -> None:
    """Choose among offers of equal score; `chosen`, `left` and `room` are brought up to date."""
    order = rng.permutation(np.flatnonzero(offers.any(axis=1)))
    offered = np.bincount(devices[offers], minlength=len(room))
    for rows in np.array_split(order, min(PORTIONS, max(len(order), 1))):
        here = devices[rows]
        open_ = offers[rows] & (room[here] > 0)
        urgency = left / (np.abs(left) + offered + 1)
        key = np.where(open_, urgency[here] + 0.001 * rng.random(here.shape), NEVER)
        pick = key.argmax(axis=1)
        line = np.arange(len(rows))
        taker = here[line, pick]
        fits = open_[line, pick] & (rank_in_group(taker) < room[taker])
        chosen[rows[fits]] = pick[fits]
        taken = np.bincount(taker[fits], minlength=len(room))
        left -= taken
        room -= taken
        offered -= np.bincount(here[offers[rows]], minlength=len(room))


def rank_in_group(values: NDArray[np.int32]) -> Ints:
    """Return for each element how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return rank
