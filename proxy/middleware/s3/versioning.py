"""Versions of objects: a bucket's state, ids, delete markers, and what comes back when one is removed.

    PUT ?versioning ──▶ X-Versions-Enabled       ?versionId=… ──version_query()──▶ ?version-id=…
    DELETE ──remove()──▶ a marker, or a version gone and the newest of the others current again
    404 ──missing()──▶ NoSuchKey, NoSuchVersion, or a delete marker's answer

The store keeps versions under the moments they were made in, and what was made without versions as `null`.
Where a version that the name leads to is removed, the store leaves the name empty; S3 wants the one before it
there. That link is made only while the name is empty, so that it never hides what somebody wrote meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ....common.http.answer import Answer
from ....common.timestamp import Timestamp
from ...info import ContainerInfo
from ..inner import Reply, call, inner_environ
from ..slo.reading import MARK
from ..versioned_writes.copies import DELETE_MARKER_TYPE
from . import spent
from .configuration import locking, reading
from .errors import S3Error, from_swift
from .notification.meaning import means
from .request import Request
from .xml import element, render

NULL = "null"
CONFIGURATION_BYTES_MAX = 10_240
_DOCUMENT = {"Content-Type": "application/xml"}
_NOBODYS = "0000000000.00000"
"""The id of a version that no object has."""
_ROWS_LOOKED_AT = 10
"""The newest version has a row at once, as a rule; some rows may be of versions that are gone."""
_LIMITS = {"limit": str(_ROWS_LOOKED_AT), "format": "json"}
_ANSWERED = {"Accept": "application/json"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Removed:
    """What came of a DELETE, as its answer tells it."""

    version_id: str | None = None
    """The version that was removed, or the marker that was made; None in a bucket without versions."""
    is_marker: bool = False
    """Whether a delete marker was made or removed."""

    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        said = {} if self.version_id is None else {"x-amz-version-id": self.version_id}
        return {**said, "x-amz-delete-marker": "true"} if self.is_marker else said


# --- the state of a bucket ---------------------------------------------------------------------


def has_versions(info: ContainerInfo) -> bool:
    """Tell whether versions of a bucket's objects are kept, or were."""
    return bool(info.sysmeta.get("versions-container"))


def is_enabled(info: ContainerInfo) -> bool:
    """Tell whether what is written is a version now."""
    return has_versions(info) and _state(info.sysmeta.get("versions-enabled")) == "Enabled"


def _state(enabled: str | None) -> str | None:
    if enabled is None:
        return None
    return "Enabled" if enabled.lower() in ("true", "1", "yes", "on", "t", "y") else "Suspended"


def get_versioning(request: Request) -> Answer:
    """Answer what the state of the bucket is; one that never had versions has none."""
    reply = request.ask("HEAD", request.bucket)
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers)
    state = _state(reply.headers.get("x-versions-enabled"))
    said = None if state is None else element("Status", state)
    return Answer(200, dict(_DOCUMENT), render(element("VersioningConfiguration", said)))


def put_versioning(request: Request) -> Answer:
    """Enable or suspend versions."""
    asked = request.xml("VersioningConfiguration", CONFIGURATION_BYTES_MAX)
    reading.only(asked, ("Status", "MfaDelete"), once=("Status", "MfaDelete"))
    state = asked.value("Status")
    if asked.value("MfaDelete", "Disabled") != "Disabled" or request.header("x-amz-mfa") is not None:
        raise S3Error("NotImplemented", "Deletion by a second factor (MfaDelete) is not implemented.")
    if state not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    if state == "Suspended" and locking.is_locking(request.container()):
        raise S3Error("InvalidBucketState", "A bucket with object lock keeps its versions.")
    headers = {"X-Versions-Enabled": "true" if state == "Enabled" else "false"}
    reply = request.ask("POST", request.bucket, headers=headers)
    sentence = reply.read()
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers, sentence)
    return Answer(200)


# --- ids and headers ---------------------------------------------------------------------------


def is_version_id(text: str) -> bool:
    """Tell whether an id can be one of the store's."""
    try:
        return text == NULL or Timestamp.parse(text).normal == text
    except ValueError:
        return False


def version_query(request: Request) -> dict[str, str]:
    """Return what to say to the store of the version that a request is for; nothing for the current one.

    Raises:
        S3Error: for what is no id, and for a version of a bucket that never had any.
    """
    version_id = request.query.get("versionId")
    if version_id is None:
        return {}
    require_version_id(version_id)
    if version_id != NULL and not has_versions(request.container()):
        if not request.bucket_exists():
            raise S3Error("NoSuchBucket", BucketName=request.bucket)
        raise S3Error("NoSuchVersion", Key=request.key, VersionId=version_id)
    return {"version-id": version_id}


