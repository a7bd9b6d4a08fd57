"""Unix seconds as Keystone writes them, and back: 2026-01-02T03:04:05.000000Z."""

from __future__ import annotations

from datetime import UTC, datetime

from ..api.faults import BadRequest
from ..api.times import seconds_of


def written(seconds: float) -> str:
    """Return a moment in UTC, to the microsecond."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: object) -> float:
    """Return the seconds of a moment; without a time zone it is UTC.

    Raises:
        BadRequest: it is none.
    """
    try:
        return seconds_of(str(text))
    except (ValueError, OverflowError) as problem:
        raise BadRequest(f"{text!r} is no time; say it as in 2026-01-02T03:04:05Z") from problem
