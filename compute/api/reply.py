"""What a handler answers: a document, a stream, or nothing but a status.

answer(200, {"image": …}) ──▶ Response        stream(200, pieces, length) ──▶ Response
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from webob import Response


def answer(status: int, document: Any = None, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document (anything that JSON can say, None included only as a member)."""
    if document is None:
        return empty(status, headers)
    response = Response(
        orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS),
        status=status,
        content_type="application/json",
        charset=None,
    )
    response.headers.update(headers or {})
    return response


def empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """No body at all."""
    response = Response(b"", status=status, content_type="application/json", charset=None)
    if status == 204:
        response.headers.pop("Content-Type", None)  # Versions of WebOb differ in whether it is there.
    response.headers.update(headers or {})
    return response


def stream(
    status: int,
    pieces: Iterable[bytes],
    length: int | None,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/octet-stream",
) -> Response:
    """Bytes as they come; with a length in bytes, or None where nobody knows it (then chunked)."""
    response = Response(status=status, app_iter=pieces, content_type=content_type, charset=None)
    response.content_length = length
    response.headers.update(headers or {})
    return response
