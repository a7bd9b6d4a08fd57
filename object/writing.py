"""PUT of an object.

    request ──▶ newer than what is there? ──▶ body into a nameless file ──▶ its ETag? ──▶ commit
                409, 412                      499, 408, 413, 507            422       ──▶ container ──▶ 201

Nothing is visible before the commit, and nothing is answered before it is durable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..common import body_sums, conditions
from ..common.body_sums import BodySums
from ..common.errors import ApusError, Corrupt, Refused
from ..common.http.answer import Answer
from ..common.http.body import Body
from ..common.http.errors import ClientDisconnect
from ..common.http.request import Request
from ..common.timestamp import ZERO, Timestamp
from . import expiry, mime
from .container_update import overridden
from .context import Context, Target, flag
from .files.metadata import Metadata
from .files.small import SMALL_BYTES_MAX
from .files.store import Absent, Location
from .files.writer import Writer
from .request_keys import Keys, keys_of
from .request_metadata import check, kept
from .rows import listed, tell_again

log = logging.getLogger(__name__)

DISCONNECTED = 499


@dataclass(slots=True)
class Upload:
    """A PUT on its way: what was asked, and what came of it."""

    request: Request
    target: Target
    moment: Timestamp
    size: int | None
    delete_at: int
    earlier: Metadata
    footers: Metadata
    keys: Keys
    is_new: bool


class _Overtaken(ApusError):
    """Another PUT of the object was first, and the condition of this one no longer holds."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("overtaken")
        self.answer = answer


def put(context: Context, request: Request) -> Answer:
    """Answer a PUT."""
    upload = _accepted(context, request)
    if isinstance(upload, Answer):
        return upload
    writer = context.store.create(upload.target.location, upload.size, is_new=upload.is_new)
    try:
        _receive(context, upload, writer)
        content = _metadata(upload, writer)
        writer.commit(content, upload.moment, guard=_guard(context, upload))
    except _Overtaken as overtaken:
        return overtaken.answer
    finally:
        writer.close()
    told = _announce(context, upload, content)
    return Answer(201, {"ETag": f'"{content["ETag"]}"', **listed(told)})


def stage(context: Context, request: Request, location: Location, name: str) -> Metadata:
    """Take a body in under a name that is no object's; return the metadata that is kept with it."""
    upload = _asked(context, request)
    with context.store.create(location, upload.size) as writer:
        _receive(context, upload, writer)
        content = _metadata(upload, writer)
        writer.stage(content, name)
    return content


def announce_shown(context: Context, request: Request, target: Target, content: Metadata) -> bool | None:
    """Tell the container, and the expirer's queue, that a staged body has become the object."""
    delete_at = content.get("X-Delete-At")
    if delete_at:
        request.environ["HTTP_X_DELETE_AT"] = delete_at
        requeue(context, request, target, content, 0)
    headers = {
        "X-Size": content["Content-Length"],
        "X-Content-Type": content["Content-Type"],
        "X-Timestamp": content["X-Timestamp"],
        "X-Etag": content["ETag"],
    }
    keys = keys_of(tuple(request.environ), context.allowed_keys)
    overrides = {name: request.environ[key] for key, name in keys.overrides}
    return context.updates.send("PUT", target.row, request, overridden(headers, content, overrides))


def _accepted(context: Context, request: Request) -> Upload | Answer:
    """Judge the request by what it says and by what is there; None of the body is read."""
    upload = _asked(context, request)
    # Most objects are new. Their folder must be made in any case, and where that works nothing can be in it.
    upload.is_new = context.store.make_folder(upload.target.location)
    if not upload.is_new:
        judged = _judged(context, request, upload.target, upload.moment)
        if isinstance(judged, Answer):
            return judged
        upload.earlier = judged
    return upload


