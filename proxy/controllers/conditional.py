"""PUT and DELETE of an object under a condition.

    Wish ──▶ look before a large body ──▶ stage ──▶ proposer.py ──▶ 201, 204 │ 412 │ 409 │ 503

Decided by a majority of the object's primaries or not at all; see doc/decisions/conditional-writes.md. What
the objects' controller knows of headers, containers and rows comes in as a `Wish`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...common.http.answer import Answer
from ...common.http.client import Sendable
from ...common.register import METHOD, NO_BALLOT, Version, ballot_after
from ...common.timestamp import now
from .. import backend_headers
from ..answers import HTML, http_date
from ..call import Call
from ..fanout import Replies
from ..register.condition import Condition
from ..register.primaries import Primaries, Staged
from ..register.proposer import Change, Outcome, Proposal, Verdict
from ..replicas import Replicas
from ..rings import Home
from ..writing import Stream

POLICY_INDEX = "X-Backend-Storage-Policy-Index"
ETAG_IS_AT = "X-Backend-Etag-Is-At"
SHOWN_ETAGS = ",".join(f"X-Object-Sysmeta-{name}-Etag" for name in ("Versions", "Symlink-Target", "Slo"))
"""Where the ETag is that clients are shown for a version that is large, a static link and a large object."""
CONDITION = "X-Backend-Condition"
"""Tells filters why it is 412: `absent` or `mismatch`."""
SENTENCES = {
    Verdict.CONFLICT: (409, "Others changed this object, again and again; nothing was done: try again.\n"),
    Verdict.UNSETTLED: (503, "No majority of the object's devices settled this: it may be done or not.\n"),
}


@dataclass(frozen=True, slots=True)
class Upload:
    """The body of a conditional PUT: small and read whole, or one that passes."""

    whole: bytes | None
    stream: Callable[[], Stream]
    """Returns a stream that nobody listens to yet."""
    send: Callable[[Stream], object]
    """Passes the client's body through an open stream."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A conditional change, as the objects' controller has judged it."""

    call: Call
    home: Home
    policy_index: int
    condition: Condition
    requests: Sequence[Sendable]
    """One header set per primary, with everything that is stored and whom it tells."""
    others: Callable[[], Sequence[Sendable]]
    """The same with what concerns any change of this object only."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the client is told, and what those said who made it visible."""

    answer: Answer
    replies: Replies


def headers_for(call: Call, user_agent: str, policy_index: int) -> dict[str, str]:
    """Return what every step carries."""
    return {
        **backend_headers.common(call, user_agent),
        POLICY_INDEX: str(policy_index),
        ETAG_IS_AT: etag_is_at(call),
    }


def etag_is_at(call: Call) -> str:
    """Return the names of metadata that hold the ETag which the client is shown."""
    names = call.header("X_BACKEND_ETAG_IS_AT")
    return f"{names},{SHOWN_ETAGS}" if names else SHOWN_ETAGS


def put(replicas: Replicas, wish: Wish, upload: Upload) -> Result:
    """Store an object if the condition holds.

    Raises:
        NoRegisters: before anything was taken from a body that is not whole.
    """
    primaries = _primaries(replicas, wish)
    ballot = ballot_after(NO_BALLOT, now().ticks, primaries.token)
    if upload.whole is not None:
        staged = primaries.stage_small(ballot, upload.whole)
    else:
        refusal = _refused_already(primaries, wish)
        if refusal is not None:
            return Result(refusal, [])
        stream = upload.stream()
        staged = primaries.stage_large(ballot, stream, lambda: upload.send(stream))
    if not staged.heard:
        return Result(_mixed() if primaries.is_mixed else _refusal(Outcome(Verdict.UNSETTLED)), [])
    change = Change(primaries.token, wish.condition.holds, staged.etag)
    proposal = _proposal(change, wish)
    outcome = primaries.decide(proposal.steps((ballot, staged.heard)))
    if outcome.verdict is not Verdict.DONE:
        if outcome.verdict is not Verdict.UNSETTLED:
            primaries.drop()
        return Result(_refusal(outcome), [])
    return Result(_stored(staged, outcome.version), primaries.commits)


def delete(replicas: Replicas, wish: Wish) -> Result:
    """Remove an object if the condition holds."""
    primaries = _primaries(replicas, wish)
    proposal = _proposal(Change(primaries.token, wish.condition.holds, None), wish)
    outcome = primaries.decide(proposal.steps())
    if outcome.verdict is not Verdict.DONE:
        return Result(_refusal(outcome), [])
    return Result(Answer(204, {"Content-Type": HTML}), primaries.commits)


def _primaries(replicas: Replicas, wish: Wish) -> Primaries:
    return Primaries(
        backend=replicas.backend,
        question=replicas.question(METHOD, wish.call.path, wish.home),
        home=wish.home,
        bare=headers_for(wish.call, replicas.user_agent, wish.policy_index),
        token=secrets.token_hex(8),
        own=wish.requests,
        others=wish.others,
    )


def _proposal(change: Change, wish: Wish) -> Proposal:
    return Proposal(change, replicas=wish.home.replicas, now_ticks=lambda: now().ticks)


def _refused_already(primaries: Primaries, wish: Wish) -> Answer | None:
    """Return the refusal of a large body that need not be sent at all."""
    look = Change(f"look{primaries.token}", wish.condition.holds, None, is_look=True)
    outcome = primaries.decide(_proposal(look, wish).steps())
    if outcome.verdict is Verdict.REFUSED and wish.condition.holds(outcome.version):
        return None
    return _mixed() if outcome.verdict is Verdict.UNSETTLED and primaries.is_mixed else _refusal(outcome)


def _refusal(outcome: Outcome) -> Answer:
    """Return what the client is told when nothing was done, or nobody knows."""
    if outcome.verdict is not Verdict.REFUSED:
        status, sentence = SENTENCES[outcome.verdict]
        return Answer.text(status, sentence)
    headers = {CONDITION: "absent"}
    if outcome.version.exists:
        headers = {CONDITION: "mismatch", "Etag": outcome.version.etag}
    return Answer.text(412, "A condition of the request does not hold.\n", headers)


def _mixed() -> Answer:
    """Tell those who could do without the condition that waiting for it is of no use."""
    sentence = "Most servers of this object know no conditions, as amid an upgrade; nothing was done.\n"
    return Answer.text(503, sentence, {"X-Conditional-Writes": "mixed"})


def _stored(staged: Staged, version: Version) -> Answer:
    modified = http_date(version.moment.ceil_seconds)
    return Answer(201, {"Content-Type": HTML, "Etag": staged.body_etag, "Last-Modified": modified})
