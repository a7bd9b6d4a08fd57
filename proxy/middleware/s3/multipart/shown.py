"""Uploads and parts as S3 lists them: ListMultipartUploads and ListParts.

GET /bucket?uploads ──▶ rows ──▶ pages.uploads_page() ──▶ <ListMultipartUploadsResult>
GET ?uploadId=…     ──▶ rows ──▶ pages.parts_page() ──HEAD of each, for checksums──▶ <ListPartsResult>
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from .....common.concurrency import Crew
from .....common.http.answer import Answer
from .. import checksums, times
from ..answers import owner
from ..errors import S3Error
from ..listing.asked import require_no_nul
from ..markup import Element, element, render
from ..metadata import STORAGE_CLASS
from ..numbers import whole
from ..request import Request
from . import checks, pages, rows, uploads
from .checks import Checksum
from .names import Upload
from .pages import Row, UploadsWanted

_CREW = 16
_NUMBER_MAX = 2**31 - 1
Spelt = Callable[[str], str]


def list_uploads(request: Request) -> Answer:
    """Serve ListMultipartUploads."""
    assert request.bucket is not None
    query = request.query
    for name in ("prefix", "delimiter", "key-marker", "upload-id-marker"):
        require_no_nul(query, name)
    wanted = UploadsWanted(
        bucket=request.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        key_marker=query.get("key-marker", ""),
        upload_id_marker=query.get("upload-id-marker", ""),
        count_max=min(_count(request, "max-uploads"), request.config.max_bucket_listing),
    )
    spelt = _spelling(request)
    found = rows.of_uploads(request, wanted.bucket, prefix=wanted.prefix, start=wanted.start)
    page = pages.uploads_page(found, wanted)
    last = page.last
    document = element(
        "ListMultipartUploadsResult",
        element("Bucket", wanted.bucket),
        element("KeyMarker", spelt(wanted.key_marker)),
        element("UploadIdMarker", wanted.upload_id_marker),
        None if last is None else element("NextKeyMarker", spelt(last.key)),
        None if last is None else element("NextUploadIdMarker", last.upload_id),
        element("Delimiter", spelt(wanted.delimiter)) if wanted.delimiter else None,
        element("Prefix", spelt(wanted.prefix)) if "prefix" in query else None,
        element("MaxUploads", wanted.count_max),
        element("EncodingType", "url") if "encoding-type" in query else None,
        element("IsTruncated", last is not None),
        *(_upload(request, upload, began, spelt) for upload, began in page.uploads),
        *(element("CommonPrefixes", element("Prefix", spelt(prefix))) for prefix in page.prefixes),
    )
    return Answer(200, dict(uploads.XML), render(document))


def _upload(request: Request, upload: Upload, began: str, spelt: Spelt) -> Element:
    return element(
        "Upload",
        element("Key", spelt(upload.key)),
        element("UploadId", upload.upload_id),
        owner(request, "Initiator"),
        owner(request),
        element("StorageClass", "STANDARD"),
        element("Initiated", times.iso_of_listing(began)),
    )


def list_parts(request: Request) -> Answer:
    """Serve ListParts."""
    upload = uploads.asked_for(request)
    marker = _count(request, "part-number-marker", default=0)
    count_max = min(_count(request, "max-parts"), request.config.max_bucket_listing)
    spelt = _spelling(request)
    stands = uploads.find(request, upload)
    page = pages.parts_page(rows.of_parts(request, upload), upload, marker=marker, count_max=count_max)
    algorithm = checks.algorithm_of(stands)
    document = element(
        "ListPartsResult",
        element("Bucket", upload.bucket),
        element("Key", spelt(upload.key)),
        element("UploadId", upload.upload_id),
        owner(request, "Initiator"),
        owner(request),
        element("StorageClass", stands.get(STORAGE_CLASS) or "STANDARD"),
        element("PartNumberMarker", marker),
        element("NextPartNumberMarker", page.last(marker)),
        element("MaxParts", count_max),
        element("EncodingType", "url") if "encoding-type" in request.query else None,
        element("IsTruncated", page.is_truncated),
        element("ChecksumAlgorithm", algorithm) if algorithm else None,
        element("ChecksumType", checks.kind_of(stands)) if algorithm else None,
        *_parts(request, upload, page.parts, has_checksums=algorithm is not None),
    )
    return Answer(200, dict(uploads.XML), render(document))


def _parts(
    request: Request, upload: Upload, parts: list[tuple[int, Row]], *, has_checksums: bool
) -> Iterator[Element]:
    """Yield the elements of parts; a row knows no checksums, so each part is asked for its own."""

    def ask(part: tuple[int, Row]) -> Checksum:
        reply = request.ask("HEAD", upload.container, upload.part(part[0]), trusted=True)
        reply.close()
        return checksums.stored(reply.headers) if reply.is_good else {}

    found = Crew(_CREW).map(ask, parts) if has_checksums else ({} for _ in parts)
    for (number, row), checksum in zip(parts, found, strict=True):
        yield element(
            "Part",
            element("PartNumber", number),
            element("LastModified", times.iso_of_listing(row.modified)),
            element("ETag", f'"{row.etag}"'),
            element("Size", row.size),
            *(element(f"Checksum{name}", value) for name, value in checksum.items()),
        )


def _spelling(request: Request) -> Spelt:
    """Return how names are written; names that XML cannot carry need another spelling."""
    encoding = request.query.get("encoding-type")
    if encoding is None:
        return str
    if encoding == "url":
        return quote
    raise S3Error(
        "InvalidArgument",
        "Invalid Encoding Method specified in Request",
        ArgumentName="encoding-type",
        ArgumentValue=encoding,
    )


def _count(request: Request, name: str, *, default: int = 1000) -> int:
    """Return a number from the query."""
    text = request.query.get(name)
    if not text:
        return default
    number = whole(text, most=_NUMBER_MAX)
    if number is not None:
        return number
    raise S3Error(
        "InvalidArgument",
        f"Argument {name} must be an integer between 0 and {_NUMBER_MAX}",
        ArgumentName=name,
        ArgumentValue=text,
    )
