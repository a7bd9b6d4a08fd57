"""What an object server's request says of one object's row.

    PUT …/object, X-Timestamp, X-Size, X-Content-Type, X-Etag ──▶ reported() ──▶ ObjectRow
    DELETE …/object, X-Timestamp                              ──▶ removed()  ──▶ its tombstone

Each change of an object brings three such requests, so headers are taken from the environ by their keys and
a timestamp in the usual form is used as it is: 4 µs a row, where general means took 18.
"""

from __future__ import annotations

import re

from ..common.errors import Refused
from ..common.http.request import Request
from ..common.http.wsgi import from_wsgi
from .rows import ObjectRow, tombstone, with_moments

_is_internal = re.compile(r"\d{10}\.\d{5}", re.ASCII).fullmatch


def reported(request: Request, name: str, policy_index: int) -> ObjectRow:
    """Return the row that an object server reports."""
    get = request.environ.get
    moment = _moment(request)
    size, content_type, etag = get("HTTP_X_SIZE"), get("HTTP_X_CONTENT_TYPE"), get("HTTP_X_ETAG")
    if size is None or content_type is None or etag is None:
        raise Refused("X-Size, X-Content-Type and X-Etag are needed")
    try:
        row = ObjectRow(name, moment, int(size), from_wsgi(content_type), from_wsgi(etag), 0, policy_index)
        return with_moments(row, get("HTTP_X_CONTENT_TYPE_TIMESTAMP"), get("HTTP_X_META_TIMESTAMP"))
    except ValueError as problem:
        raise Refused(f"malformed row: {problem}") from problem


def removed(request: Request, name: str, policy_index: int) -> ObjectRow:
    """Return the row of an object that an object server reports to be gone."""
    return tombstone(name, _moment(request), policy_index)


def _moment(request: Request) -> str:
    text = request.environ.get("HTTP_X_TIMESTAMP")
    return text if text is not None and _is_internal(text) else request.timestamp().internal
