"""Listings in the form the client asked for.

    GET ?format=xml or Accept ──▶ asks the pipeline for ?format=json ──▶ renders plain, JSON or XML

Everything behind this filter speaks JSON only. A JSON answer that a client wanted as JSON passes
unparsed, unless it may hold a name of the reserved namespace, which no client may see.

It does not know containers from accounts beyond their paths, and leaves alone what is no listing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes

import orjson

from ...common.config import true_value
from ...common.constraints import API_VERSIONS
from ...common.http.answer import Answer, status_line
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go
from . import listing_documents
from .accept import best_match
from .inner import heard
from .listing_documents import NUL, Row
from .shortcut import Affair, Shortcut, passable

log = logging.getLogger(__name__)

OFFERED = ("text/plain", "application/json", "application/xml", "text/xml")
BY_FORMAT = {"plain": "text/plain", "json": "application/json", "xml": "application/xml"}
LISTING_BYTES_MAX = 20 * 1024 * 1000  # Ten thousand rows of longest names; more than this is no listing.
_RESERVED_MARK = rb"\u0000"

Headers = list[tuple[str, str]]


class ListingFormats:
    """Renders account and container listings."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        target = _listed(environ["PATH_INFO"])
        if target is None:
            return self.app(environ, start_response)
        asked, query = _take_format(environ.get("QUERY_STRING") or "")
        try:
            wanted = _wanted(asked, environ.get("HTTP_ACCEPT") or "")
        except ValueError as problem:
            return Answer.text(400, str(problem))(environ, start_response)
        if wanted is None:
            return Answer.text(406, "The listing has no form that the Accept header allows.")(
                environ, start_response
            )
        environ["QUERY_STRING"] = f"{query}&format=json" if query else "format=json"
        if asked is not None:
            environ["HTTP_ACCEPT"] = wanted  # For a filter behind this one that has no other form than JSON.
        environ.setdefault("swift.format_listing", True)
        status, headers, body = heard(self.app, environ)
        if status[:3] not in ("200", "204") or not environ["swift.format_listing"]:
            start_response(status, headers)
            return body
        if asked is None:
            headers = _vary_by_accept(headers)
        status, headers, body = _render(environ, target, wanted, (status, headers, body))
        start_response(status, headers)
        return body


def _render(
    environ: Environ, target: tuple[str, str], wanted: str, answer: tuple[str, Headers, Iterable[bytes]]
) -> tuple[str, Headers, Iterable[bytes]]:
    """Return the answer in the wanted form, or as it came where it is no listing in JSON."""
    status, headers, body = answer
    facts = {name.lower(): value for name, value in headers}
    if facts.get("content-type", "").partition(";")[0] != "application/json":
        return answer
    if environ["REQUEST_METHOD"] == "HEAD":
        return status, _described(headers, wanted, 0), body
    length = facts.get("content-length", "")
    if not length.isdigit() or int(length) > LISTING_BYTES_MAX:
        return answer
    document = b"".join(body)
    let_go(body)
    rendered = _document(document, target, wanted, with_reserved=_may_see_reserved(environ))
    if rendered is None:
        return status, headers, [document]
    if not rendered:
        return status_line(204), _described(headers, wanted, 0), []
    return status, _described(headers, wanted, len(rendered)), [rendered]


def _document(document: bytes, target: tuple[str, str], wanted: str, *, with_reserved: bool) -> bytes | None:
    """Return the listing rendered, or None when it is none."""
    # Looking for one byte first spares most listings the search for six: 0.1 ms instead of 1.
    may_hold_reserved = not with_reserved and b"\\" in document and _RESERVED_MARK in document
    if wanted == "application/json" and not may_hold_reserved:
        return document
    try:
        rows = orjson.loads(document)
    except ValueError:
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    if may_hold_reserved:
        rows = _without_reserved(rows, target)
    account, container = target
    try:
        if wanted == "application/json":
            return orjson.dumps(rows)
        if wanted == "text/plain":
            return listing_documents.plain_text(rows)
        if container:
            return listing_documents.container_xml(rows, container)
        return listing_documents.account_xml(rows, account)
    except KeyError:
        return None


def _without_reserved(rows: list[Row], target: tuple[str, str]) -> list[Row]:
    shown = [row for row in rows if NUL not in str(row.get("name", "")) + str(row.get("subdir", ""))]
    if len(shown) < len(rows):
        log.warning(
            "listing held reserved names that no request should have created",
            extra={"account": target[0], "container": target[1], "hidden_rows": len(rows) - len(shown)},
        )
    return shown


def _may_see_reserved(environ: Environ) -> bool:
    """Whether the request comes from inside, for names that start with NUL."""
    return true_value(environ.get("HTTP_X_BACKEND_ALLOW_RESERVED_NAMES") or "")


def _listed(path: str) -> tuple[str, str] | None:
    """Return the account and the container (maybe empty) that a path names, or None for any other path."""
    parts = path.split("/", 4)
    if not 3 <= len(parts) <= 5 or parts[0] or parts[1] not in API_VERSIONS or not parts[2]:
        return None
    container = parts[3] if len(parts) > 3 else ""
    if len(parts) == 5 and (parts[4] or not container):
        return None
    return from_wsgi(parts[2]), from_wsgi(container)


def _take_format(query: str) -> tuple[bytes | None, str]:
    """Return the last `format` of a query and the query without any."""
    if "format" not in query and "%" not in query:
        return None, query
    asked = None
    others = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote_to_bytes(key) == b"format":
            asked = unquote_to_bytes(value.replace("+", " "))
        else:
            others.append(pair)
    return asked, "&".join(others)


def _wanted(asked: bytes | None, accept: str) -> str | None:
    """Return the media type to render, None when the client accepts none of ours."""
    if asked:
        try:
            word = asked.decode()
        except UnicodeDecodeError as problem:
            raise ValueError('"format" parameter not valid UTF-8') from problem
        return BY_FORMAT.get(word.lower(), "text/plain")
    return best_match(accept, OFFERED)


def _vary_by_accept(headers: Headers) -> Headers:
    """Return the headers with Accept named in Vary."""
    earlier = ", ".join(value for name, value in headers if name.lower() == "vary" and value)
    if "accept" in (word.strip().lower() for word in earlier.split(",")):
        return headers
    others = [pair for pair in headers if pair[0].lower() != "vary"]
    return [*others, ("Vary", f"{earlier}, Accept" if earlier else "Accept")]


def _described(headers: Headers, media_type: str, length: int) -> Headers:
    """Return the headers with the type and length of what is sent instead."""
    others = [pair for pair in headers if pair[0].lower() not in ("content-type", "content-length")]
    return [*others, ("Content-Type", f"{media_type}; charset=utf-8"), ("Content-Length", str(length))]


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:  # noqa: ARG001
    """PasteDeploy's entry: `use = egg:apus#listing_formats`."""
    return passable(ListingFormats, Affair())
