"""What two replicas of one database must do to become equal.

    our Summary, their Summary, points of earlier meetings ──▶ course() ──▶ Course and the row to go on from
    primaries, our device ──▶ partners() ──▶ whom to meet, in an order that starves nobody

Pure: no database, no wire, no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..common.timestamp import Timestamp

T = TypeVar("T")
FAR_BEHIND = 0.5  # Below this share of our rows a copy of the whole file is cheaper than its rows.


class Course(enum.Enum):
    """How the other replica learns what we know."""

    NOTHING_NEW = "no_change"  # They have been told all our rows already.
    SAME = "hashmatch"  # We have the same rows, however they came.
    ROWS = "diff"  # They get our rows behind a point.
    COPY = "remote_merge"  # They get our whole file and merge theirs into it.


@dataclass(frozen=True, slots=True)
class Summary:
    """What decides of a replica: its newest row and the hash over its rows."""

    max_row: int
    hash: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A course, and the row of ours behind which theirs end."""

    course: Course
    point: int


def course(ours: Summary, theirs: Summary, *, their_point: int, our_point: int, batch_rows: int) -> Decision:
    """Return how the other replica learns of our rows.

    `their_point` is how far they say that our rows are there, `our_point` how far we remember to have sent.
    """
    point = max(their_point, our_point)
    if point >= ours.max_row:
        return Decision(Course.NOTHING_NEW, point)
    if ours.hash == theirs.hash:
        return Decision(Course.SAME, their_point)
    missing = ours.max_row - theirs.max_row
    if theirs.max_row < ours.max_row * FAR_BEHIND and missing > batch_rows:
        return Decision(Course.COPY, point)
    return Decision(Course.ROWS, point)


def partners(primaries: Sequence[T], is_ours: Callable[[T], bool]) -> list[T]:
    """Return whom to meet: the other primaries from the one behind us on, or all when we are none.

    Each replica begins with another partner, so that three that all lag do not all wait for one.
    """
    position = next((index for index, device in enumerate(primaries) if is_ours(device)), None)
    if position is None:
        return list(primaries)
    return [*primaries[position + 1 :], *primaries[:position]]


def may_be_removed(answers: Sequence[bool]) -> bool:
    """Whether a database that does not belong here may go: every primary has all of it."""
    return bool(answers) and all(answers)


def is_reclaimable(*, count: int, put_timestamp: str, delete_timestamp: str, horizon: Timestamp) -> bool:
    """Whether a deleted database may be forgotten: every replica that lives has heard of it by now."""
    deleted = Timestamp.parse(delete_timestamp)
    return not count and horizon > deleted > Timestamp.parse(put_timestamp)
