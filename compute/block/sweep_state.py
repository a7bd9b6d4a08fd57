"""How far the sweep of a project is, as everyone reads it in the store.

    IDLE ──garbage found──▶ CONDEMNED ──grace over, earlier writers gone──▶ DELETING ──▶ IDLE
                              generation + 1                                   │ sweeper died, writer in need
                                                                               └──▶ IDLE, nothing more removed

doc/decisions/sweeping.md has the argument why nothing that is needed can go.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import orjson

from ...common.errors import Corrupt, Missing
from ..store.interface import Store
from .naming import CONDEMNED, DIGEST_BYTES, SWEEP


class Phase(enum.Enum):
    """What may be happening to blocks."""

    IDLE = "idle"
    CONDEMNED = "condemned"
    DELETING = "deleting"


NEXT = {
    Phase.IDLE: {Phase.CONDEMNED},
    Phase.CONDEMNED: {Phase.DELETING},
    Phase.DELETING: {Phase.IDLE},
}


@dataclass(frozen=True, slots=True)
class SweepState:
    """One state of the sweep."""

    generation: int = 0
    phase: Phase = Phase.IDLE
    since: float = 0.0
    """Unix seconds at which the phase began."""
    quiet_since: float = 0.0
    """Unix seconds since which no writer has been seen that began before the phase; 0 when there is one."""

    def moved(self, phase: Phase, now: float) -> SweepState:
        """Return the state after a transition."""
        assert phase in NEXT[self.phase], f"{self.phase} to {phase}"
        return SweepState(self.generation + (phase is Phase.CONDEMNED), phase, now)

    def written(self) -> bytes:
        """Return the document that stands in the store."""
        return orjson.dumps(
            {
                "generation": self.generation,
                "phase": self.phase.value,
                "since": self.since,
                "quiet_since": self.quiet_since,
            }
        )


def read_state(store: Store, container: str) -> SweepState:
    """Return the newest state that any replica has; a project never swept is idle."""
    try:
        body = store.read(container, SWEEP, newest=True)
    except Missing:
        return SweepState()
    try:
        found = orjson.loads(body)
        return SweepState(
            int(found["generation"]),
            Phase(found["phase"]),
            float(found["since"]),
            float(found["quiet_since"]),
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise Corrupt(f"{container}/{SWEEP}: {problem}") from problem


def read_condemned(store: Store, container: str, generation: int) -> frozenset[bytes]:
    """Return the digests that a generation of the sweep would remove; nothing, when that is over."""
    try:
        body = store.read(container, f"{CONDEMNED}{generation}", newest=True)
    except Missing:
        return frozenset()
    if len(body) % DIGEST_BYTES:
        raise Corrupt(f"{container}/{CONDEMNED}{generation} has {len(body)} bytes")
    return frozenset(body[at : at + DIGEST_BYTES] for at in range(0, len(body), DIGEST_BYTES))
