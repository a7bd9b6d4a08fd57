"""Whether a concurrent history of conditional changes of one object has an order that explains it.

    [Operation(called, returned, condition, makes, outcome)…] ──▶ explained() ──▶ True, or False: no order does

The search is Wing and Gong's with Lowe's memory of what was tried: an operation may come next if none that is
left over had returned before it was called. What a client was told nothing certain of may have happened at any
time after it was called, or never. The object's state is its ETag, None where it is absent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

ABSENT = "*"
"""The condition that the object be absent; every other one is the ETag that it must have."""


class Told(Enum):
    """What the client heard."""

    DONE = "done"
    REFUSED = "refused"
    NOTHING = "nothing certain"
    NOT_DONE = "not done"
    """For other reasons than the condition: it has not happened, and says nothing about the state."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client."""

    called: float
    returned: float
    """When the answer came; without meaning where it said nothing certain."""
    condition: str
    makes: str | None
    """The new ETag; None deletes."""
    told: Told
    seen: str | None = None
    """The ETag that a refusal named."""

    def holds(self, state: str | None) -> bool:
        """Tell whether the condition holds."""
        return state is None if self.condition == ABSENT else state == self.condition

    def is_refused_in(self, state: str | None) -> bool:
        """Tell whether this state explains a refusal."""
        return not self.holds(state) and self.seen in (None, state)


def explained(history: Sequence[Operation], initial: str | None = None) -> bool:
    """Tell whether the history is linearizable."""
    operations = sorted(
        (each for each in history if each.told is not Told.NOT_DONE), key=lambda each: each.called
    )
    certain = sum(1 << place for place, each in enumerate(operations) if each.told is not Told.NOTHING)
    tried: set[tuple[int, str | None]] = set()
    open_states = [(0, initial)]
    while open_states:
        done, state = open_states.pop()
        done = _with_refusals(operations, done, state)
        if done & certain == certain:
            return True
        if (done, state) in tried:
            continue
        tried.add((done, state))
        # What is certain was pushed last, so it is tried first: most of what is uncertain never happened.
        for place in sorted(_next(operations, done), key=lambda place: certain >> place & 1):
            each = operations[place]
            if each.told is not Told.REFUSED and each.holds(state):
                open_states.append((done | 1 << place, each.makes))
    return False


def _with_refusals(operations: Sequence[Operation], done: int, state: str | None) -> int:
    """Return what is done when all refusals that this state explains come now: they change nothing."""
    while True:
        places = [
            place
            for place in _next(operations, done)
            if operations[place].told is Told.REFUSED and operations[place].is_refused_in(state)
        ]
        if not places:
            return done
        for place in places:
            done |= 1 << place


def _next(operations: Sequence[Operation], done: int) -> list[int]:
    """Return which operations may come next."""
    first_return = math.inf
    places = []
    for place, each in enumerate(operations):
        if done >> place & 1:
            continue
        if each.called > first_return:
            break  # They are in the order in which they were called.
        places.append(place)
        if each.told is not Told.NOTHING:
            first_return = min(first_return, each.returned)
    return [place for place in places if operations[place].called <= first_return]
