"""Times as clients read them, in the two forms that most services write.

unix seconds ──▶ zulu() ──▶ 2026-01-31T12:00:00Z        plain() ──▶ 2026-01-31T12:00:00.000000
"""

from __future__ import annotations

from datetime import UTC, datetime


def zulu(seconds: float) -> str:
    """Return the form of servers, flavors, images and networks."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(seconds: float | None) -> str | None:
    """Return the form of everything else of Nova's and Cinder's: without a zone, with microseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def seconds_of(text: str) -> float:
    """Read a time in ISO 8601 (without a zone it is UTC); raise ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
