"""Listings of a bucket: ListObjects, ListObjectsV2 and ListObjectVersions.

    asked.py      what a client asks for
    rows.py       rows of the store's listings, and what S3 sees in them
    documents.py  pages of rows as S3 documents
    etags.py      what the store's own clients see of S3's ETags

One row more than the client wants is asked of the store: that tells whether there is another page.
"""

from __future__ import annotations

from typing import Any

import orjson

from .....common.http.answer import Answer
from ..answers import owner, xml_answer
from ..errors import from_swift
from ..request import Request
from ..versioning import require_version_id
from .asked import Asked
from .documents import Page, listed
from .rows import Row, cut, rolled_up

_JSON = {"Accept": "application/json"}
_UNTAKEN = frozenset("0123456789.")
"""What the store takes in no delimiter of versions: it stands in the names that they are kept under."""


def list_objects(request: Request) -> Answer:
    """ListObjects and ListObjectsV2."""
    asked = Asked.of(request.query, rows_max=request.config.max_bucket_listing)
    query = {
        "marker": asked.marker,
        "prefix": asked.prefix,
        "delimiter": asked.delimiter,
        "limit": str(asked.keys_max + 1),
    }
    return _answer(request, asked, _rows(request, query))


def list_versions(request: Request) -> Answer:
    """ListObjectVersions."""
    asked = Asked.of(request.query, rows_max=request.config.max_bucket_listing)
    if asked.version_marker:
        require_version_id(asked.version_marker, name="version-id-marker")

    def fetch(marker: str, version_marker: str, limit: int, delimiter: str = "") -> list[Row]:
        query = {
            "versions": "",
            "marker": marker,
            "prefix": asked.prefix,
            "delimiter": delimiter,
            "limit": str(limit),
        }
        if version_marker:
            query["version_marker"] = version_marker
        return _rows(request, query)

    wanted = asked.keys_max + 1
    if _UNTAKEN.isdisjoint(asked.delimiter):
        rows = fetch(asked.marker, asked.version_marker, wanted, asked.delimiter)
    else:
        rows = rolled_up(
            fetch,
            prefix=asked.prefix,
            delimiter=asked.delimiter,
            marker=asked.marker,
            version_marker=asked.version_marker,
            wanted=wanted,
        )
    return _answer(request, asked, rows)


def _rows(request: Request, query: dict[str, str]) -> list[Row]:
    """Return rows of the store's listing."""
    said = {name: value for name, value in query.items() if value or name == "versions"}
    reply = request.ask("GET", request.bucket, query={**said, "format": "json"}, headers=_JSON)
    body = reply.read()
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers, body)
    rows: list[dict[str, Any]] = orjson.loads(body or b"[]")
    return rows


def _answer(request: Request, asked: Asked, rows: list[Row]) -> Answer:
    assert request.bucket is not None
    page, is_truncated = cut(rows, asked.keys_max)
    return xml_answer(listed(Page(request.bucket, asked, page, is_truncated, owner(request))))


OPERATIONS = {
    ("bucket", "GET", ""): list_objects,
    ("bucket", "GET", "versions"): list_versions,
}
