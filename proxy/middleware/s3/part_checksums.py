"""The checksum of one part of an object, where a client asks for just that part.

    GET ?partNumber=N, x-amz-checksum-mode ──▶ manifest ──N-th segment──▶ HEAD ──▶ x-amz-checksum-…

What is kept with the object is of all its bytes, or of its parts' checksums; the body of this answer is
neither. Objects of one piece, and those without checksums, cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from . import checksums, metadata, spent
from .request import Request


def of_part(
    request: Request, query: Mapping[str, str], part: int, facts: Mapping[str, str]
) -> dict[str, str]:
    """Return the headers that tell of a part's checksum; `facts` are the object's."""
    if not checksums.stored(facts):
        return {}
    if not metadata.is_large(facts):
        return checksums.shown(facts)
    version = {name: value for name, value in query.items() if name == "version-id"}
    shown = request.ask("GET", request.bucket, request.key, query={**version, "multipart-manifest": "get"})
    document = shown.read(spent.MANIFEST_BYTES_MAX)
    rows = orjson.loads(document) if shown.is_good else []
    if part > len(rows) or "name" not in rows[part - 1]:
        return {}
    _, container, name = rows[part - 1]["name"].split("/", 2)
    head = request.ask("HEAD", container, name, trusted=True)
    head.close()
    return checksums.shown(head.headers) if head.is_good else {}