def _asked(context: Context, request: Request) -> Upload:
    """Judge the request by what it says."""
    moment = request.timestamp()
    size = _announced_size(context, request)
    if not request.environ.get("CONTENT_TYPE"):
        raise Refused("No content type")
    replicating = flag(request, "HTTP_X_BACKEND_REPLICATION")
    delete_at = expiry.delete_at_of(
        request.environ.get("HTTP_X_DELETE_AT"), float(moment), past_is_fine=replicating
    )
    keys = keys_of(tuple(request.environ), context.allowed_keys)
    check(request, keys, context.cluster.constraints)
    target = context.target(request)
    return Upload(request, target, moment, size, delete_at, {}, {}, keys, is_new=False)


def _judged(context: Context, request: Request, target: Target, moment: Timestamp) -> Metadata | Answer:
    """Return the metadata of the object that this PUT replaces, or the answer that it must not."""
    earlier: Metadata = {}
    earlier_moment = ZERO
    stored = None
    try:
        stored = context.store.open(target.location, now=lambda: moment)
    except Absent as absent:
        earlier_moment = absent.timestamp or ZERO
    else:
        stored.close()
        earlier, earlier_moment = stored.metadata, stored.data_timestamp
    none_match = request.environ.get("HTTP_IF_NONE_MATCH")
    if none_match is not None and earlier and conditions.matches(none_match, earlier.get("ETag", "")):
        return Answer.text(412, "The object is there already.")
    if earlier_moment >= moment:
        headers = {"X-Backend-Timestamp": earlier_moment.internal}
        if stored is not None and earlier_moment == moment:
            requeue(context, request, target, earlier, 0)
            headers.update(tell_again(context, request, target, stored))
        return Answer(409, headers)
    return earlier


def _guard(context: Context, upload: Upload) -> Callable[[], None] | None:
    """Return what judges a conditional PUT once more, when no other can come between it and the name."""
    if "HTTP_IF_NONE_MATCH" not in upload.request.environ:
        return None

    def judge_again() -> None:
        judged = _judged(context, upload.request, upload.target, upload.moment)
        if isinstance(judged, Answer):
            raise _Overtaken(judged)

    return judge_again


def _announced_size(context: Context, request: Request) -> int | None:
    size = request.content_length
    if size is None:
        if not request.chunked:
            raise Refused("Missing Content-Length header.", 411)
        text = request.header("X-Backend-Obj-Content-Length")
        if text is not None and not text.isdigit():
            raise Refused(f"X-Backend-Obj-Content-Length is no length: {text}")
        size = int(text) if text else None
    if size is not None and size > context.cluster.constraints.max_file_size:
        raise Refused("Your request is too large.", 413)
    return size


def _receive(context: Context, upload: Upload, writer: Writer) -> None:
    """Take the body in; raise when it is not the whole one."""
    request, limit = upload.request, context.settings.network_chunk_size
    footer = False
    if mime.is_wanted(request):
        mime.receive(request, writer.write, upload.footers, limit)
    elif upload.size is not None and upload.size <= SMALL_BYTES_MAX:
        writer.write_whole(_small_body(context, request, upload.size))
        return
    else:
        footer = writer.is_large and _is_footer_agreed(request)
        if footer:
            writer.leave_digest()
        deadline = time.monotonic() + context.settings.max_upload_time
        while _receive_some(request.body, writer, _next_bytes_max(upload, writer, limit)):
            if writer.bytes_written == upload.size:
                break
            if writer.bytes_written > context.cluster.constraints.max_file_size:
                break
            if time.monotonic() > deadline:
                raise Refused("The upload took too long.", 408)
    if upload.size is not None and writer.bytes_written != upload.size:
        raise ClientDisconnect(f"{writer.bytes_written} of {upload.size} bytes came")
    if writer.bytes_written > context.cluster.constraints.max_file_size:
        raise Refused("Your request is too large.", 413)
    writer.complete()
    if footer:
        _believe_footer(request, writer)


def _small_body(context: Context, request: Request, size: int) -> bytes:
    """Return a body of so many bytes, which nearly always came with its head."""
    data: bytes = request.body.read(size)
    if len(data) < size:
        deadline = time.monotonic() + context.settings.max_upload_time
        while len(data) < size:
            more = request.body.read(size - len(data))
            if not more:
                raise ClientDisconnect(f"{len(data)} of {size} bytes came")
            if time.monotonic() > deadline:
                raise Refused("The upload took too long.", 408)
            data += more
    return data


