"""One target's queues, worked through: each event sent until it is taken.

    queues of a target ──▶ a lane per shard: entry after entry
        settled ──POST──▶ 2xx: taken out     anything else: its key waits, and what failed rests
        intent  ──old enough?──doubts.py──▶ sent, left, or taken out

Events of one key go in their order: behind one that was not taken, later ones of its key wait. A target that
cannot be reached, or takes nothing, rests as a whole. What dies between a POST and taking the entry out sends
it again. Which queues there are, and when, is bin/notifier.py's affair.
"""

from __future__ import annotations

import http.client
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from urllib.parse import urlsplit

from .....common.concurrency import Crew, Timeout, timeout
from .....common.errors import ApusError, Corrupt, Unavailable
from .....common.timestamp import now
from ....row_log import Row, RowLog
from . import happenings, messages
from .doubts import Doubts, Verdict
from .happenings import Happening
from .queues import SHARDS, Queue
from .resting import Rests
from .targets import Target

log = logging.getLogger(__name__)

REFUSALS_MAX = 5
"""So many events refused in a row: it is the target that fails, and not an event."""


class NotTaken(ApusError):
    """The target did not take a message; `is_ill` if it could not even say so."""

    def __init__(self, sentence: str, *, is_ill: bool) -> None:
        super().__init__(sentence)
        self.is_ill = is_ill


