"""The primaries of one object, asked step by step of its register.

    Prepare, Accept, Commit ──▶ Primaries.answer() ──REGISTER──▶ every primary ──▶ promises, or who shows it
    body                    ──▶ Primaries.stage()  ──REGISTER──▶ every primary ──▶ Staged

Handoffs have no say: two majorities must have a device in common. What answers mean is proposer.py's affair.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...common.concurrency import Countdown, sleep, spawn
from ...common.errors import ApusError, Refused
from ...common.http.client import Sendable, with_more
from ...common.register import (
    ACCEPT,
    BALLOT,
    CHANGE,
    COMMIT,
    DROP,
    LOOK,
    NO_BALLOT,
    PREPARE,
    PROMISE,
    STAGE,
    STEP,
    VERSION,
    Promise,
    ballot_after,
    decode_promise,
    encode_version,
)
from ..backend import Backend, Question
from ..fanout import Replies, Reply, fan_out, statuses
from ..rings import Home
from ..writing import Stream
from .proposer import Accept, Ask, Commit, Heard, Outcome, Pause, Prepare, Steps, majority

GRACE = Countdown(0.1)
"""For those who are slower than a majority: their answers settle more, and are not worth more."""
PAUSE_SECONDS = 0.02
"""Or as long as a round takes here: who comes back sooner overtakes somebody who is about to finish."""
PAUSE_SECONDS_MAX = 4.0
REGISTER_ETAG = "X-Backend-Register-Etag"
UNKNOWN_METHOD = 405


class NoRegisters(ApusError):
    """Every primary is a server that keeps none, such as stock Swift's."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What the primaries say of a body that they hold back."""

    heard: Heard
    body_etag: str
    etag: str
    """The one that conditions are about."""


