"""Which replica's answer a read is served from, and when a miss may be believed.

    one answer after another ──▶ Survey.hear() ──▶ is_settled   take `chosen`
                                              └──▶ still open   ask the next node
    nodes exhausted          ──▶ Survey.status()  404 only with proof, else 503

Knows statuses, timestamps and whether a node is a primary; it knows no sockets, bodies or rings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .quorum import quorum_size

NO_TIMESTAMP: Final = ""
"""Sorts before every internal timestamp, which are fixed-width text."""

TIMESTAMP_HEADERS: Final = (
    "X-Backend-Data-Timestamp",
    "X-Backend-Timestamp",
    "X-Put-Timestamp",
    "X-Timestamp",
)
"""Where storage servers say how old their word is; the first present counts."""


def timestamp_of(headers: Mapping[str, str]) -> str:
    """Return the timestamp by which answers are compared, or NO_TIMESTAMP."""
    for name in TIMESTAMP_HEADERS:
        value = headers.get(name)
        if value:
            return value if float(value.partition("_")[0]) else NO_TIMESTAMP
    return NO_TIMESTAMP


def is_found(status: int) -> bool:
    """Tell whether a replica that says so has what was asked for."""
    return 200 <= status < 400 or status == 416


@dataclass(slots=True)
class Survey:
    """What the replicas have said about one thing so far."""

    primaries: int
    newest: bool = False
    buries: bool = True
    """Whether a tombstone hides what is older."""
    chosen: object | None = None
    """The answer to serve: whatever was handed to hear() with the winning status."""
    chosen_at: str = NO_TIMESTAMP
    buried_at: str = NO_TIMESTAMP
    """Newest tombstone seen; nothing older than this may be served."""
    absent_primaries: int = 0
    witnesses: int = 0
    """Primaries that have said anything, and whoever else has a tombstone."""
    refusals: dict[int, int] = field(default_factory=dict)
    refused_at: str = NO_TIMESTAMP
    refusal: object | None = None
    failures: int = 0
    miss: object | None = None

    def hear(self, answer: object, status: int, timestamp: str, *, primary: bool) -> None:
        """Count one answer; `answer` is opaque and comes back as `chosen` if it wins."""
        if status < 500 and (primary or (status in (404, 410) and timestamp != NO_TIMESTAMP)):
            self.witnesses += 1
        if is_found(status):
            self._hear_found(answer, timestamp)
        elif status in (404, 410):
            self._hear_miss(answer, timestamp, primary=primary)
        elif 400 <= status < 500:
            self.refusals[status] = self.refusals.get(status, 0) + 1
            if self.refusal is None or timestamp > self.refused_at:
                self.refusal, self.refused_at = answer, timestamp
        else:
            self.failures += 1

    def hear_silence(self) -> None:
        """Count a node that could not be reached or did not answer in time."""
        self.failures += 1

    def _hear_found(self, answer: object, timestamp: str) -> None:
        if timestamp < self.buried_at:
            return
        if self.chosen is None or timestamp > self.chosen_at:
            self.chosen, self.chosen_at = answer, timestamp

    def _hear_miss(self, answer: object, timestamp: str, *, primary: bool) -> None:
        if timestamp != NO_TIMESTAMP and self.buries:
            if self.miss is None or timestamp > self.buried_at:
                self.miss = answer
            self.buried_at = max(self.buried_at, timestamp)
            if self.chosen is not None and self.chosen_at < self.buried_at:
                self.chosen, self.chosen_at = None, NO_TIMESTAMP
        elif primary or timestamp != NO_TIMESTAMP:
            self.absent_primaries += 1
            self.miss = self.miss or answer

    @property
    def is_settled(self) -> bool:
        """Tell whether `chosen` can be served without hearing anybody else."""
        return self.chosen is not None and not self.newest

    @property
    def is_answered(self) -> bool:
        """Tell whether the client can be told something certain, or at least served something."""
        return self.chosen is not None or self.status() < 500

    def status(self) -> int:
        """Return the status of a read that found nothing to serve."""
        assert self.chosen is None
        if self.refusal is not None and self.refused_at >= self.buried_at:
            return max(self.refusals)
        if self.buried_at != NO_TIMESTAMP and self.witnesses >= quorum_size(self.primaries):
            return 404
        if self.absent_primaries > self.primaries // 2:
            return 404
        return 503
