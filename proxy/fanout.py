"""The same change asked of every replica at once, with stand-ins for those that fail.

    one header set per replica ──▶ fan_out() ──▶ replies, as soon as enough are in
                                      ├ replica ─✗─▶ next handoff
                                      └ late ones get a little longer, then are left behind

What the replies mean is not known here: see quorum.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..common.concurrency import Empty, Queue, spawn
from ..common.errors import Unavailable
from .backend import Backend, Question
from .nodes import Candidate
from .quorum import quorum_size, verdict


@dataclass(frozen=True, slots=True)
class Reply:
    """A storage server's whole answer; status 503 without candidate stands for silence."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    candidate: Candidate | None = None
    request: Mapping[str, str] = field(default_factory=dict)
    """The headers it replies to."""


Replies = list[Reply]


def statuses(replies: Sequence[Reply]) -> list[int]:
    """Return just the statuses."""
    return [reply.status for reply in replies]


def has_quorum(replies: Sequence[Reply], replicas: int) -> bool:
    """Tell whether the replies settle an ordinary change."""
    return verdict(statuses(replies), replicas=replicas, quorum=quorum_size(replicas)) not in (None, 503)


def fan_out(
    backend: Backend,
    question: Question,
    requests: Sequence[Mapping[str, str]],
    nodes: Iterator[Candidate],
    *,
    is_enough: Callable[[Replies], bool],
    grace_seconds: float,
) -> Replies:
    """Send every request to a device of its own; return the replies in order of arrival."""
    mailbox: Queue = Queue()
    for headers in requests:
        spawn(_deliver, backend, question, headers, nodes, mailbox)
    return collect(mailbox, len(requests), is_enough=is_enough, grace_seconds=grace_seconds)


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


def _deliver(
    backend: Backend,
    question: Question,
    headers: Mapping[str, str],
    nodes: Iterator[Candidate],
    mailbox: Queue,
) -> None:
    reply = None
    try:
        reply = ask_in_turn(backend, question, headers, nodes)
    finally:
        mailbox.put(reply)


def ask_in_turn(
    backend: Backend, question: Question, headers: Mapping[str, str], nodes: Iterator[Candidate]
) -> Reply | None:
    """Return the first usable reply, trying one device after another; None when all fail."""
    for candidate in nodes:
        response = backend.ask(question, candidate, headers)
        if response is None:
            continue
        try:
            body = response.read()
        except Unavailable as problem:
            backend.failed(candidate.device, question.method, str(problem))
            continue
        return Reply(response.status, response.headers, body, candidate, headers)
    return None
