"""REGISTER: what proxies ask of the register of an object, step by step.

    stage    body ──▶ a staged file, then as prepare      ──▶ 200 and a Promise
    look     ──▶ what is here                             ──▶ 200 and a Promise that promises nothing
    prepare  ballot ──▶ acceptor ──▶ record kept          ──▶ 200 and a Promise
    accept   ballot, version ──▶ acceptor ──▶ record kept ──▶ 200 and a Promise
    commit   version ──▶ staged file or tombstone becomes the object ──▶ container ──▶ 201, 204; 404: no body
    drop     change ──▶ its staged file goes               ──▶ 204

Nothing is answered before it is durable. Every step may come twice.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ...common.errors import Corrupt, Refused
from ...common.http.answer import Answer
from ...common.http.request import Request
from ...common.register import (
    ACCEPT,
    BALLOT,
    CHANGE,
    COMMIT,
    DROP,
    LOOK,
    PREPARE,
    PROMISE,
    STAGE,
    STEP,
    VERSION,
    Promise,
    Record,
    Version,
    Visible,
    checked_ballot,
    checked_change,
    decode_version,
    encode_promise,
)
from ...common.timestamp import ZERO, Timestamp
from ..changing import bury
from ..context import Context, Target
from ..files import staging
from ..files.metadata import Metadata
from ..files.store import Absent
from ..reading import conditional_etag
from ..rows import listed
from ..writing import announce_shown, stage
from . import acceptor
from .memory import STAGED, Memory

log = logging.getLogger(__name__)

REGISTER_ETAG = "X-Backend-Register-Etag"
"""The ETag that conditions are about, where that is not the body's."""


def register(context: Context, request: Request) -> Answer:
    """Answer one step."""
    target = context.target(request)
    memory = Memory(target)
    step = request.header(STEP)
    if step == LOOK:
        record, visible = _state(context, request, target, memory)
        return _told(request, memory, Promise(granted=False, record=record, visible=visible))
    ballot = checked_ballot(request.header(BALLOT))
    if step == STAGE:
        return _stage(context, request, target, memory, ballot)
    if step == PREPARE:
        return _promise(context, request, target, memory, ballot)
    if step == DROP:
        return _drop(request, memory)
    version = decode_version(request.header(VERSION))
    if step == ACCEPT:
        return _accept(context, request, target, memory, ballot, version)
    if step == COMMIT:
        return _commit(context, request, target, memory, ballot, version)
    raise Refused(f"not a step of a register: {step}")


def _stage(context: Context, request: Request, target: Target, memory: Memory, ballot: str) -> Answer:
    change = checked_change(request.header(CHANGE))
    content = stage(context, request, memory.staging, f"{change}{STAGED}")
    answer = _promise(context, request, target, memory, ballot)
    answer.headers["ETag"] = f'"{content["ETag"]}"'
    answer.headers[REGISTER_ETAG] = conditional_etag(request, content)
    return answer


def _promise(context: Context, request: Request, target: Target, memory: Memory, ballot: str) -> Answer:
    with memory.alone():
        record, visible = _state(context, request, target, memory)
        promised = acceptor.promised(record, ballot)
        if promised is not None and promised is not record:
            memory.keep(promised)
    return _told(request, memory, Promise(promised is not None, promised or record, visible))


def _accept(
    context: Context, request: Request, target: Target, memory: Memory, ballot: str, version: Version
) -> Answer:
    with memory.alone():
        record, visible = _state(context, request, target, memory)
        accepted = acceptor.accepted(record, ballot, version)
        if accepted is not None and accepted != record:
            memory.keep(accepted)
    return _told(request, memory, Promise(accepted is not None, accepted or record, visible))


def _told(request: Request, memory: Memory, promise: Promise) -> Answer:
    promise = replace(promise, since=memory.since(request.timestamp()))
    return Answer(200, {PROMISE: encode_promise(promise)})


def _state(context: Context, request: Request, target: Target, memory: Memory) -> tuple[Record, Visible]:
    """Return what is remembered, and what the object's folder shows."""
    visible = _visible(context, request, target)
    horizon = Timestamp.of(max(0.0, float(request.timestamp()) - context.settings.reclaim_age))
    return acceptor.remembered(memory.read(), visible, horizon=horizon), visible


def _visible(context: Context, request: Request, target: Target) -> Visible:
    moment = request.timestamp()
    try:
        stored = context.store.open(target.location, now=lambda: moment)
    except Absent as absent:
        when = absent.timestamp or ZERO
        return Visible(when, newest=when)
    stored.close()
    etag = conditional_etag(request, stored.metadata)
    return Visible(stored.data_timestamp, etag, exists=True, newest=stored.timestamp)


def _commit(
    context: Context, request: Request, target: Target, memory: Memory, ballot: str, version: Version
) -> Answer:
    checked_change(version.change)
    earlier: Metadata = {}
    with memory.alone():
        record = memory.read()
        learned = acceptor.learned(record, ballot, version)
        if learned != record:
            memory.keep(learned)
        visible = _visible(context, request, target)
        if visible.moment < version.moment and version.exists:
            shown = _show(target, memory, version)
            if shown is None:
                return Answer.text(404, "The body of what was chosen is not here.")
            earlier = shown
        memory.forget(version.change)
    if visible.moment >= version.moment:
        return Answer(201 if version.exists else 204, {"X-Backend-Timestamp": visible.moment.internal})
    if version.exists:
        told = announce_shown(context, request, target, earlier)
        return Answer(201, {"ETag": f'"{earlier["ETag"]}"', **listed(told)})
    headers: dict[str, str] = {}
    bury(context, request, target, version.moment, headers)
    return Answer(204, headers)


def _drop(request: Request, memory: Memory) -> Answer:
    """Remove the body of a change that was given up, unless somebody may still bring it to its end."""
    change = checked_change(request.header(CHANGE))
    with memory.alone():
        accepted = memory.read().accepted
        if accepted is None or accepted.change != change:
            memory.forget(change)
    return Answer(204)


def _show(target: Target, memory: Memory, version: Version) -> Metadata | None:
    """Make the staged body the object; None where there is none to be had."""
    path = memory.staged(version.change)
    try:
        return staging.show(target.location, path, version.moment)
    except FileNotFoundError:
        return None
    except Corrupt as problem:
        log.error("a staged body is damaged", extra={"path": path, "problem": str(problem)})
        return None