def require_version_id(version_id: str, *, name: str = "versionId") -> None:
    """Raise InvalidArgument, of the argument of this name, for what is no id."""
    if not version_id:
        raise S3Error(
            "InvalidArgument",
            "Version id cannot be the empty string",
            ArgumentName=name,
            ArgumentValue="",
        )
    if not is_version_id(version_id):
        raise S3Error(
            "InvalidArgument",
            "Invalid version id specified",
            ArgumentName=name,
            ArgumentValue=version_id,
        )


def version_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what an answer of the store, its headers in lower case, says of versions in S3's words."""
    said = {}
    if "x-object-version-id" in headers:
        said["x-amz-version-id"] = headers["x-object-version-id"]
    if "x-copied-from-version-id" in headers:
        said["x-amz-copy-source-version-id"] = headers["x-copied-from-version-id"]
    if is_marker(headers):
        said["x-amz-delete-marker"] = "true"
    return said


def is_marker(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is about a delete marker."""
    return headers.get("x-backend-content-type", headers.get("content-type")) == DELETE_MARKER_TYPE


def missing(request: Request, headers: Mapping[str, str]) -> S3Error:
    """Return what the store's 404 to a GET or HEAD of an object means; its headers are in lower case."""
    info = request.container()
    if not info.exists:
        return S3Error("NoSuchBucket", BucketName=request.bucket)
    version_id = request.query.get("versionId")
    if version_id is not None:
        if not is_marker(headers):
            return S3Error("NoSuchVersion", Key=request.key, VersionId=version_id)
        said = {
            "Allow": "DELETE",
            "Last-Modified": Timestamp.parse(version_id).http_date,
            **Removed(version_id, is_marker=True).headers(),
        }
        return S3Error("MethodNotAllowed", headers=said, Method=request.method, ResourceType="DeleteMarker")
    assert request.key is not None
    newest = _newest(request, request.key)[:1] if has_versions(info) else []
    marker = next((row for row in newest if row["content_type"] == DELETE_MARKER_TYPE), None)
    told = {} if marker is None else Removed(marker["version_id"], is_marker=True).headers()
    return S3Error("NoSuchKey", headers=told, Key=request.key)


# --- removing ----------------------------------------------------------------------------------


def remove(
    request: Request, key: str, version_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Removed:
    """Delete an object of the request's bucket, or a version of it; what is not there is deleted already.

    `headers`, as If-Match, go with the DELETE that decides.

    Raises:
        S3Error: where the store refuses or fails.
    """
    info = request.container()
    if not info.exists:
        raise from_swift(info.status or 503, request)
    if version_id is None:
        return _remove_current(request, key, info, headers)
    require_version_id(version_id)
    if not has_versions(info):
        if version_id == NULL:
            _remove_current(request, key, info, headers)
        return Removed(version_id)
    return _remove_version(request, key, version_id, info, headers)


def _remove_version(
    request: Request, key: str, version_id: str, info: ContainerInfo, headers: Mapping[str, str] | None
) -> Removed:
    """Delete a version; where it was the newest, the one before it takes its place.

    A name that is empty above other versions may have been emptied while versions were suspended, and stays
    so. While they are enabled nothing empties it but what broke off in here.
    """
    current = _head(request, key, {"symlink": "get"})
    was_current = current.is_good and current.headers.get("x-object-version-id") == version_id
    with locking.alone(request, key, info) as require_turn:
        found = _head(request, key, {"version-id": version_id})
        was_marker = is_marker(found.headers)
        if version_id == NULL and found.status == 404:
            # The store would take what the name leads to for version null; who may delete nothing is refused.
            _delete(request, key, {"version-id": _NOBODYS}, None, is_large=False)
            return Removed(version_id)
        locking.require_unlocked(request, key, found.headers)
        require_turn()
        _delete(request, key, {"version-id": version_id}, headers, is_large=_is_large(found))
    if was_current:
        _restore(request, key)
    elif current.status == 404 and (was_marker or is_enabled(info)):
        _restore(request, key, below=version_id)
    return Removed(version_id, is_marker=was_marker)


def _remove_current(
    request: Request, key: str, info: ContainerInfo, headers: Mapping[str, str] | None
) -> Removed:
    """Delete what the name stands for; where there are versions, that makes a marker."""
    if is_enabled(info):
        reply = _delete(request, key, {}, headers, is_large=False)
        made = reply.headers.get("x-object-version-id")
        return Removed(made, is_marker=made is not None)
    found = _head(request, key, {"symlink": "get"})  # In a suspended bucket a name may lead to a version.
    _delete(request, key, {}, headers, is_large=_is_large(found))
    return Removed()


def _head(request: Request, key: str, query: dict[str, str]) -> Reply:
    """Return what there is; who may delete something needs no leave to read it for that."""
    newest = {"X-Newest": "true"}  # One that lacks the last change may lack a lock.
    reply = request.ask("HEAD", request.bucket, key, query=query, headers=newest, trusted=True)
    reply.close()
    if not reply.is_good and reply.status != 404:
        raise from_swift(reply.status, request, reply.headers)
    return reply


def _is_large(found: Reply) -> bool:
    return found.is_good and MARK.lower() in found.headers


def _delete(
    request: Request, key: str, query: dict[str, str], headers: Mapping[str, str] | None, *, is_large: bool
) -> Reply:
    """Delete, with its segments where it has any, and return the answer."""
    if not is_large:
        reply = request.ask("DELETE", request.bucket, key, query=query, headers=headers)
        return _settled(request, reply, reply.read(), required=key if headers else None)
    parts = None if spent.keeps_archive(request.container()) else spent.parts_of(request, key, query)
    if parts is not None and parts.others and not headers:
        return _delete_foreign(request, key, query)
    reply = request.ask("DELETE", request.bucket, key, query=query, headers=headers)
    reply = _settled(request, reply, reply.read(), required=key if headers else None)
    if parts is not None and reply.is_good:
        spent.forget(request, parts.own)
        for path in parts.others:  # With the caller's rights: they are anybody's.
            request.ask("DELETE", *path.split("/", 1)).close()
    return reply


def _delete_foreign(request: Request, key: str, query: dict[str, str]) -> Reply:
    """Delete a large object of the other API with its segments, if the caller may delete those."""
    for later in ({"async": "on"}, {}):  # Segments in several containers, or of several levels, go at once.
        whole = {**query, "multipart-manifest": "delete", **later}
        reply = request.ask("DELETE", request.bucket, key, query=whole, headers=_ANSWERED)
        said = reply.read()
        if reply.status != 400:
            break
    if reply.status == 200:
        _require_whole(request, said)
    return _settled(request, reply, said)


def _require_whole(request: Request, said: bytes) -> None:
    """Raise where not all of a large object could be deleted, as the body of the answer tells."""
    try:
        facts = orjson.loads(said)
    except orjson.JSONDecodeError as problem:
        raise S3Error("InternalError") from problem
    status = int(facts.get("Response Status", "500")[:3])
    if status // 100 != 2 and status != 404:
        raise from_swift(status, request)


def _settled(request: Request, reply: Reply, said: bytes, *, required: str | None = None) -> Reply:
    """Return an answer after which it is gone, which what is `required` may not have been before."""
    is_absent = reply.status == 404 or reply.headers.get("x-backend-condition") == "absent"
    if is_absent and required is not None:
        raise S3Error("NoSuchKey", Key=required)
    if reply.is_good or reply.status == 404:
        return reply
    if reply.status == 409 and required is not None:
        raise S3Error("ConditionalRequestConflict", Key=required)
    raise from_swift(reply.status, request, reply.headers, said)


# --- the newest version ------------------------------------------------------------------------


def _newest(request: Request, key: str) -> list[Row]:
    """Return rows of a name's versions, the newest first."""
    query = {**_LIMITS, "versions": "", "prefix": key}
    reply = request.ask("GET", request.bucket, query=query, headers=_ANSWERED, trusted=True)
    said = reply.read()
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers)
    rows: list[Row] = orjson.loads(said or b"[]")
    return [row for row in rows if row.get("name") == key]


def _restore(request: Request, key: str, *, below: str | None = None) -> None:
    """Lead an empty name to its newest version, unless that is a delete marker, or not below another one."""
    for row in _newest(request, key):
        if row["is_latest"] or row["content_type"] == DELETE_MARKER_TYPE:
            return
        if below is not None and row["version_id"] > below:
            return
        linking = inner_environ(
            request.environ,
            "PUT",
            request.path(request.bucket, key),
            query={"version-id": row["version_id"]},
            headers={"If-None-Match": "*"},
            trusted=True,
        )
        means(linking, "")  # Nobody hears of it at AWS, where nothing has to be led anywhere.
        reply = call(request.app, linking)
        reply.close()
        if reply.is_good or reply.status == 412:  # Or somebody has written the name meanwhile.
            return
        if reply.status != 404:  # A row may be of a version that is gone: then the one before it is meant.
            raise from_swift(reply.status, request, reply.headers)


OPERATIONS = {
    ("bucket", "GET", "versioning"): get_versioning,
    ("bucket", "PUT", "versioning"): put_versioning,
}
