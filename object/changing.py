"""POST and DELETE of an object.

    POST   ──▶ newer than the metadata, or the content type? ──▶ .meta file ──▶ container ──▶ 202
    DELETE ──▶ newer than the object? ──▶ tombstone ──▶ container ──▶ 204, 404, 409, 412

A POST replaces all user metadata and keeps the body; its content type has a moment of its own, so that
an older POST can still bring a newer one. A tombstone is written even where there is nothing, so that a
late PUT of an older object does not bring it back.
"""

from __future__ import annotations

from ..common.errors import Refused
from ..common.http.answer import Answer
from ..common.http.request import Request
from ..common.timestamp import ZERO, Timestamp
from . import expiry
from .context import Context, Target
from .files.metadata import Metadata
from .files.names import META, TOMBSTONE
from .files.store import Absent, Expired, StoredObject
from .reading import absence, sees_expired
from .request_keys import keys_of
from .request_metadata import check, kept, system_metadata
from .rows import listed, row_of, tell_gone
from .writing import requeue


def post(context: Context, request: Request) -> Answer:
    """Answer a POST."""
    moment = request.timestamp()
    judged_at = None if sees_expired(request) else moment
    delete_at = expiry.delete_at_of(
        request.environ.get("HTTP_X_DELETE_AT"), float(moment), past_is_fine=judged_at is None
    )
    keys = keys_of(tuple(request.environ), context.allowed_keys)
    check(request, keys, context.cluster.constraints)
    type_moment = _type_moment(request, moment)
    target = context.target(request)
    try:
        stored = context.store.open(target.location, now=lambda: judged_at)
    except Absent as absent:
        return absence(absent)
    stored.close()
    if stored.timestamp >= moment and stored.content_type_timestamp >= type_moment:
        return Answer(409, {"X-Backend-Timestamp": stored.timestamp.internal})
    if moment > stored.timestamp:
        content = {
            "X-Timestamp": moment.internal,
            **kept(request, keys.kept_on_post),
        }
        if delete_at:
            content["X-Delete-At"] = expiry.normalized(delete_at)
        requeue(context, request, target, stored.data_metadata, stored.delete_at)
    else:
        content = dict(stored.meta_metadata or {"X-Timestamp": stored.timestamp.internal})
    type_of, type_moment = _content_type(request, stored, content, type_moment)
    _write_meta(context, target, content)
    row = row_of(stored, Timestamp.parse(content["X-Timestamp"]), type_of, type_moment)
    said = listed(context.updates.send("PUT", target.row, request, row))
    return Answer(202, {"X-Backend-Content-Type": type_of, **system_metadata(stored.metadata), **said})


def _type_moment(request: Request, moment: Timestamp) -> Timestamp:
    if not request.environ.get("CONTENT_TYPE"):
        return ZERO
    text = request.header("Content-Type-Timestamp")
    try:
        return Timestamp.parse(text) if text else moment
    except ValueError as problem:
        raise Refused(f"Content-Type-Timestamp is no timestamp: {text}") from problem


def _content_type(
    request: Request, stored: StoredObject, content: Metadata, type_moment: Timestamp
) -> tuple[str, Timestamp]:
    """Put the newest content type into the new metadata, unless it is the data's own; return it."""
    if type_moment > stored.content_type_timestamp:
        content["Content-Type"] = request.environ["CONTENT_TYPE"]
        content["Content-Type-Timestamp"] = type_moment.internal
        return content["Content-Type"], type_moment
    type_of = stored.metadata.get("Content-Type", "application/octet-stream")
    type_moment = stored.content_type_timestamp
    if type_moment != stored.data_timestamp:
        content["Content-Type"] = type_of
        content["Content-Type-Timestamp"] = type_moment.internal
    return type_of, type_moment


def _write_meta(context: Context, target: Target, content: Metadata) -> None:
    moment = Timestamp.parse(content["X-Timestamp"])
    text = content.get("Content-Type-Timestamp")
    content["name"] = target.location.name
    with context.store.create(target.location, None, META) as writer:
        writer.commit(content, moment, Timestamp.parse(text) if text else None)


def delete(context: Context, request: Request) -> Answer:
    """Answer a DELETE."""
    moment = request.timestamp()
    condition = _expected_delete_at(request)
    target = context.target(request)
    content: Metadata = {}
    is_buried = False
    try:
        stored = context.store.open(target.location, now=lambda: moment)
    except Absent as absent:
        status, earlier = 404, absent.timestamp or ZERO
        if isinstance(absent, Expired):
            content = absent.metadata
        else:
            is_buried = earlier == moment
    else:
        stored.close()
        content, earlier = stored.metadata, stored.data_timestamp
        status = 204 if earlier < moment else 409
    delete_at = int(content.get("X-Delete-At") or 0)
    if condition is not None:
        if earlier == ZERO:
            return Answer.text(404, "there is no such object")
        if earlier >= moment:
            return Answer.text(409, "the object is newer")
        if delete_at != condition:
            return Answer.text(412, "X-If-Delete-At and X-Delete-At do not match")
        status = 204
    if delete_at:
        context.updates.queue_expiry("DELETE", delete_at, target.row, request, {})
    headers = {"X-Backend-Content-Type": content.get("Content-Type", "")}
    if earlier < moment:
        bury(context, request, target, moment, headers)
    else:
        headers["X-Backend-Timestamp"] = earlier.internal
        if is_buried:
            headers.update(tell_gone(context, request, target, moment))
    return Answer(status, headers)


def bury(
    context: Context, request: Request, target: Target, moment: Timestamp, headers: dict[str, str]
) -> None:
    """Write the tombstone and tell the container; note both in the answer's headers."""
    stamp = moment.internal
    with context.store.create(target.location, 0, TOMBSTONE) as writer:
        writer.commit({"X-Timestamp": stamp, "name": target.location.name}, moment)
    headers["X-Backend-Timestamp"] = stamp
    headers.update(tell_gone(context, request, target, moment))


def _expected_delete_at(request: Request) -> int | None:
    text = request.header("X-If-Delete-At")
    if text is None:
        return None
    try:
        return int(float(text))
    except ValueError as problem:
        raise Refused("Bad X-If-Delete-At header value") from problem
