"""Parts of an upload: what a client sends, or copied from an object.

    PUT ?uploadId&partNumber ──▶ find the upload ──passed()──▶ KEY/UPLOAD_ID/N ──▶ ETag, checksum
    x-amz-copy-source ──▶ GET of the source, or of a range of it ──▶ the same place

A part that comes for an upload which has ended meanwhile is removed again, unless the object is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .....common.http.answer import Answer
from ....footers import FOOTERS
from ...inner import Reply, call, inner_environ
from .. import checksums, customer_keys, customer_parts, metadata, times
from ..copying import SourceBody, SummedBody, opened, source_of
from ..errors import S3Error
from ..markup import element, render
from ..numbers import whole
from ..objects import encrypt, encryption_asked, reply_of
from ..request import Request, decoded_md5
from . import checks, claims, finished, uploads
from .awaited import Awaited
from .names import Upload

_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})\Z", re.ASCII)
_UNMEANT: Mapping[str, str | None] = dict.fromkeys(
    ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Range", "Expires")
)
"""What a part has no use for."""


def put(request: Request) -> Answer:
    """Serve UploadPart and UploadPartCopy."""
    upload = uploads.asked_for(request)
    number = _number(request)
    marker = uploads.find(request, upload)
    if request.header("x-amz-copy-source") is not None:
        return _copied(request, upload, number, marker)
    checks.require_same(request, marker)
    key = customer_parts.required(request.environ, marker)
    wished = encryption_asked(request) if key is None else key.headers()
    text = request.header("Content-MD5")
    md5 = None if text is None else decoded_md5(text)
    headers = {
        **_UNMEANT,
        uploads.MARK: upload.upload_id,
        "Etag": None if md5 is None or key is not None else md5.hex(),
    }
    has_checksum = checksums.keep(request.environ)
    environ = request.environ
    metadata.drop_spent(environ)
    environ["wsgi.input"] = Awaited(
        environ["wsgi.input"], environ.get("CONTENT_LENGTH"), lambda: _require_open(request, upload)
    )
    if key is not None:
        headers[customer_keys.SEALED] = encrypt(environ, key, md5)
    reply = reply_of(request.passed(bucket=upload.container, key=upload.part(number), headers=headers))
    _require(request, upload, reply)
    _require_wanted(request, upload, number)
    said = {name: value for name, value in has_checksum().items() if not name.endswith("-type")}
    return Answer(200, {"ETag": _quoted(reply.headers["etag"]), **said, **wished})


def _quoted(etag: str) -> str:
    bare = etag.strip('"')
    return f'"{bare}"'


def _number(request: Request) -> int:
    """Return the part's number."""
    text, highest = request.query.get("partNumber"), request.config.max_upload_part_num
    number = whole(text, least=1, most=highest)
    if number is not None:
        return number
    raise S3Error(
        "InvalidArgument",
        f"Part number must be an integer between 1 and {highest}, inclusive",
        ArgumentName="partNumber",
        ArgumentValue=text,
    )


def _require(request: Request, upload: Upload, reply: Reply) -> None:
    """Raise what is meant by an answer that is no success; else hear the rest of it."""
    if reply.status == 404:
        reply.close()
        raise uploads.no_such(upload.upload_id)
    if not reply.is_good:
        raise uploads.refusal(request, reply)
    reply.read()


def _require_open(request: Request, upload: Upload) -> None:
    """Raise where an upload has ended, or somebody is ending it: what he has looked at must not change."""
    if claims.is_held(request, upload):
        raise S3Error("ServiceUnavailable")
    uploads.find(request, upload)


def _require_wanted(request: Request, upload: Upload, number: int) -> None:
    """Remove a part for which nobody waits any more, and say so."""
    if uploads.look_for(request, upload) is not None:
        return
    if number not in finished.numbers_in_use(request, upload):
        request.ask("DELETE", upload.container, upload.part(number)).close()
    raise uploads.no_such(upload.upload_id)


# --- copies ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Range:
    """The first and the last byte of what is copied."""

    first: int
    last: int

    @property
    def header(self) -> str:
        return f"bytes={self.first}-{self.last}"


def copy_range(text: str) -> _Range:
    """Return the bytes that x-amz-copy-source-range means; only one form of it is allowed."""
    match = _RANGE.match(text)
    if match is None or int(match[1]) > int(match[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last "
            "are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    return _Range(int(match[1]), int(match[2]))


def _copied(request: Request, upload: Upload, number: int, marker: Mapping[str, str]) -> Answer:
    """Copy a part from an object."""
    key = customer_parts.required(request.environ, marker)
    text = request.header("x-amz-copy-source-range")
    wanted = None if text is None else copy_range(text)
    algorithm = checks.algorithm_of(marker)
    checksum = None if algorithm is None else checksums.of(algorithm)
    reply = opened(request, source_of(request), {} if wanted is None else {"Range": wanted.header})
    try:
        length = _length(reply, wanted)
        body = SourceBody(reply.body, length)
        stored = _write(request, upload, number, _Copied(body, length, checksum, key))
    finally:
        reply.close()
    _require(request, upload, stored)
    _require_wanted(request, upload, number)
    document = element(
        "CopyPartResult",
        element("LastModified", times.iso_of_header(stored.headers["last-modified"])),
        element("ETag", _quoted(stored.headers["etag"])),
        None if checksum is None else element(f"Checksum{checksum.algorithm.name}", checksum.base64()),
    )
    version_id = reply.headers.get("x-object-version-id")
    said = {} if version_id is None else {"x-amz-copy-source-version-id": version_id}
    if key is not None:
        said.update(key.headers())
    return Answer(200, {**uploads.XML, **said}, render(document))


@dataclass(frozen=True, slots=True)
class _Copied:
    """A part that is copied."""

    body: SourceBody
    length: int
    checksum: checksums.Sum | None
    key: customer_keys.CustomerKey | None


def _write(request: Request, upload: Upload, number: int, part: _Copied) -> Reply:
    """Store what is copied, with its checksum, which is known behind it."""
    checksum = part.checksum
    source = Awaited(
        part.body if checksum is None else SummedBody(part.body, checksum),
        str(part.length),
        lambda: _require_open(request, upload),
    )
    environ = inner_environ(
        request.environ,
        "PUT",
        request.path(upload.container, upload.part(number)),
        headers={uploads.MARK: upload.upload_id},
        body=source,
        length=part.length,
    )
    if checksum is not None:
        name = checksum.algorithm.name
        environ[FOOTERS] = lambda footers: footers.update(checksums.headers(name, checksum.base64()))
    if part.key is not None:
        environ[customer_keys.SEALED_KEY] = encrypt(environ, part.key, None)
    return call(request.app, environ)


def _length(reply: Reply, wanted: _Range | None) -> int:
    """Return how many bytes are copied."""
    length = int(reply.headers.get("content-length", "0"))
    if wanted is not None and (reply.status != 206 or length != wanted.last - wanted.first + 1):
        size = reply.headers.get("content-range", "").rpartition("/")[2] or str(length)
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=wanted.header,
        )
    return length