@dataclass(slots=True)
class Done:
    """What was done in a pass."""

    delivered: int = 0
    failed: int = 0
    disproved: int = 0
    """Intents of what did not happen."""
    given_up: int = 0
    waiting: int = 0
    """Events that are left."""
    in_doubt: int = 0
    """Intents that are left."""
    oldest_seconds: float = 0.0
    """Age of the oldest event that is left."""

    def add(self, other: Done) -> None:
        """Count another one's, too."""
        for each in fields(self):
            if each.name != "oldest_seconds":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        self.oldest_seconds = max(self.oldest_seconds, other.oldest_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How events are delivered."""

    region: str = "us-east-1"
    settle_seconds: float = 60.0
    """Age from which an intent is looked after."""
    patience_seconds: float = 86400.0
    """Age from which nobody can be at it any more."""
    give_up_seconds: float = 0.0
    """Age from which an event is dropped; 0 for never."""
    dry_run: bool = False


def post(target: Target, event_id: str, body: bytes) -> None:
    """Send a message.

    Raises:
        NotTaken: unless the target takes it within its time.
    """
    url = urlsplit(target.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        with timeout(target.timeout_seconds):  # All of it: a target may answer a byte a second.
            connection = _connection(target, url.scheme, url.netloc)
            try:
                connection.request("POST", path, body, messages.headers(target, event_id, body))
                status = connection.getresponse().status
            finally:
                connection.close()
    except Timeout as problem:
        raise NotTaken(f"no answer within {target.timeout_seconds} s", is_ill=True) from problem
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise NotTaken(str(problem) or type(problem).__name__, is_ill=True) from problem
    if status // 100 != 2:
        raise NotTaken(f"status {status}", is_ill=False)


def _connection(target: Target, scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=target.timeout_seconds)
    trusted = ssl.create_default_context(cafile=target.ca_file or None)
    return http.client.HTTPSConnection(netloc, timeout=target.timeout_seconds, context=trusted)


class Delivery:
    """One pass over one target's queues."""

    def __init__(
        self,
        target: Target,
        entries: RowLog,
        doubts: Doubts,
        terms: Terms,
        *,
        rests: Rests,
        clock: Callable[[], float],
        until: float,
    ) -> None:
        self._target = target
        self._entries = entries
        self._doubts = doubts
        self._terms = terms
        self._rests = rests
        self._clock = clock
        self._until = until
        self._refusals = 0
        self.done = Done()

    def run(self, queues: Iterable[Queue]) -> Done:
        """Work through the queues; those of one shard one after the other."""
        lanes = [list(lane) for _, lane in groupby(sorted(queues), key=lambda queue: queue.shard)]
        crew = Crew(SHARDS)
        for done in crew.map(self._lane, lanes):
            self.done.add(done)
        return self.done

    def _is_over(self) -> bool:
        return self._clock() >= self._until or self._rests.is_resting(self._target.name)

    def _lane(self, queues: Sequence[Queue]) -> Done:
        """Work through the queues of one shard, the oldest day first."""
        lane = Lane()
        for queue in queues:
            marker: str | None = ""
            is_empty = True
            while marker is not None:
                try:
                    page = self._entries.rows(queue.container, marker)
                except Unavailable as problem:
                    fields_ = {"queue": queue.container, "problem": str(problem)}
                    log.warning("queue of notifications not read", extra=fields_)
                    return lane.done
                is_empty = is_empty and not page.rows
                for row in page.rows:
                    self._attend(lane, queue, row)
                marker = None if self._is_over() else page.marker
            if is_empty and queue.is_over(self._clock()) and not self._terms.dry_run:
                self._entries.drop(queue.container, now())
        return lane.done

    def _attend(self, lane: Lane, queue: Queue, row: Row) -> None:
        """Do what is to be done for one entry."""
        try:
            happening = happenings.read(row.text)
        except Corrupt as problem:
            log.error(
                "entry of the notifications' log dropped", extra={"row": row.name, "problem": str(problem)}
            )
            self._take_out(queue, row)
            return
        age = self._clock() - float(row.after())
        if not happening.is_settled:
            found = self._proved(lane, queue, row, happening, age)
            if found is None:
                return
            happening = found
        if self._sent(lane, row, happening):
            self._take_out(queue, row)
        elif self._terms.give_up_seconds and age > self._terms.give_up_seconds and not self._terms.dry_run:
            lane.done.given_up += 1
            log.warning("event given up", extra={"target": self._target.name, "row": row.name})
            self._take_out(queue, row)
        else:
            lane.left(happening, age)

    def _proved(self, lane: Lane, queue: Queue, row: Row, intent: Happening, age: float) -> Happening | None:
        """Return what an intent has come to; None where nothing, or nobody knows yet."""
        terms = self._terms
        if age < terms.settle_seconds or self._rests.is_resting(row.name) or self._is_over():
            lane.done.in_doubt += 1
            return None
        judged, happening = self._doubts.settled(intent, is_late=age >= terms.patience_seconds)
        if judged is Verdict.HAPPENED:
            return happening
        if judged is Verdict.NOTHING:
            lane.done.disproved += 1
            log.info("what was intended did not happen", extra={"row": row.name, "event": intent.event})
            self._take_out(queue, row)
        else:
            lane.done.in_doubt += 1
            self._rests.fail(row.name)
        return None

    def _sent(self, lane: Lane, row: Row, happening: Happening) -> bool:
        """Tell whether the target has taken an event; one whose turn has not come is not sent."""
        name = self._target.name
        if happening.place in lane.held or self._rests.is_resting(row.name) or self._is_over():
            return False
        if self._terms.dry_run:
            fields_ = {"target": name, "event": happening.event, "object": "/".join(happening.place)}
            log.info("notifier would send", extra=fields_)
            return False
        body = messages.document(happening, self._terms.region)
        try:
            post(self._target, row.name, body)
        except NotTaken as problem:
            lane.done.failed += 1
            self._refusals += 1
            self._rests.fail(row.name)
            if problem.is_ill or self._refusals >= REFUSALS_MAX:
                self._rests.fail(name)
            fields_ = {"target": name, "row": row.name, "problem": str(problem)}
            log.info("event not taken; it is sent again", extra=fields_)
            return False
        self._refusals = 0
        self._rests.forgive(name)
        self._rests.forgive(row.name)
        lane.done.delivered += 1
        return True

    def _take_out(self, queue: Queue, row: Row) -> None:
        if not self._terms.dry_run:
            self._entries.remove(queue.container, row.name, max(now(), row.after()))


class Lane:
    """What is remembered while the queues of one shard are worked through."""

    def __init__(self) -> None:
        self.done = Done()
        self.held: set[tuple[str, str, str]] = set()
        """Objects of which an event was not taken: later ones wait for it."""

    def left(self, happening: Happening, age: float) -> None:
        """Count an event that stays, and hold back what comes after it."""
        self.held.add(happening.place)
        self.done.waiting += 1
        self.done.oldest_seconds = max(self.done.oldest_seconds, round(age, 3))
