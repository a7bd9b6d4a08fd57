"""What pages of other origins are told: preflights, and headers on the answers to what they ask.

    OPTIONS, Origin ──the bucket's rules──▶ 200 with Access-Control-*, or 403 AccessForbidden
    GET, Origin ──finish()──▶ the answer, errors too, with Access-Control-* where a rule allows it

A preflight carries no signature, and needs nobody's leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .....common.http.answer import Answer
from .....common.http.wsgi import to_wsgi
from ..errors import S3Error
from ..request import Request
from . import cors, documents
from .bucket_facts import Operation
from .xml_memory import cors_rules


def preflight(request: Request) -> Answer:
    """Answer a browser that asks before it does something."""
    origin, method = request.header("Origin"), request.header("Access-Control-Request-Method")
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if method not in cors.METHODS:
        raise S3Error("BadRequest", "Invalid Access-Control-Request-Method.")
    assert method is not None
    asked = _asked(request)
    rule = cors.matching(_rules(request), origin, method, asked)
    if rule is None:
        raise S3Error("AccessForbidden", "CORSResponse: This CORS request is not allowed.", Method=method)
    return Answer(200, _wired(cors.headers_of(rule, origin, asked, preflight=True)))


def finish(request: Request, answer: Answer) -> None:
    """Tell a page of another origin what it may see of an answer."""
    origin = request.environ.get("HTTP_ORIGIN")
    if origin is None or request.bucket is None or "Access-Control-Allow-Origin" in answer.headers:
        return
    if request.method == "OPTIONS":
        return
    try:
        rules = _rules(request)
    except S3Error:  # The answer is worth more than its being shown to a page.
        return
    rule = cors.matching(rules, origin, request.method)
    if rule is not None:
        answer.headers.update(_wired(cors.headers_of(rule, origin, preflight=False)))


def _rules(request: Request) -> Sequence[cors.Rule]:
    try:
        text = documents.unpacked("cors", request.container().sysmeta)
    except documents.Torn as problem:
        raise S3Error("ServiceUnavailable") from problem
    return () if text is None else cors_rules(text)


def _asked(request: Request) -> Sequence[str]:
    return (request.header("Access-Control-Request-Headers") or "").split(",")


def _wired(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: to_wsgi(value) for name, value in headers.items()}


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("bucket", "OPTIONS", ""): preflight,
    ("object", "OPTIONS", ""): preflight,
}
