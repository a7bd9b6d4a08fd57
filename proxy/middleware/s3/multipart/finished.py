"""What has been made of an upload that has ended, or that somebody died over.

    found() ──▶ the object at the key, if it is made of this upload
    search() ──▶ it, or a version of it that is made of certain parts
    numbers_in_use() ──▶ parts that the key's object, or a version of it, is made of

While an upload is completed, its object is there before what stands for the upload is gone. Whoever finds
both may take away neither the object nor its parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from .. import metadata
from ..errors import S3Error, from_swift
from ..listing.rows import with_s3_etag
from ..request import Request
from ..versioning import has_versions
from .names import Upload, number_of
from .uploads import MARK

_AS_STORED = {"multipart-manifest": "get"}
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Finished:
    """An object that is made of an upload."""

    etag: str
    version_id: str | None
    headers: Mapping[str, str]
    is_unreached: bool = False
    """Whether it is the newest version, and the key does not lead to it."""


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of the key, with the ETag that S3 knows it by if it is made of any upload."""

    version_id: str
    etag: str
    is_newest: bool


def found(request: Request, upload: Upload, version_id: str | None = None) -> Finished | None:
    """Return the object at the upload's key, or a version of it, if it is made of this upload."""
    query = {} if version_id is None else {"version-id": version_id}
    reply = request.ask(
        "HEAD", upload.bucket, upload.key, query=query, headers={"X-Newest": "true"}, trusted=True
    )
    reply.close()
    if reply.status // 100 == 5:
        raise S3Error("ServiceUnavailable")
    headers = reply.headers
    if not reply.is_good or headers.get(MARK) != upload.upload_id or metadata.ETAG not in headers:
        return None
    if not metadata.is_large(
        headers
    ):  # A copy by the Swift API, in one piece, keeps what is said of the original.
        return None
    return Finished(headers[metadata.ETAG], headers.get("x-object-version-id"), headers)


def search(request: Request, upload: Upload, etag: str) -> Finished | None:
    """Return the key's object, or a version of it, if it is made of this upload and has this ETag."""
    current = found(request, upload)
    if current is not None:
        return current if current.etag == etag else None
    for version in _versions(request, upload):
        if version.etag == etag:
            there = found(request, upload, version.version_id)
            if there is not None:
                return replace(there, is_unreached=version.is_newest)
    return None


def reach(request: Request, upload: Upload, done: Finished) -> None:
    """Have the key lead to a version, of which somebody died before that."""
    assert done.version_id is not None
    reply = request.ask("PUT", upload.bucket, upload.key, query={"version-id": done.version_id})
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request)


def numbers_in_use(request: Request, upload: Upload) -> set[int]:
    """Return the parts of which the key's object, or a version of it, is made."""
    if found(request, upload) is not None:
        return _numbers(request, upload, {})
    for version in _versions(request, upload):
        if version.etag and found(request, upload, version.version_id) is not None:
            return _numbers(request, upload, {"version-id": version.version_id})
    return set()


def _numbers(request: Request, upload: Upload, query: Mapping[str, str]) -> set[int]:
    """Return the parts that a manifest names."""
    reply = request.ask("GET", upload.bucket, upload.key, query={**_AS_STORED, **query}, trusted=True)
    document = reply.read()
    if not reply.is_good:
        raise from_swift(reply.status, request)
    prefix = f"/{upload.container}/"
    names = (str(row.get("name", "")) for row in orjson.loads(document))
    numbers = (number_of(upload, name.removeprefix(prefix)) for name in names)
    return {number for number in numbers if number is not None}


def _versions(request: Request, upload: Upload) -> Iterator[_Version]:
    """Yield the versions of the key, the newest first."""
    if not has_versions(request.container()):
        return
    query = {"versions": "", "prefix": upload.key, "limit": str(_PAGE), "format": "json"}
    is_newest = True
    while True:
        reply = request.ask("GET", upload.bucket, query=query, trusted=True)
        document = reply.read()
        if not reply.is_good:
            raise from_swift(reply.status, request)
        rows: list[dict[str, Any]] = orjson.loads(document or b"[]")
        for row in rows:
            if row["name"] != upload.key:
                return
            etag = str(with_s3_etag(row).get("s3_etag", "")).strip('"')
            yield _Version(row["version_id"], etag, is_newest)
            is_newest = False
        if len(rows) < _PAGE:
            return
        query = {**query, "marker": rows[-1]["name"], "version_marker": rows[-1]["version_id"]}