@dataclass(slots=True)
class Primaries:
    """The devices that decide, and what each step sends to them."""

    backend: Backend
    question: Question
    home: Home
    bare: Mapping[str, str]
    """The headers of a step that is nobody's in particular."""
    token: str
    own: Sequence[Sendable]
    """One header set for each, with all that is stored: for what is ours."""
    others: Callable[[], Sequence[Sendable]]
    """The same for what somebody else has not brought to its end."""
    commits: Replies = field(default_factory=list)
    """The answers to the last commit."""
    strangers: int = 0
    """How many of those who answered last keep no registers."""
    _round_seconds: float = PAUSE_SECONDS

    @property
    def is_mixed(self) -> bool:
        """Whether so many keep no registers that the others can't be a majority, however long one waits."""
        return self.strangers > self.home.replicas - self.quorum

    @property
    def quorum(self) -> int:
        """How many of them decide."""
        return majority(self.home.replicas)

    def decide(self, steps: Steps) -> Outcome:
        """Do what a proposal asks for until it has its outcome."""
        heard: Heard = ()
        try:
            ask = next(steps)
            while True:
                heard = self.answer(ask)
                ask = steps.send(heard)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def answer(self, ask: Ask) -> Heard:
        """Return what is heard when all, or a majority and whoever is nearly as fast, have answered."""
        if isinstance(ask, Pause):
            sleep(random.random() * min(self._round_seconds * 2**ask.attempts, PAUSE_SECONDS_MAX))
            return ()
        if isinstance(ask, Commit):
            return self._commit(ask)
        more = {STEP: LOOK}
        if isinstance(ask, Prepare):
            more = {STEP: PREPARE, BALLOT: ask.ballot}
        elif isinstance(ask, Accept):
            more = {STEP: ACCEPT, BALLOT: ask.ballot, VERSION: encode_version(ask.version)}
        headers = {**self.bare, **more}
        began = time.monotonic()
        replies = self._told(self._ask([headers] * self.home.replicas, self._is_heard))
        self._round_seconds = max(PAUSE_SECONDS, time.monotonic() - began)
        return promises(replies)

    def stage_small(self, ballot: str, body: bytes) -> Staged:
        """Send a body that was read whole."""
        question = replace(self.question, body=body)  # Its own: a late one is asked again after we went on.
        return self._staged(self._told(self._ask(self._staging(ballot), self._is_heard, question)))

    def stage_large(self, ballot: str, stream: Stream, send: Callable[[], object]) -> Staged:
        """Send a body as it comes."""
        try:
            stream.connect(self._staging(ballot), iter(self.home.at_home))
            self._told(stream.early)
            if len(stream.lanes) < self.quorum:
                return Staged((), "", "")
            send()
            replies = stream.finish(is_enough=self._is_heard)
        except BaseException:
            stream.abort()
            raise
        if len(replies) < self.quorum:
            return Staged((), "", "")
        return self._staged(self._told([*stream.early, *replies]))

    def drop(self) -> None:
        """Let go of a body that was given up; nobody waits for that."""
        headers = {
            **self.bare,
            STEP: DROP,
            BALLOT: ballot_after(NO_BALLOT, 0, self.token),
            CHANGE: self.token,
        }
        spawn(self._ask, [headers] * self.home.replicas, lambda _: True)

    def _staging(self, ballot: str) -> list[Sendable]:
        more = {STEP: STAGE, BALLOT: ballot, CHANGE: self.token}
        return [with_more(headers, more) for headers in self.own]

    def _staged(self, replies: Replies) -> Staged:
        for reply in replies:
            if 400 <= reply.status < 500 and reply.status != UNKNOWN_METHOD:
                # What the body or its metadata is refused for, as 422, it is refused for by all of them.
                raise Refused(reply.body.decode("utf-8", "replace"), reply.status)
        kept = [reply for reply in replies if reply.status == 200]
        etags = {
            (reply.headers.get("Etag", "").strip('"'), reply.headers.get(REGISTER_ETAG, "")) for reply in kept
        }
        if len(etags) > 1:
            raise Refused("The storage servers disagree about what they have received.", 500)
        if len(kept) < self.quorum:
            return Staged((), "", "")
        body_etag, etag = etags.pop()
        return Staged(promises(kept), body_etag, etag)

    def _commit(self, ask: Commit) -> Heard:
        is_ours = ask.version.change == self.token
        more = {STEP: COMMIT, BALLOT: ask.ballot, VERSION: encode_version(ask.version)}
        requests = [with_more(headers, more) for headers in (self.own if is_ours else self.others())]
        self.commits = self._told(self._ask(requests, self._is_shown))
        return [is_shown(reply) for reply in self.commits]

    def _ask(
        self,
        requests: Sequence[Sendable],
        is_enough: Callable[[Replies], bool],
        question: Question | None = None,
    ) -> Replies:
        everybody = iter(self.home.at_home)
        return fan_out(
            self.backend, question or self.question, requests, everybody, is_enough=is_enough, grace=GRACE
        )

    def _told(self, replies: Replies) -> Replies:
        """Return the replies, unless nobody here knows what a register is."""
        self.strangers = statuses(replies).count(UNKNOWN_METHOD)
        if self.strangers == self.home.replicas:
            raise NoRegisters("no primary keeps registers")
        return replies

    def _is_heard(self, replies: Replies) -> bool:
        return statuses(replies).count(200) >= self.quorum

    def _is_shown(self, replies: Replies) -> bool:
        return sum(map(is_shown, replies)) >= self.quorum


def promises(replies: Sequence[Reply]) -> list[Promise]:
    """Return the promises in the replies; who answered anything else is as good as silent."""
    heard = []
    for reply in replies:
        if reply.status == 200:
            try:
                heard.append(decode_promise(reply.headers.get(PROMISE)))
            except Refused:
                continue
    return heard


def is_shown(reply: Reply) -> bool:
    """Tell whether a device shows now what it was told to be chosen."""
    return reply.status in (201, 204)
