"""Many numbers in a few: percentiles, medians, ratios.

Pure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from .peer import Reading


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of the ordered numbers that at least that share of them does not exceed."""
    assert ordered
    assert 0 < share <= 1
    return ordered[math.ceil(share * len(ordered)) - 1]


def medians(readings: Iterable[Reading]) -> list[Reading]:
    """Join the readings of each figure and peer over all rounds: the median of each measure.

    What counts failures is added up, and a worst case stays the worst: neither may vanish in a median.
    """
    gathered: dict[tuple[str, str], dict[str, list[float]]] = {}
    for reading in readings:
        measures = gathered.setdefault((reading.figure, reading.peer), {})
        for name, value in reading.measures.items():
            measures.setdefault(name, []).append(value)
    return [
        Reading(figure, peer, {name: _joined(name, values) for name, values in measures.items()})
        for (figure, peer), measures in gathered.items()
    ]


def _joined(name: str, values: Sequence[float]) -> float:
    if name == "errors":
        return sum(values)
    if name == "max_ms":
        return max(values)
    return statistics.median(values)


def times_better(ours: Mapping[str, float], theirs: Mapping[str, float], measure: str) -> float | None:
    """Return how many times better we are by that measure; None where either did not take it."""
    mine, other = ours.get(measure), theirs.get(measure)
    if mine is None or other is None:
        return None
    better, worse = (mine, other) if is_rate(measure) else (other, mine)
    if worse == 0:
        return math.inf if better else 1.0
    return better / worse


def is_rate(measure: str) -> bool:
    """Whether more of it is better."""
    return measure.endswith("_per_second")
