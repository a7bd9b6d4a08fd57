"""Rows of the container in which uploads and parts are kept.

of_parts(upload) ──▶ every row of its parts
of_uploads(prefix, start) ──▶ rows of uploads, and of few of the parts between them
of_all(bucket) ──▶ every row there is
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from ..errors import S3Error
from ..request import Request
from .names import SUFFIX, Upload, behind_parts
from .pages import Row
from .uploads import refusal

_PAGE = 1000
_PARTS_PAGE = 10_000


def of_parts(request: Request, upload: Upload) -> Iterator[Row]:
    """Yield the rows of an upload's parts, in the order of their names."""
    marker = ""
    while rows := _page(request, upload.bucket, prefix=upload.prefix, marker=marker, limit=_PARTS_PAGE):
        yield from rows
        if len(rows) < _PARTS_PAGE:
            return
        marker = rows[-1].name


def of_uploads(request: Request, bucket: str, *, prefix: str, start: str) -> Iterator[Row]:
    """Yield rows of uploads that begin with `prefix` and follow on `start`; some of parts are among them."""
    marker = start
    while rows := _page(request, bucket, prefix=prefix, marker=marker, limit=_PAGE):
        yield from rows
        if len(rows) < _PAGE:
            return
        marker = behind_parts(rows[-1].name) or rows[-1].name


def of_all(request: Request, bucket: str) -> Iterator[Row]:
    """Yield every row, in the order of the names."""
    marker = ""
    while rows := _page(request, bucket, prefix="", marker=marker, limit=_PAGE):
        yield from rows
        if len(rows) < _PAGE:
            return
        marker = rows[-1].name


def _page(request: Request, bucket: str, *, prefix: str, marker: str, limit: int) -> list[Row]:
    """Return one page; none where there have never been uploads."""
    asked = {"format": "json", "prefix": prefix, "marker": marker, "limit": str(limit)}
    query = {name: value for name, value in asked.items() if value}
    reply = request.ask("GET", bucket + SUFFIX, query=query)
    if reply.status == 404:
        reply.close()
        if not request.bucket_exists():
            raise S3Error("NoSuchBucket", BucketName=bucket)
        return []
    if not reply.is_good:
        raise refusal(request, reply)
    return [
        Row(row["name"], row["bytes"], row["hash"], row["last_modified"])
        for row in orjson.loads(reply.read() or b"[]")
    ]
