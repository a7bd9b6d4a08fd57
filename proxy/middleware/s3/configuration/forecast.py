"""Telling what the lifecycle has in store for an object: x-amz-expiration on answers to GET, HEAD and PUT.

    answer + the bucket's rules ──finish()──▶ x-amz-expiration: expiry-date="…", rule-id="…"

Of an object's tags an answer says only how many there are; so a rule that asks for tags is told of nothing
that has any: to look would cost a request.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from .....common.http.answer import Answer
from ..request import Request
from . import documents
from .lifecycle import Current, expiration_header
from .xml_memory import lifecycle_rules

HEADER = "x-amz-expiration"
HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
KEPT = "s3api-lifecycle"
_METHODS = frozenset(("GET", "HEAD", "PUT"))


def finish(request: Request, answer: Answer) -> None:
    """Say when an object will expire, if a rule has it."""
    if request.is_plain or request.key is None or request.method not in _METHODS:
        return
    if answer.status not in (200, 206):
        return
    kept = request.container().sysmeta
    if KEPT not in kept or "ETag" not in answer.headers:
        return
    try:
        text = documents.unpacked("lifecycle", kept)
    except documents.Torn:  # The answer is worth more than the forecast.
        return
    rules = [] if text is None else lifecycle_rules(text)
    if "x-amz-tagging-count" in answer.headers or "HTTP_X_AMZ_TAGGING" in request.environ:
        rules = [rule for rule in rules if not rule.filter.tags]
    assert request.key is not None
    current = Current(
        name=request.key, size=_size(request, answer), modified=_modified(answer), tags={}, is_only=True
    )
    said = expiration_header(rules, current)
    told = answer.headers.get(HEADER)  # Of an X-Delete-At, which the other API has set.
    if said is not None and (told is None or _date(said) < _date(told)):
        answer.headers[HEADER] = said


def _date(said: str) -> datetime:
    """Return the moment that an x-amz-expiration tells."""
    return datetime.strptime(said.split('"')[1], HTTP_DATE).replace(tzinfo=UTC)


def _modified(answer: Answer) -> float:
    text = answer.headers.get("Last-Modified")
    if text is None:
        return time.time()  # It has just been written.
    return datetime.strptime(text, HTTP_DATE).replace(tzinfo=UTC).timestamp()


def _size(request: Request, answer: Answer) -> int:
    if request.method == "PUT":
        said = request.environ.get("CONTENT_LENGTH") or "0"
    else:
        said = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get(
            "Content-Length", "0"
        )
    return int(said) if said.isdigit() else 0
