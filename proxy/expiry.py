"""When an object shall vanish by itself, and which queue container the expirer finds it in.

    X-Delete-After / X-Delete-At ──▶ delete_at() ──▶ seconds since the epoch, or Refused
    that moment and the object's hash ──▶ queue_container() ──▶ "1700000000"-like name

The numbers are stock Swift's, or its expirer would look in other containers than our proxy fills.
"""

from __future__ import annotations

from typing import Final

from ..common.errors import Refused
from ..common.timestamp import Timestamp

QUEUE_ACCOUNT: Final = ".expiring_objects"
QUEUE_SPAN_SECONDS: Final = 86400
QUEUES_PER_SPAN: Final = 100
LATEST: Final = 9_999_999_999
"""Ten digits: names in the queue must sort as text."""


def written(seconds: int) -> str:
    """Return the ten digits that are stored; what lies beyond them is brought to the last moment."""
    return f"{min(max(seconds, 0), LATEST):010d}"


def delete_at(after: str | None, at: str | None, now: Timestamp, *, allow_past: bool = False) -> str | None:
    """Return the X-Delete-At to store, or None when the object is to stay.

    Raises:
        Refused: for what is no whole number or lies in the past.
    """
    if after is not None:
        moment = written(int(float(now) + _whole(after, "X-Delete-After")))
        if int(moment) <= float(now):
            raise Refused("X-Delete-After in past")
        return moment
    if at is None:
        return None
    moment = written(_whole(at, "X-Delete-At"))
    if int(moment) <= float(now) and not allow_past:
        raise Refused("X-Delete-At in past")
    return moment


def _whole(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as problem:
        raise Refused(f"Non-integer {name}") from problem


def queue_container(moment: str, path_hash: str) -> str:
    """Return the name of the queue container; the hash spreads one day over many."""
    day = int(moment) // QUEUE_SPAN_SECONDS * QUEUE_SPAN_SECONDS
    return written(day - int(path_hash, 16) % QUEUES_PER_SPAN)
