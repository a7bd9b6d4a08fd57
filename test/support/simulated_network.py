"""Time and messages of a simulated cluster: everything happens in the order of one seeded queue.

    send(message) ──▶ lost │ late │ twice │ in time ──▶ handler, if the receiver is up

The network knows nothing of what it carries.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from apus.common.timestamp import TICKS_PER_SECOND

SECOND = TICKS_PER_SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
Action = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How the network treats messages: shares of those lost, doubled and late."""

    lost: float = 0.08
    doubled: float = 0.05
    late: float = 0.03
    late_ticks_max: int = DAY


CALM = Weather(lost=0.0, doubled=0.0, late=0.0)


class Clock:
    """The queue of what is to happen, and true time, which nobody in the cluster can read."""

    def __init__(self, begin: int) -> None:
        self.now = begin
        self._queue: list[tuple[int, int, Action]] = []
        self._count = 0

    def after(self, ticks: int, action: Action) -> None:
        """Let something happen `ticks` from now."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + max(1, ticks), self._count, action))

    def run(self, until: int | None = None) -> None:
        """Let everything happen that is due until then; without a limit, until nothing is left."""
        while self._queue and (until is None or self._queue[0][0] <= until):
            self.now, _, action = heapq.heappop(self._queue)
            action()
        if until is not None:
            self.now = max(self.now, until)


class Network:
    """Delivers messages as the weather allows."""

    def __init__(self, clock: Clock, chance: random.Random, weather: Weather) -> None:
        self.weather = weather
        self._clock = clock
        self._chance = chance

    def send(self, deliver: Action) -> None:
        """Carry one message: `deliver` runs never, once or twice."""
        weather, chance = self.weather, self._chance
        if chance.random() < weather.lost:
            return
        copies = 2 if chance.random() < weather.doubled else 1
        for _ in range(copies):
            late = chance.random() < weather.late
            delay = chance.randrange(weather.late_ticks_max) if late else chance.randrange(1, SECOND // 10)
            self._clock.after(delay, deliver)
