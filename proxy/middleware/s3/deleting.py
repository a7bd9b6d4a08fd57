"""DeleteObjects: many keys, versions among them, in one request.

    <Delete><Object><Key>… ──doomed()──▶ Doomed … ──a few at a time──▶ <DeleteResult> <Deleted>… <Error>…

Each key is judged and deleted by itself, as if it had been asked for alone; what fails is told beside what
did not. What is not there counts as deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ....common.concurrency import Crew
from ....common.errors import ApusError, Refused
from ....common.http.answer import Answer
from . import metadata, objects, versioning
from .access_logging.further import Deed, note
from .configuration import leave
from .errors import S3Error, from_swift
from .numbers import SIZE_MAX, whole
from .request import Request
from .xml import Element, Node, element, render

log = logging.getLogger(__name__)

KEYS_MAX = 1000
BYTES_MAX = 10 << 20
"""A thousand keys of 1024 bytes, each byte an entity."""
CONCURRENCY = 4
_DOCUMENT = {"Content-Type": "application/xml"}


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be deleted, and under which conditions; None is no condition."""

    key: str
    version_id: str | None = None
    etag: str | None = None
    moment: int | None = None
    """When it was last changed, in seconds since 1970."""
    size: int | None = None


def doomed(root: Node) -> list[Doomed]:
    """Return what a document names.

    Raises:
        S3Error: for a document that names nothing, too much, or something that has no key.
    """
    found = [_doomed(node) for node in root.all("Object")]
    if not 0 < len(found) <= KEYS_MAX:
        raise S3Error("MalformedXML", f"Between 1 and {KEYS_MAX} objects can be deleted with one request.")
    return found


def _doomed(node: Node) -> Doomed:
    key = node.value("Key")
    if not key:
        raise S3Error("MalformedXML", "An object to delete has no Key.")
    size = node.value("Size")
    return Doomed(
        key,
        node.value("VersionId") or None,
        node.value("ETag") or None,
        moment_of(node.value("LastModifiedTime")),
        None if size is None else size_of(size),
    )


def moment_of(text: str | None) -> int | None:
    """Return the seconds since 1970 of a moment, as headers or as documents have it."""
    if not text:
        return None
    try:
        if text[:4].isdigit():
            moment = datetime.fromisoformat(text)
        else:
            moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError) as problem:  # The second one is less careful.
        raise S3Error("InvalidArgument", f"This is no date: {text}") from problem
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def size_of(text: str) -> int:
    """Return a size in bytes."""
    size = whole(text, most=SIZE_MAX)
    if size is None:
        raise S3Error("InvalidArgument", f"This is no size: {text}")
    return size


def delete_objects(request: Request) -> Answer:
    """Serve DeleteObjects."""
    request.require_sum()
    root = request.xml("Delete", BYTES_MAX)
    quiet = (root.value("Quiet") or "").strip().lower() == "true"
    objects_ = doomed(root)
    if not request.bucket_exists():
        raise from_swift(request.container().status, request)
    outcomes = Crew(CONCURRENCY).map(lambda each: _outcome(request, each), objects_)
    shown = [each for each in outcomes if not (quiet and each.tag == "Deleted")]
    return Answer(200, dict(_DOCUMENT), render(element("DeleteResult", *shown)))


def _outcome(request: Request, each: Doomed) -> Element:
    """Delete one of them, and return what there is to say of it."""
    try:
        removed = delete(request, each)
    except S3Error as error:
        problem = error
    except Refused as refusal:
        problem = S3Error("InvalidRequest", str(refusal))
    except ApusError:
        problem = S3Error("ServiceUnavailable")
    else:
        _note(request, each, removed.version_id)
        return element("Deleted", element("Key", each.key), *_told(each, removed))
    _note(request, each, each.version_id, problem)
    code, message, *_ = problem.elements()
    version = () if each.version_id is None else (element("VersionId", each.version_id),)
    return element("Error", element("Key", each.key), *version, code, message)


def _note(request: Request, each: Doomed, version_id: str | None, problem: S3Error | None = None) -> None:
    """Keep for the bucket's log what became of one of them."""
    assert request.bucket is not None
    deed = Deed(
        operation="BATCH.DELETE.OBJECT",
        bucket=request.bucket,
        key=each.key,
        version_id=version_id,
        status=204 if problem is None else problem.status,
        error_code=None if problem is None else problem.code,
    )
    note(request.environ, deed)


def _told(each: Doomed, removed: versioning.Removed) -> Sequence[Element]:
    """Return what became of versions."""
    said = []
    if each.version_id is not None:
        said.append(element("VersionId", each.version_id))
    if removed.is_marker:
        said.append(element("DeleteMarker", True))  # noqa: FBT003 - as XML says it.
        said.append(element("DeleteMarkerVersionId", removed.version_id))
    return said


def delete(request: Request, each: Doomed) -> versioning.Removed:
    """Delete an object, or a version, if its conditions hold.

    Raises:
        S3Error: where they don't, or it may not be.
    """
    etag = each.etag
    if each.moment is not None or each.size is not None:
        etag = _etag_if(request, each)
    headers = None if etag is None else objects.matching(etag)
    return versioning.remove(request, each.key, each.version_id, headers=headers)


def _etag_if(request: Request, each: Doomed) -> str:
    """Return the ETag of an object that is as it should be; the DELETE is for that one alone.

    Raises:
        S3Error: PreconditionFailed where it is not.
    """
    assert request.bucket is not None
    leave.require(request, "DELETE", each.key)  # Or whoever asks could guess at size and moment.
    query = {} if each.version_id is None else {"version-id": each.version_id}
    newest = {"X-Newest": "true"}
    reply = request.ask("HEAD", request.bucket, each.key, headers=newest, query=query, trusted=True)
    reply.close()
    if reply.status == 404:
        raise S3Error("NoSuchKey", Key=each.key)
    if not reply.is_good:
        raise from_swift(reply.status, request)
    said, _ = metadata.shown(reply.headers.items())
    if each.size is not None and int(said["Content-Length"]) != each.size:
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-size")
    if each.moment is not None and moment_of(said["Last-Modified"]) != each.moment:
        raise S3Error("PreconditionFailed", Condition="x-amz-if-match-last-modified-time")
    return each.etag or said["ETag"]


def delete_object(request: Request) -> Answer:
    """Serve DELETE of an object, or of a version."""
    assert request.key is not None
    size = request.header("x-amz-if-match-size")
    each = Doomed(
        request.key,
        request.query.get("versionId"),
        request.header("If-Match"),
        moment_of(request.header("x-amz-if-match-last-modified-time")),
        None if size is None else size_of(size),
    )
    return Answer(204, delete(request, each).headers())


OPERATIONS = {
    ("bucket", "POST", "delete"): delete_objects,
    ("object", "DELETE", ""): delete_object,
}
