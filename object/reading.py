"""GET and HEAD of an object.

    request ──▶ open ──▶ conditions? 304, 412 ──▶ ranges? 206, 416 ──▶ body, each block checked

A damaged block that is found before the answer has begun is a 404, as a quarantined object is; one found
later ends the body short, and the proxy resumes from another replica.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

from ..common import conditions, ranges
from ..common.errors import Corrupt
from ..common.http.answer import Answer
from ..common.http.request import Request
from ..common.ranges import Multipart, Span
from ..common.timestamp import Timestamp, now
from .context import Context, flag
from .files.body import Body, Source
from .files.metadata import Metadata
from .files.small import SMALL_BYTES_MAX, small_body
from .files.store import Absent, StoredObject, quarantined
from .request_metadata import shown


def get(context: Context, request: Request) -> Answer:
    """Answer a GET or a HEAD."""
    wanted = conditions.from_headers(request.environ)
    target = context.target_to_read(request)
    try:
        stored = context.store.open(target.location, now=lambda: moment_of(request))
        try:
            return _answer(context, request, stored, wanted)
        finally:
            stored.close()
    except Absent as absent:
        context.target(request)
        return absence(absent, conditions.judge_absent(wanted))


def moment_of(request: Request) -> Timestamp | None:
    """Return the moment at which expiry is judged; None for those who may see expired objects."""
    if sees_expired(request):
        return None
    text = request.environ.get("HTTP_X_TIMESTAMP")
    return request.timestamp() if text else now()


def sees_expired(request: Request) -> bool:
    """Whether the object is shown even if it has expired."""
    return flag(request, "HTTP_X_BACKEND_OPEN_EXPIRED") or flag(request, "HTTP_X_BACKEND_REPLICATION")


def absence(absent: Absent, status: int = 404) -> Answer:
    """Return the answer for an object that is not there, with its tombstone's moment."""
    answer = Answer.text(status, str(absent))
    if absent.timestamp is not None:
        answer.headers["X-Backend-Timestamp"] = absent.timestamp.internal
    return answer


def _answer(
    context: Context, request: Request, stored: StoredObject, wanted: conditions.Conditions
) -> Answer:
    headers = _headers(context, stored)
    if wanted is not conditions.NONE:
        status = conditions.judge(wanted, conditional_etag(request, stored.metadata), stored.timestamp)
        if status is not None:
            headers.pop("Content-Length")
            return Answer(status, headers)
    if request.method == "HEAD":
        return Answer(200, headers)
    spans = _spans(request, stored) if "HTTP_RANGE" in request.environ else None
    if spans == []:
        headers["Content-Range"] = f"bytes */{stored.length}"
        headers.pop("Content-Length")
        return Answer(416, headers, b"The range cannot be satisfied.")
    try:
        return _with_body(context, stored, headers, spans)
    except Corrupt as problem:
        raise quarantined(os.path.dirname(stored.path), str(problem)) from problem


def _headers(context: Context, stored: StoredObject) -> dict[str, str]:
    content, moment = stored.metadata, stored.timestamp
    last = moment.internal
    data = last if moment is stored.data_timestamp else stored.data_timestamp.internal
    return {
        "Content-Type": content.get("Content-Type", "application/octet-stream"),
        **shown(content, context.allowed_names),
        "ETag": f'"{content["ETag"]}"',
        "Last-Modified": moment.http_date,
        "Accept-Ranges": "bytes",
        "X-Timestamp": last if not moment.offset else moment.normal,
        "X-Backend-Timestamp": last,
        "X-Backend-Data-Timestamp": data,
        "X-Backend-Durable-Timestamp": data,
        "Content-Length": str(stored.length),
    }


def conditional_etag(request: Request, content: Metadata) -> str:
    """Return the ETag that conditions are about: middleware may keep another one in the metadata."""
    names = request.environ.get("HTTP_X_BACKEND_ETAG_IS_AT")
    if names:
        lower = {key.lower(): value for key, value in content.items()}
        for name in names.split(","):
            if (value := lower.get(name.strip().lower())) is not None:
                return value
    return content["ETag"]


def _spans(request: Request, stored: StoredObject) -> list[Span] | None:
    ignoring = request.environ.get("HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT")
    if ignoring:
        present = {key.lower() for key in stored.metadata}
        if any(name.strip().lower() in present for name in ignoring.split(",")):
            return None
    etag = conditional_etag(request, stored.metadata)
    if not conditions.range_holds(request.environ.get("HTTP_IF_RANGE"), etag, stored.timestamp):
        return None
    return ranges.choose(request.environ["HTTP_RANGE"], stored.length)


def _with_body(
    context: Context, stored: StoredObject, headers: dict[str, str], spans: list[Span] | None
) -> Answer:
    if stored.length <= SMALL_BYTES_MAX:
        return _sliced(headers, small_body(stored), spans)
    source = Source.of(stored)
    try:
        if spans is not None and len(spans) > 1:
            frame = _frame(headers, spans, source.length)
            return Answer(206, headers, _Multiple(source, frame))
        status, span = 200, (0, source.length)
        if spans is not None:
            status, span = 206, spans[0]
            headers["Content-Range"] = ranges.content_range(span, source.length)
            headers["Content-Length"] = str(span[1] - span[0])
        body = Body(source, *span, cached_bytes_max=context.settings.keep_cache_size)
        body.prefetch()
    except BaseException:
        source.close()
        raise
    return Answer(status, headers, body)


def _sliced(headers: dict[str, str], data: bytes, spans: list[Span] | None) -> Answer:
    """Return the answer whose body is cut from a small object's bytes."""
    if spans is None:
        return Answer(200, headers, data)
    if len(spans) == 1:
        start, end = spans[0]
        headers["Content-Range"] = ranges.content_range(spans[0], len(data))
        headers["Content-Length"] = str(end - start)
        return Answer(206, headers, data[start:end])
    frame = _frame(headers, spans, len(data))
    pieces = [piece for span in spans for piece in (frame.opening(span), data[span[0] : span[1]], b"\r\n")]
    return Answer(206, headers, b"".join((*pieces, frame.closing)))


def _frame(headers: dict[str, str], spans: list[Span], length: int) -> Multipart:
    frame = Multipart(spans, length, headers["Content-Type"], secrets.token_hex(16))
    headers["Content-Type"] = frame.header
    headers["Content-Length"] = str(frame.content_length)
    return frame


class _Multiple:
    """The body of an answer to several ranges of a large object."""

    def __init__(self, source: Source, frame: Multipart) -> None:
        self._source = source
        self._frame = frame

    def __iter__(self) -> Iterator[bytes]:
        frame = self._frame
        try:
            for span in frame.spans:
                sent = 0
                yield frame.opening(span)
                for piece in Body(self._source, *span, keep_open=True):
                    sent += len(piece)
                    yield piece
                if sent < span[1] - span[0]:
                    return
                yield b"\r\n"
            yield frame.closing
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()
