"""The same change asked of every replica at once, with stand-ins for those that fail.

    one header set per replica ──▶ fan_out() ──▶ replies, as soon as enough are in
                                      ├ replica ─✗─▶ next handoff
                                      └ late ones get a little longer, then are left behind

What the replies mean is not known here: see quorum.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from ..common.concurrency import Countdown, Empty, Queue, Waiter, spawn
from ..common.errors import Unavailable
from ..common.http.client import Asked, Response, Sendable
from .backend import Backend, Question
from .nodes import Candidate
from .quorum import FAMILIES, SILENT, quorum_size, verdict


@dataclass(slots=True)
class Reply:
    """A storage server's whole answer; status 503 without candidate stands for silence."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    candidate: Candidate | None = None
    request: Sendable = field(default_factory=dict)
    """The headers it replies to."""


Replies = list[Reply]


def statuses(replies: Sequence[Reply]) -> list[int]:
    """Return just the statuses."""
    return [reply.status for reply in replies]


def has_quorum(replies: Sequence[Reply], replicas: int) -> bool:
    """Tell whether the replies settle an ordinary change."""
    quorum = quorum_size(replicas)
    if len(replies) < quorum:
        return False
    heard = statuses(replies)
    if heard.count(heard[0]) == len(heard):
        return heard[0] // 100 in FAMILIES  # All say the same, as they nearly always do.
    return verdict(heard, replicas=replicas, quorum=quorum) not in (None, SILENT)


def fan_out(
    backend: Backend,
    question: Question,
    requests: Sequence[Sendable],
    nodes: Iterator[Candidate],
    *,
    is_enough: Callable[[Replies], bool],
    grace: Countdown,
) -> Replies:
    """Send every request to a device of its own; return the replies in order of arrival."""
    fan = _Fan(backend, question, nodes, is_enough, grace, len(requests))
    for headers in requests:
        fan.ask(headers)
    return fan.gathered()


class _Fan:
    """Requests to several devices, which the hub attends to while nobody waits for them.

    A green thread for each, with its switches and its mailbox, would cost 35 µs. Only what does not go as it
    nearly always goes (no kept connection, a failure) gets one.
    """

    __slots__ = (
        "_backend",
        "_context",
        "_enough_from",
        "_failure",
        "_grace",
        "_is_enough",
        "_nodes",
        "_question",
        "_replies",
        "_waiter",
        "_waits_for",
    )

    def __init__(
        self,
        backend: Backend,
        question: Question,
        nodes: Iterator[Candidate],
        is_enough: Callable[[Replies], bool],
        grace: Countdown,
        count: int,
    ) -> None:
        self._backend = backend
        self._question = question
        self._nodes = nodes
        self._is_enough: Callable[[Replies], bool] | None = is_enough  # None once it was enough.
        self._grace = grace
        self._enough_from = quorum_size(count)  # With fewer replies nothing is settled.
        self._waits_for = count
        self._replies: Replies = []
        self._waiter = Waiter()
        self._failure: Exception | None = None
        self._context = copy_context()  # The hub does not know whose request it attends to.

    def ask(self, headers: Sendable) -> None:
        """Send one request to the next device that can be asked."""
        candidate = next(self._nodes, None)
        if candidate is None:
            self._take(None)
            return

        heard = partial(self._hear, candidate, headers)
        if not self._backend.begin(self._question, candidate, headers, heard):
            spawn(self._deliver, candidate, headers)

    def gathered(self) -> Replies:
        """Return the replies when all are in, or enough are and the grace is over."""
        self._waiter.wait()
        if self._failure is not None:
            raise self._failure
        return list(self._replies)  # Late ones are not to change what is judged.

    def _hear(self, candidate: Candidate, headers: Sendable, asked: Asked) -> None:
        """Take an answer, in the hub; hand all trouble to a green thread."""
        response = asked.response
        if response is not None and response.status < 500 and (body := response.whole) is not None:
            self._take(Reply(response.status, response.headers, body, candidate, headers))
        else:
            self._context.run(spawn, self._recover, asked, candidate, headers)

    def _recover(self, asked: Asked, candidate: Candidate, headers: Sendable) -> None:
        """Do what is left of a request that needs waiting, or another device."""
        if asked.stale:
            self._deliver(candidate, headers)
            return
        reply = None
        try:
            response = self._backend.judged(self._question, candidate, asked)
            if response is not None:
                reply = _whole(self._backend, self._question, response, candidate, headers)
            if reply is None:
                reply = ask_in_turn(self._backend, self._question, headers, self._nodes)
        finally:
            self._take(reply)

    def _deliver(self, candidate: Candidate, headers: Sendable) -> None:
        """Ask this device, and others while they fail."""
        reply = None
        try:
            reply = ask_in_turn(self._backend, self._question, headers, chain((candidate,), self._nodes))
        finally:
            self._take(reply)

    def _take(self, reply: Reply | None) -> None:
        """Count one request as answered, None for silence."""
        if reply is not None:
            self._replies.append(reply)
        self._waits_for -= 1
        try:
            if not self._waits_for:
                self._waiter.wake()
            elif (
                len(self._replies) >= self._enough_from
                and self._is_enough is not None
                and self._is_enough(self._replies)
            ):
                self._is_enough = None
                self._grace.start(self._waiter)
        except Exception as problem:  # noqa: BLE001 - the hub must go on; it is raised where the request waits
            self._failure = problem
            self._waiter.wake()


def collect(
    mailbox: Queue, expected: int, *, is_enough: Callable[[Replies], bool], grace_seconds: float
) -> Replies:
    """Gather replies until all are in, or enough are and the grace is over; None in the box is silence."""
    replies: Replies = []
    deadline: float | None = None
    for _ in range(expected):
        try:
            if deadline is None:
                reply = mailbox.get()
            else:
                reply = mailbox.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        if reply is not None:
            replies.append(reply)
        if deadline is None and is_enough(replies):
            deadline = time.monotonic() + grace_seconds
    return replies


def ask_in_turn(
    backend: Backend, question: Question, headers: Sendable, nodes: Iterator[Candidate]
) -> Reply | None:
    """Return the first usable reply, trying one device after another; None when all fail."""
    for candidate in nodes:
        response = backend.ask(question, candidate, headers)
        if response is None:
            continue
        reply = _whole(backend, question, response, candidate, headers)
        if reply is not None:
            return reply
    return None


def _whole(
    backend: Backend,
    question: Question,
    response: Response,
    candidate: Candidate,
    headers: Sendable,
) -> Reply | None:
    """Return the reply with its body; None, and a failure counted, when that does not come."""
    try:
        body = response.read()
    except Unavailable as problem:
        backend.failed(candidate.device, question.method, str(problem))
        return None
    return Reply(response.status, response.headers, body, candidate, headers)