def _is_footer_agreed(request: Request) -> bool:
    """Agree to what the other side offers: to tell the sums of the body behind it."""
    if request.environ.get("HTTP_X_APUS_SUMS") != body_sums.VERSION:
        return False
    body: Body = request.body
    return body.ask_behind(body_sums.FOOTER_BYTES, body_sums.HEADER, body_sums.VERSION)


def _believe_footer(request: Request, writer: Writer) -> None:
    """Take over the ETag from who sent the body, if it arrived as it was sent."""
    sums = BodySums.decode(request.body.read(body_sums.FOOTER_BYTES))
    if sums is None:
        raise Refused("the body's footer is none")
    try:
        writer.believe(sums)
    except Corrupt as problem:
        log.error("a body changed on its way here", extra={"path": request.path, "problem": str(problem)})
        raise


def _next_bytes_max(upload: Upload, writer: Writer, limit: int) -> int:
    """Return how much to take next: nothing of what may follow the body."""
    return limit if upload.size is None else min(limit, upload.size - writer.bytes_written)


def _receive_some(source: Body, writer: Writer, limit: int) -> int:
    """Append the next bytes; return how many, 0 at the end."""
    if writer.is_large:
        count = source.readinto(writer.room()[:limit])
        writer.received(count)
        return count
    data = source.read(limit)
    writer.write(data)
    return len(data)


def _metadata(upload: Upload, writer: Writer) -> Metadata:
    """Return what is stored with the body; raise Refused (422) when the body is not the announced one."""
    request = upload.request
    content = {
        "X-Timestamp": upload.moment.internal,
        "Content-Type": request.environ["CONTENT_TYPE"],
        "Content-Length": str(writer.bytes_written),
        "ETag": writer.etag,
        **kept(request, upload.keys.kept_on_put),
    }
    if upload.footers:
        content.update(mime.kept(upload.footers))
    announced = upload.footers.get("Etag") or request.environ.get("HTTP_ETAG")
    if announced and conditions.normalized(announced).lower() != content["ETag"]:
        raise Refused("The body does not match its ETag.", 422)
    if upload.delete_at:
        content["X-Delete-At"] = expiry.normalized(upload.delete_at)
    content["name"] = upload.target.location.name
    return content


def _announce(context: Context, upload: Upload, content: Metadata) -> bool | None:
    """Tell the container, and the expirer's queue, of the new object."""
    request, row = upload.request, upload.target.row
    requeue(context, request, upload.target, content, int(upload.earlier.get("X-Delete-At") or 0))
    headers = {
        "X-Size": content["Content-Length"],
        "X-Content-Type": content["Content-Type"],
        "X-Timestamp": content["X-Timestamp"],
        "X-Etag": content["ETag"],
    }
    if upload.keys.overrides or upload.footers:
        environ = request.environ
        overrides = {name: environ[key] for key, name in upload.keys.overrides}
        headers = overridden(headers, overrides, upload.footers)
    return context.updates.send("PUT", row, request, headers)


def requeue(
    context: Context, request: Request, target: Target, content: Metadata, earlier_delete_at: int
) -> None:
    """Move the object's place in the expirer's queue to where its new X-Delete-At puts it."""
    delete_at = int(request.environ.get("HTTP_X_DELETE_AT") or 0)
    if delete_at:
        task_type = f"{expiry.TASK_CONTENT_TYPE};swift_expirer_bytes={content.get('Content-Length', 0)}"
        more = {"X-Content-Type": task_type, "X-Content-Type-Timestamp": content["X-Timestamp"]}
        context.updates.queue_expiry("PUT", delete_at, target.row, request, more)
    if earlier_delete_at and earlier_delete_at != delete_at:
        context.updates.queue_expiry("DELETE", earlier_delete_at, target.row, request, {})
