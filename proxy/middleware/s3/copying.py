"""CopyObject: PUT with x-amz-copy-source.

    x-amz-copy-source: /bucket/a%20key?versionId=… ──source_of()──▶ Source
    Source ──GET with the caller's rights──▶ body, piece by piece ──PUT──▶ <CopyObjectResult>

The caller needs the right to read there and to write here. A copy of a multipart upload is an object of its
own, of one piece. One that takes long is answered at once with 200 and white space; its document tells how
it went: clients look for an <Error> in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

from ....common.errors import ApusError, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, from_wsgi
from ...footers import FOOTERS
from ..inner import BodySource, Reply, ask, call, inner_environ, path_of
from ..inner import Source as Readable
from ..slow_answers import DECLARATION, beating
from . import checksums, customer_keys, customer_parts, metadata, names, objects, replaced, times, versioning
from .access_logging.further import Deed, note
from .attributes import checksum_elements
from .errors import S3Error, from_swift
from .notification.meaning import means
from .request import Request
from .xml import Element, element, render

log = logging.getLogger(__name__)

BYTES_MAX = 5 << 30
SLOW_BYTES = 256 << 20
"""Copies of more are answered before they are done: clients don't wait that long for a first byte."""
BEAT_SECONDS = 10.0
SOURCE = "x-amz-copy-source"
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
_DESCRIBED = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
"""What an object says of its content, beside the client's own metadata."""
_DOCUMENT = {"Content-Type": "application/xml"}


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied; the version is None for the current one."""

    bucket: str
    key: str
    version_id: str | None = None
    account: str | None = None
    """Another one than the request's."""

    def query(self) -> dict[str, str]:
        """Return what to say to the store of the version."""
        return {} if self.version_id is None else {"version-id": self.version_id}


# --- what is copied --------------------------------------------------------------------------------


def source_of(request: Request) -> Source:
    """Return the source that a request names.

    Raises:
        S3Error: for what names none.
    """
    return named(request.header(SOURCE) or "")


