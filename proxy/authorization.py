"""Asking the pipeline's auth filter whether a request may go on.

    controller knows the ACL ──▶ denial(environ, acl) ──▶ None: go on
                                                     └──▶ Answer 401 or 403, from the filter

An auth filter leaves `apus.authorize` in the environ; other people's leave `swift.authorize`, which
wants a WebOb request with the ACL on it. Without either everything is allowed: tests, internal use. Where an
earlier filter knows of bucket policies it leaves `apus.ruling`, which is asked first, and asks on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import webob

from ..common.http.answer import Answer
from ..common.http.wsgi import Environ

Denial = Callable[[Environ, str | None], Answer | None]
Ruling = Callable[[Environ, str | None, Denial], Answer | None]

RULING = "apus.ruling"


def denial(environ: Environ, acl: str | None) -> Answer | None:
    """Return the refusal of a bucket's policy or of the auth filter, or None."""
    ruling: Ruling | None = environ.get(RULING)
    return _filters_denial(environ, acl) if ruling is None else ruling(environ, acl, _filters_denial)


def _filters_denial(environ: Environ, acl: str | None) -> Answer | None:
    """Return the auth filter's refusal, or None."""
    authorize = environ.get("apus.authorize")
    if authorize is not None:
        environ["apus.acl"] = acl
        answer: Answer | None = authorize(environ)
        return answer
    authorize = environ.get("swift.authorize")
    if authorize is None:
        return None
    request = webob.Request(environ)
    environ["webob.adhoc_attrs"] = {**environ.get("webob.adhoc_attrs", {}), "acl": acl}
    refusal = authorize(request)
    return None if refusal is None else _answer_of(refusal, environ)


def let_in(environ: Environ, authorize: Callable[[Environ], Answer | None]) -> None:
    """Have a request judged by `authorize` alone, whichever auth filter is behind."""

    def authorize_webob(request: Any) -> Answer | None:
        return authorize(request.environ)

    environ["apus.authorize"] = authorize
    environ["swift.authorize"] = authorize_webob
    environ["swift.authorize_override"] = True


def _answer_of(app: Any, environ: Environ) -> Answer:
    """Run another filter's refusal, a WSGI application, and take its answer."""
    heard: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _problem: object = None) -> None:
        heard.append((int(status.split()[0]), dict(headers)))

    body: Iterable[bytes] = app({**environ, "wsgi.input": None}, start_response)
    content = b"".join(body)
    status, headers = heard[-1]
    return Answer(status, headers, content)
