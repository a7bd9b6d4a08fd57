"""Whether a file and an object are the same, byte for byte, without moving them.

headers of the object ──▶ pieces(): (MD5, bytes) of the object or of each segment ──▶ compared with the file
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from swiftclient.utils import config_true_value

from .files import is_made_of
from .session import Session

NESTED_MAX = 10  # Deeper than the store allows manifests to be nested.


def is_static(headers: Mapping[str, str]) -> bool:
    """Return whether these are the headers of a static large object."""
    return bool(config_true_value(headers.get("x-static-large-object")))


def is_large(headers: Mapping[str, str]) -> bool:
    """Return whether these are the headers of a large object, whose ETag is not the MD5 of its bytes."""
    return is_static(headers) or "x-object-manifest" in headers


def is_identical(session: Session, container: str, name: str, headers: Mapping[str, str], path: Path) -> bool:
    """Return whether the file holds what the object holds."""
    known = pieces(session, container, name, headers)
    if known is None:
        return False
    try:
        if path.stat().st_size != sum(length for _etag, length in known):
            return False
    except OSError:
        return False
    return is_made_of(path, known, session.check)


def manifest_rows(session: Session, container: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of a static large object's manifest."""
    _headers, body = session.connection.get_object(container, name, query_string="multipart-manifest=get")
    rows: list[dict[str, Any]] = json.loads(body)
    return rows


def pieces(
    session: Session, container: str, name: str, headers: Mapping[str, str], depth: int = 0
) -> list[tuple[str, int]] | None:
    """Return (MD5, bytes) of what the object is made of, in order; None where that cannot be told."""
    if is_static(headers):
        return None if depth > NESTED_MAX else _static_pieces(session, container, name, depth)
    if "x-object-manifest" in headers:
        place, _, prefix = unquote(headers["x-object-manifest"]).partition("/")
        if session.container_headers(place) is None:
            return None
        return [(row["hash"], row["bytes"]) for row in session.listing(place, prefix=prefix)]
    return [(headers["etag"].strip('"'), int(headers["content-length"]))]


def _static_pieces(session: Session, container: str, name: str, depth: int) -> list[tuple[str, int]] | None:
    found: list[tuple[str, int]] = []
    for row in manifest_rows(session, container, name):
        if "range" in row or "data" in row:
            return None
        if not row.get("sub_slo"):
            found.append((row["hash"], row["bytes"]))
            continue
        inner_container, _, inner_name = row["name"].lstrip("/").partition("/")
        inner = pieces(session, inner_container, inner_name, {"x-static-large-object": "true"}, depth + 1)
        if inner is None:
            return None
        found += inner
    return found
