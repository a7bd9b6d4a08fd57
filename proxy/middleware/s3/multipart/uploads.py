"""Uploads in several parts: begun, and found again.

    POST ?uploads ──create()──▶ BUCKET+segments, KEY/UPLOAD_ID with all headers that the object will have
    ?uploadId=… ──asked_for()──▶ Upload ──find()──▶ those headers, or S3Error: NoSuchUpload

What stands for the upload is there from the beginning to the end of it: while it is, there are parts or may
be some.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import quote

from .....common.http.answer import Answer
from ...inner import Reply
from .. import customer_keys, customer_parts, metadata
from ..errors import S3Error, from_swift
from ..markup import element, render
from ..objects import encryption_asked, kept_headers
from ..request import Request
from . import checks
from .names import Upload, can_be_upload_id

MARK = "x-object-sysmeta-s3api-upload-id"
"""What a finished object keeps of the upload that it was made of; stock's name."""
HAS_TYPE = metadata.SYSMETA + "has-content-type"
TYPE = metadata.SYSMETA + "content-type"
MARKER_TYPE = "application/directory"
XML = {"Content-Type": "application/xml"}
_PASSED = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires")
_PASSED_LOWER = frozenset(name.lower() for name in _PASSED)
_OF_THE_MARKER = frozenset((HAS_TYPE, TYPE, checks.ALGORITHM, checks.KIND))
_KEPT_PREFIXES = ("x-object-meta-", metadata.SYSMETA, metadata.TRANSIENT)
_LOCK = "HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_LOCK_"
_ID_BYTES = 24  # As many as nobody guesses; they make 32 characters.


def create(request: Request) -> Answer:
    """Serve CreateMultipartUpload."""
    assert request.bucket is not None
    assert request.key is not None
    upload = Upload(request.bucket, request.key, _new_id())
    headers = _stored(request)
    key = customer_keys.asked(request.environ)
    if key is None:
        wished = encryption_asked(request)
    else:
        wished = key.headers()
        headers[customer_keys.SEALED] = customer_parts.mark(key)
    reply = _begin(request, upload, headers)
    if reply.status == 404:
        _make_container(request, upload)
        reply = _begin(request, upload, headers)
    if not reply.is_good:
        raise refusal(request, reply)
    document = element(
        "InitiateMultipartUploadResult",
        element("Bucket", upload.bucket),
        element("Key", upload.key),
        element("UploadId", upload.upload_id),
    )
    return Answer(200, {**XML, **checks.said(headers), **wished}, render(document))


def _new_id() -> str:
    """Return an upload's name: no number, and nothing that looks like an option of a command."""
    while True:
        text = secrets.token_urlsafe(_ID_BYTES)
        if text[0] not in "-_" and can_be_upload_id(text):
            return text


def _begin(request: Request, upload: Upload, headers: Mapping[str, str]) -> Reply:
    reply = request.ask("PUT", upload.container, upload.name, headers=headers)
    reply.body = [reply.read()]
    return reply


def _stored(request: Request) -> dict[str, str]:
    """Return the headers that are kept until the object is made."""
    kept = kept_headers(request)
    headers = {key.removeprefix("HTTP_").replace("_", "-").lower(): value for key, value in kept.items()}
    for name in _PASSED:
        value = request.header(name)
        if value:
            headers[name.lower()] = value
    kind = request.header("Content-Type")
    headers[HAS_TYPE] = "yes" if kind else "no"
    if kind:
        headers[TYPE] = kind
    headers["content-type"] = MARKER_TYPE
    return {**headers, **checks.asked(request)}


def lock_of(request: Request) -> dict[str, str]:
    """Return what the request, or its bucket, says of the time that the object must stay."""
    return {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in request.environ.items()
        if key.startswith(_LOCK)
    }


def _make_container(request: Request, upload: Upload) -> None:
    """Make the container of the parts: of the bucket's policy, and open to the same people."""
    bucket = request.ask("HEAD", upload.bucket, trusted=True)
    bucket.close()
    if bucket.status == 404:
        raise S3Error("NoSuchBucket", BucketName=upload.bucket)
    kept = ("x-storage-policy", "x-container-read", "x-container-write")
    headers = {name: bucket.headers[name] for name in kept if name in bucket.headers}
    made = request.ask("PUT", upload.container, headers=headers)
    if not made.is_good:
        raise refusal(request, made)
    made.close()


def refusal(request: Request, reply: Reply) -> S3Error:
    """Return what an answer of the store means, other than that something is not there."""
    body = reply.read()
    if reply.status == 400 and b"Object name length" in body:
        sentence = "The key is longer than that of an upload in several parts may be."
        return S3Error("KeyTooLongError", sentence, Key=request.key)
    return from_swift(reply.status, request, reply.headers, body)


def asked_for(request: Request) -> Upload:
    """Return the names of the upload that a request is about."""
    assert request.bucket is not None
    assert request.key is not None
    upload_id = request.query.get("uploadId", "")
    if not can_be_upload_id(upload_id):
        raise no_such(upload_id)
    return Upload(request.bucket, request.key, upload_id)


def no_such(upload_id: str) -> S3Error:
    """Return that there is no such upload."""
    return S3Error("NoSuchUpload", UploadId=upload_id)


def find(request: Request, upload: Upload) -> Mapping[str, str]:
    """Return the headers of what stands for an upload; names in lower case.

    Raises:
        S3Error: NoSuchUpload, NoSuchBucket.
    """
    found = look_for(request, upload)
    if found is None:
        if not request.bucket_exists():
            raise S3Error("NoSuchBucket", BucketName=upload.bucket)
        raise no_such(upload.upload_id)
    return found


def look_for(request: Request, upload: Upload) -> Mapping[str, str] | None:
    """Return the headers of what stands for an upload; None when nothing does any more."""
    # All replicas are asked: one that has not heard of the end of it would let in parts that nobody removes.
    reply = request.ask("HEAD", upload.container, upload.name, headers={"X-Newest": "true"}, trusted=True)
    if reply.status == 404:
        reply.close()
        return None
    if not reply.is_good:
        raise refusal(request, reply)
    reply.close()
    return reply.headers


def object_headers(upload: Upload, marker: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the object of an upload is stored with, beside its ETag and checksums."""
    headers = {
        name: value
        for name, value in marker.items()
        if (name.startswith(_KEPT_PREFIXES) and name not in _OF_THE_MARKER) or name in _PASSED_LOWER
    }
    if HAS_TYPE in marker:
        headers["content-type"] = marker.get(TYPE) or metadata.DEFAULT_TYPE
    else:
        headers["content-type"] = marker.get("content-type") or metadata.DEFAULT_TYPE
    return {**headers, MARK: upload.upload_id}


def location(request: Request) -> str:
    """Return the URL of the object, as the client addresses it."""
    environ = request.environ
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    path = environ.get("RAW_PATH_INFO") or quote(f"/{request.bucket}/{request.key}")
    return f"{environ['wsgi.url_scheme']}://{host}{path.partition('?')[0]}"