def named(text: str) -> Source:
    """Return the source that a header, a WSGI string, names: percent-encoded, a slash in front or none."""
    path, question, query = text.partition("?")
    name, _, version_id = query.partition("=")
    if question and (name != "versionId" or not version_id or "&" in version_id):
        raise _no_source(text, "Unsupported copy source parameter.")
    try:
        decoded = unquote(from_wsgi(path), errors="strict")
    except UnicodeDecodeError as problem:
        raise _no_source(text, "The copy source must be UTF-8, percent-encoded.") from problem
    place, _, key = decoded.removeprefix("/").partition("/")
    account, _, bucket = place.rpartition(":")
    if not bucket or not key or "\0" in decoded:
        raise _no_source(text, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    if not names.is_bucket(bucket):
        raise S3Error("InvalidBucketName", BucketName=bucket)
    if not question:
        return Source(bucket, key, account=account or None)
    version_id = unquote(version_id)
    versioning.require_version_id(version_id)
    return Source(bucket, key, version_id, account or None)


def _no_source(text: str, sentence: str) -> S3Error:
    return S3Error("InvalidArgument", sentence, ArgumentName=SOURCE, ArgumentValue=from_wsgi(text))


def conditions_of(request: Request) -> dict[str, str]:
    """Return the conditions on the source, as headers for its GET."""
    said = {}
    for name in _CONDITIONS:
        value = request.header(f"{SOURCE}-{name}")
        if value is not None:
            said[name.title()] = value
    if said:
        said[objects.ETAG_IS_AT] = metadata.ETAG.title()
    return said


def opened(request: Request, source: Source, headers: Mapping[str, str] | None = None) -> Reply:
    """Return the source as the store answers it, its body still to be read.

    Raises:
        S3Error: where it is not there, is not the caller's to read, or is not as the conditions want it.
    """
    asked = {"X-Newest": "true", **conditions_of(request), **(headers or {})}
    account = source.account or request.account
    if request.header("x-amz-source-expected-bucket-owner") not in (None, account):
        raise S3Error("AccessDenied", "The source's bucket has another owner than the request expects.")
    path = path_of(request.environ, account, source.bucket, source.key)
    reply = ask(request.app, request.environ, "GET", path, headers=asked, query=source.query())
    if reply.is_good:
        place = customer_parts.Place(account, source.bucket, source.key, source.query())
        _decrypt(request, place, reply)
        note(request.environ, _reading(source, account, is_for_part="uploadId" in request.query))
        return reply
    reply.close()
    if reply.status in (304, 412):
        raise S3Error("PreconditionFailed")
    if reply.status != 404:
        raise from_swift(reply.status, request, reply.headers)
    if versioning.is_marker(reply.headers):
        raise S3Error("InvalidRequest", "The source of a copy request may not be a delete marker.")
    path = path_of(request.environ, account, source.bucket)
    bucket = ask(request.app, request.environ, "HEAD", path, trusted=True)
    bucket.close()
    if bucket.status == 404:
        raise S3Error("NoSuchBucket", BucketName=source.bucket)
    if source.version_id is not None:
        raise S3Error("NoSuchVersion", Key=source.key, VersionId=source.version_id)
    raise S3Error("NoSuchKey", Key=source.key)


def _reading(source: Source, account: str, *, is_for_part: bool) -> Deed:
    """Return what the log of the source's bucket has to tell."""
    operation = "REST.COPY.PART_GET" if is_for_part else "REST.COPY.OBJECT_GET"
    return Deed(
        operation=operation,
        account=account,
        bucket=source.bucket,
        key=source.key,
        version_id=source.version_id,
    )


def _decrypt(request: Request, place: customer_parts.Place, reply: Reply) -> None:
    """Make a source that is encrypted with the client's key what it was; its ETag was of something else."""
    sealed = reply.headers.pop(customer_keys.SEALED, None)
    try:
        key = customer_keys.opened(request.environ, sealed, customer_keys.SOURCE_NAME)
    except S3Error:
        reply.close()
        raise
    if key is not None:
        reply.body = customer_parts.decrypted(request.app, request.environ, place, reply, *key)
        del reply.headers["etag"]


class SourceBody(BodySource):
    """The source's body, which must be as long as it was announced."""

    def __init__(self, pieces: Iterable[bytes], length: int) -> None:
        super().__init__(pieces)
        self._missing = length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        data = super().read(size)
        self._missing -= len(data)
        if not data and size and self._missing > 0:
            raise Unavailable("The source of the copy broke off; ask again.")
        return data


class SummedBody:
    """A body whose checksum is taken as it is read."""

    def __init__(self, body: Readable, taken: checksums.Sum) -> None:
        self._body = body
        self.sum = taken

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        data = self._body.read(size)
        self.sum.update(data)
        return data


# --- the copy --------------------------------------------------------------------------------------


def copy(request: Request) -> Answer:
    """Serve CopyObject."""
    source = source_of(request)
    _refuse_what_is_no_copy(request, source)
    written = _own_headers(request)
    key = customer_keys.asked(request.environ)
    said = objects.encryption_asked(request) if key is None else key.headers()
    reply = opened(request, source)
    try:
        length = int(reply.headers.get("content-length", "-1"))
        if not 0 <= length <= BYTES_MAX:
            raise S3Error(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source: "
                f"{BYTES_MAX}",
            )
        headers = _headers(request, reply, written)
    except BaseException:
        reply.close()
        raise
    version_id = reply.headers.get("x-object-version-id")
    if version_id is not None:
        said["x-amz-copy-source-version-id"] = version_id

    def store() -> tuple[Element, dict[str, str]]:
        return _stored(request, _Copy(reply, headers, length, key))

    if length > SLOW_BYTES:
        body = beating(lambda: _told(request, store), form="application/xml", every_seconds=BEAT_SECONDS)
        return Answer(200, {**_DOCUMENT, **said}, body)
    result, more = store()
    return Answer(200, {**_DOCUMENT, **said, **more}, render(result))


def _refuse_what_is_no_copy(request: Request, source: Source) -> None:
    if request.header(f"{SOURCE}-range") is not None:
        raise S3Error(
            "InvalidArgument",
            "Only parts of uploads are copied in ranges.",
            ArgumentName=f"{SOURCE}-range",
            ArgumentValue=request.header(f"{SOURCE}-range"),
        )
    if request.header("Range") is not None:
        raise S3Error("InvalidRequest", "A copy has no Range: objects are copied whole.")
    if request.environ.get("CONTENT_LENGTH", "0").strip("0") or "HTTP_TRANSFER_ENCODING" in request.environ:
        raise S3Error("UnexpectedContent", "A copy takes no body.")
    for kind in ("metadata", "tagging"):
        wish = request.header(f"x-amz-{kind}-directive")
        if wish not in (None, "COPY", "REPLACE"):
            raise S3Error(
                "InvalidArgument",
                f"Unknown {kind} directive.",
                ArgumentName=f"x-amz-{kind}-directive",
                ArgumentValue=wish,
            )
    is_same = source == Source(request.bucket or "", request.key or "")
    changes = (
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-server-side-encryption",
    )
    if is_same and not _replaces(request, "metadata") and not any(map(request.header, changes)):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes.",
        )


def _replaces(request: Request, kind: str) -> bool:
    return request.header(f"x-amz-{kind}-directive") == "REPLACE"


def _own_headers(request: Request) -> dict[str, str]:
    """Return what the request itself says of the copy, by headers of the store in lower case."""
    kept = {key[5:].replace("_", "-").lower(): value for key, value in objects.kept_headers(request).items()}
    if not _replaces(request, "metadata"):
        kept = {name: value for name, value in kept.items() if not name.startswith("x-object-meta-")}
    if not _replaces(request, "tagging"):
        kept.pop(metadata.TAGS, None)
    kept.update({name.lower(): value for name, value in objects.write_conditions(request).items()})
    return kept


