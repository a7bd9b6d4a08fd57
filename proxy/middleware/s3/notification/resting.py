"""When to try again what has failed: later each time.

    Rests ──fail("orders")──▶ is_resting("orders") for 5 s, 10 s, 20 s … ──forgive("orders")──▶ at once

Kept in memory: who begins anew tries everything once. Pure but for the clock that is handed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable

THINGS_MAX = 10_000
"""Of so many it is remembered that they failed; beyond it they are tried again too early."""


class Rests:
    """What failed lately, and how often in a row."""

    def __init__(
        self, first_seconds: float, seconds_max: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_seconds = first_seconds
        self._seconds_max = seconds_max
        self._clock = clock
        self._failed: dict[str, tuple[int, float]] = {}

    def is_resting(self, thing: str) -> bool:
        """Tell whether it is too early to try again."""
        known = self._failed.get(thing)
        return known is not None and self._clock() < known[1]

    def fail(self, thing: str) -> None:
        """Let it rest, for twice as long as the last time."""
        times = self._failed.get(thing, (0, 0.0))[0]
        if not times and len(self._failed) >= THINGS_MAX:
            self._failed.clear()
        seconds = min(self._first_seconds * 2.0 ** min(times, 60), self._seconds_max)
        self._failed[thing] = times + 1, self._clock() + seconds

    def forgive(self, thing: str) -> None:
        """Forget that it failed."""
        self._failed.pop(thing, None)
