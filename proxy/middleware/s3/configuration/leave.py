"""Asking whether somebody may do something, without doing it.

    method, object ──a request of the store as the caller──▶ pipeline ──▶ controller asks for leave ──▶ Leave
                                                     └ answered with 403 there, whatever the ruling was

Who asks is known only to the filters behind this one, and what they are allowed to the controller, who knows
the container's lists: so the question has to go all the way, and stops where it would become an act.
"""

from __future__ import annotations

from dataclasses import dataclass

from .....common.http.answer import Answer
from .....common.http.wsgi import Environ
from ....authorization import RULING, Denial
from ....authorization import Ruling as Asked
from ...inner import call, inner_environ
from ..errors import S3Error, from_swift
from ..marks import OPERATION
from ..request import Request
from .judging import ALLOWED, DENIES, Operation, names_of


@dataclass(frozen=True, slots=True)
class Leave:
    """What was said to somebody who asked."""

    refusal: Answer | None
    """Why not; None where policy or lists let them."""
    is_owner: bool
    """The bucket is theirs, or a policy allows them this very action."""
    names: frozenset[str]
    """What the caller goes by in lists."""
    is_forbidden: bool
    """A policy says no, which no list overrules."""


def asked(request: Request, method: str, *, key: str | None = None, action: str | None = None) -> Leave:
    """Return whether the caller may use a method on the request's object, or another one of its bucket.

    `action` is what a policy calls it, where that is not what the request itself is called.

    Raises:
        S3Error: when nobody could be asked.
    """
    heard: list[Leave] = []
    before: Asked | None = request.environ.get(RULING)

    def listen(environ: Environ, lists: str | None, ask: Denial) -> Answer | None:
        environ.pop(ALLOWED, None)
        refusal = ask(environ, lists) if before is None else before(environ, lists, ask)
        is_owner = bool(
            refusal is None
            and (environ.get("apus.owner") or environ.get("swift_owner") or environ.get(ALLOWED))
        )
        heard.append(Leave(refusal, is_owner, names_of(environ), bool(environ.get(DENIES))))
        return Answer(403)

    environ = inner_environ(request.environ, method, request.path(request.bucket, key or request.key))
    environ[RULING] = listen
    if action is not None:
        environ[OPERATION] = Operation.named(request, method, action)
    reply = call(request.app, environ)
    reply.close()
    if not heard:
        raise from_swift(reply.status, request, reply.headers)
    return heard[0]


def require(request: Request, method: str, key: str | None = None) -> None:
    """Raise what refuses the caller a method on the request's object, or another one of its bucket.

    Raises:
        S3Error: AccessDenied, or that nobody could be asked.
    """
    refusal = asked(request, method, key=key).refusal
    if refusal is not None:
        raise S3Error("AccessDenied") if refusal.status in (401, 403) else from_swift(refusal.status, request)