def _headers(request: Request, reply: Reply, written: Mapping[str, str]) -> dict[str, str]:
    """Return what the copy is stored with: what the request says, and of the source what stays."""
    found = reply.headers
    is_large = metadata.is_large(found)
    kept = {
        name: value
        for name, value in found.items()
        if name.startswith(checksums.STORED) and checksums.kind_of(value) == checksums.FULL_OBJECT
    }
    if _replaces(request, "metadata"):
        for name in _DESCRIBED:
            value = request.header(name)
            if value is not None:
                kept[name] = value
        kept.setdefault("content-type", metadata.DEFAULT_TYPE)
    else:
        kept.update({name: value for name, value in found.items() if name.startswith("x-object-meta-")})
        kept.update({name: found[name] for name in _DESCRIBED if name in found})
    if not _replaces(request, "tagging") and found.get(metadata.TAGS):
        kept[metadata.TAGS] = found[metadata.TAGS]
    if not is_large and "x-object-manifest" not in found and "etag" in found:
        kept["etag"] = found["etag"].strip('"')
    return {**kept, **written}


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy that is to be made."""

    source: Reply
    headers: Mapping[str, str]
    length: int
    key: customer_keys.CustomerKey | None


def _stored(request: Request, copy: _Copy) -> tuple[Element, dict[str, str]]:
    """Store the copy; return the document and the headers that tell of it."""
    headers, length = copy.headers, copy.length
    is_conditional = "if-match" in headers or "if-none-match" in headers
    means(request.environ, "ObjectCreated:Copy")
    try:
        forget = replaced.before(request)
        putting = inner_environ(
            request.environ,
            "PUT",
            request.path(request.bucket, request.key),
            headers=headers,
            body=SourceBody(copy.source.body, length),
            length=length,
        )
        summed = _summed(request.header("x-amz-checksum-algorithm"), headers, putting)
        if copy.key is not None:
            _encrypt(putting, copy.key, length)
        stored = call(request.app, putting)
    finally:
        copy.source.close()
    if not stored.is_good:
        passed = str(stored.status), list(stored.headers.items()), stored.body
        raise objects.write_refusal(request, passed, is_conditional=is_conditional)
    stored.read()
    if forget is not None and stored.status == HTTPStatus.CREATED:
        forget()
    result = result_of("CopyObjectResult", stored, checksums.shown(summed() or headers))
    return result, versioning.version_headers(stored.headers)


def _encrypt(putting: Environ, key: customer_keys.CustomerKey, length: int) -> None:
    """Have a copy encrypted with the client's key; its ETag is not the source's."""
    body = customer_keys.EncryptedBody(putting["wsgi.input"], key, length, None)
    putting["wsgi.input"] = body
    putting[customer_keys.SEALED_KEY] = body.sealed
    putting.pop("HTTP_ETAG", None)


def result_of(root: str, stored: Reply, summed: Mapping[str, str] | None = None) -> Element:
    """Return the document that tells of a copy, with the headers of its checksum."""
    return element(
        root,
        element("LastModified", times.iso_of_header(stored.headers["last-modified"])),
        element("ETag", f'"{stored.headers["etag"].strip(chr(34))}"'),
        *checksum_elements(summed or {}),
    )


def _summed(
    algorithm: str | None, headers: Mapping[str, str], putting: Environ
) -> Callable[[], dict[str, str]]:
    """Have a copy summed up as the request wants it; return what tells, behind the body, how it is stored."""
    if algorithm is None or checksums.STORED + algorithm.lower() in headers:
        return dict
    for name in headers:
        if name.startswith(checksums.STORED):  # An object has one checksum.
            del putting["HTTP_" + name.upper().replace("-", "_")]
    body = SummedBody(putting["wsgi.input"], checksums.of(algorithm))

    def told() -> dict[str, str]:
        said = checksums.headers(body.sum.algorithm.name, body.sum.base64())
        return {name.lower(): value for name, value in said.items()}

    putting["wsgi.input"] = body
    putting[FOOTERS] = lambda footers: footers.update(
        checksums.headers(body.sum.algorithm.name, body.sum.base64())
    )
    return told


def _told(request: Request, store: Callable[[], tuple[Element, dict[str, str]]]) -> bytes:
    """Return the document that tells how a copy went, of which the status line can tell nothing."""
    try:
        document = render(store()[0])
    except S3Error as error:
        document = error.document(request.request_id, request.resource)
    except ApusError as problem:
        log.info("copy failed", extra={"path": request.resource, "problem": str(problem)})
        document = S3Error("ServiceUnavailable").document(request.request_id, request.resource)
    except Exception:  # noqa: BLE001 - the status line is gone: only the document can tell
        log.exception("copy failed", extra={"path": request.resource})
        document = S3Error("InternalError").document(request.request_id, request.resource)
    return document.removeprefix(DECLARATION)  # That is what the beats begin with.


OPERATIONS = {("object", "PUT", "copy"): copy}
