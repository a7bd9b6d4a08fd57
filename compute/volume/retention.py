"""Which restore points a schedule keeps, and when it makes the next one.

    Plan(every, keep_last, keep_daily, …) + times of the backups there are ──▶ expired() ──▶ those to delete
    Plan + time of the last run ──▶ due()

Every backup stands alone in the block layer, so any of them may go at any time; there's no chain to keep.
Times are unix seconds; days and weeks are those of UTC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

HOUR = 3600
INTERVAL_MIN_SECONDS = 60
INTERVAL_MAX_SECONDS = 366 * 24 * HOUR
KEEP_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often a volume is backed up and what is kept of it; 0 of all keeps means: keep everything."""

    interval_seconds: int
    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0

    def __post_init__(self) -> None:
        """Refuse a plan that would never run, or never end."""
        if not INTERVAL_MIN_SECONDS <= self.interval_seconds <= INTERVAL_MAX_SECONDS:
            raise ValueError(
                f"interval_seconds must be {INTERVAL_MIN_SECONDS} to {INTERVAL_MAX_SECONDS}, "
                f"not {self.interval_seconds}"
            )
        for name in ("keep_last", "keep_daily", "keep_weekly", "keep_monthly"):
            if not 0 <= getattr(self, name) <= KEEP_MAX:
                raise ValueError(f"{name} must be 0 to {KEEP_MAX}, not {getattr(self, name)}")

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever deleted by this plan."""
        return not (self.keep_last or self.keep_daily or self.keep_weekly or self.keep_monthly)


def due(plan: Plan, *, last_run_at: float | None, now: float) -> bool:
    """Whether the next backup is to be made now; the first one is due at once."""
    return last_run_at is None or now >= last_run_at + plan.interval_seconds


def next_run_at(plan: Plan, *, last_run_at: float | None, now: float) -> float:
    """Return when the plan runs next. After a pause one missed run is made up for, not all of them."""
    if last_run_at is None:
        return now
    behind = now - last_run_at
    if behind < plan.interval_seconds:
        return last_run_at + plan.interval_seconds
    return last_run_at + math.floor(behind / plan.interval_seconds) * plan.interval_seconds


def expired(plan: Plan, made_at: Mapping[str, float]) -> list[str]:
    """Return the ids of the backups that the plan no longer keeps, oldest first.

    The newest is always kept. Of each day, week and month the newest backup stands for it.
    """
    if plan.keeps_all:
        return []
    newest_first = sorted(made_at, key=lambda name: (made_at[name], name), reverse=True)
    kept = set(newest_first[: max(plan.keep_last, 1)])
    for count, period in (
        (plan.keep_daily, _day),
        (plan.keep_weekly, _week),
        (plan.keep_monthly, _month),
    ):
        kept |= _first_of_each(newest_first, made_at, period=period, count=count)
    return [name for name in reversed(newest_first) if name not in kept]


def _first_of_each(
    newest_first: list[str], made_at: Mapping[str, float], *, period: Callable[[datetime], object], count: int
) -> set[str]:
    chosen: dict[object, str] = {}
    for name in newest_first:
        key = period(datetime.fromtimestamp(made_at[name], UTC))
        if key not in chosen and len(chosen) < count:
            chosen[key] = name
    return set(chosen.values())


def _day(moment: datetime) -> object:
    return moment.date()


def _week(moment: datetime) -> object:
    return moment.isocalendar()[:2]


def _month(moment: datetime) -> object:
    return moment.year, moment.month
