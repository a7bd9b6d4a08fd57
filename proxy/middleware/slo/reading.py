"""GET and HEAD of a static large object, or of its manifest.

    answer of the rest of the pipeline ──▶ no manifest: passed on as it comes
        ├ ?multipart-manifest=get   its document, or the form in which it can be PUT again
        ├ HEAD, 304, 412            the large object's size and ETag, from the manifest's system metadata
        └ GET                       its document ──▶ spans ──▶ the bodies of its segments

Conditions and ranges are about the large object. Object servers are told where they find its ETag, and to
send a manifest whole; if they know neither, or it holds neither size nor ETag, it is read once more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5
from urllib.parse import quote

from ....common import conditions
from ....common.config import true_value
from ....common.errors import Corrupt, Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ....common.ranges import Multipart, Span, choose, content_range
from ....common.timestamp import ZERO, Timestamp
from ..inner import Reply, ask, path_of
from ..segments import SegmentedBody
from . import manifest
from .manifest import Stored
from .pieces import Fetch, framed_pieces, pieces_of

ETAG, SIZE = "X-Object-Sysmeta-Slo-Etag", "X-Object-Sysmeta-Slo-Size"
MARK = "X-Static-Large-Object"
MARKS = frozenset((MARK, MARK.lower()))
_OF_THE_MANIFEST = frozenset(("etag", "content-length", "content-range", ETAG.lower(), SIZE.lower()))
"""What answers about the large object leave out: a copy of its bytes must not have a manifest's marks."""
_SUB_MANIFESTS_MAX = 20
"""Sub-manifests that one request keeps: twice the depth, whatever tree somebody has built of them."""

Headers = list[tuple[str, str]]


def prepare(environ: Environ) -> None:
    """Tell the object servers what conditions and ranges mean if they find a manifest."""
    if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ or "HTTP_IF_RANGE" in environ:
        _add(environ, "HTTP_X_BACKEND_ETAG_IS_AT", ETAG)
    if "HTTP_RANGE" in environ:
        _add(environ, "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT", MARK)


def _add(environ: Environ, key: str, name: str) -> None:
    earlier = environ.get(key)
    environ[key] = f"{earlier},{name}" if earlier else name


def is_manifest(headers: Headers) -> bool:
    """Whether an answer's headers are those of a static large object."""
    return any(name in MARKS and true_value(value) for name, value in headers)


@dataclass(frozen=True, slots=True)
class Question:
    """What a client has asked of something that turned out to be a manifest."""

    app: WSGIApp
    environ: Environ
    path: str
    """As it was before the rest of the pipeline saw it."""
    parameters: Mapping[str, str]

    @property
    def method(self) -> str:
        """GET or HEAD."""
        method: str = self.environ["REQUEST_METHOD"]
        return method


def manifest_answer(question: Question, reply: Reply) -> Answer:
    """Return the manifest itself."""
    if not reply.is_good or question.method == "HEAD" or question.parameters.get("format") != "raw":
        reply.headers["content-type"] = "application/json; charset=utf-8"
        return reply.answer()
    document = manifest.raw(reply.read())
    reply.headers["content-length"] = str(len(document))
    reply.headers["etag"] = md5(document, usedforsecurity=False).hexdigest()
    reply.body = [document]
    return reply.answer()


@dataclass(frozen=True, slots=True)
class _Large:
    """A large object that is there."""

    etag: str
    size: int
    reply: Reply
    """What was answered about its manifest."""

    def headers(self, length: int | None, **more: str) -> dict[str, str]:
        """Return the headers of an answer about it."""
        kept = {
            name.title(): value for name, value in self.reply.headers.items() if name not in _OF_THE_MANIFEST
        }
        kept["Etag"] = f'"{self.etag}"'
        kept["X-Manifest-Etag"] = self.reply.headers.get("etag", "").strip('"')
        if length is not None:
            kept["Content-Length"] = str(length)
        return {**kept, **{name.replace("_", "-"): value for name, value in more.items()}}

    @property
    def moment(self) -> Timestamp:
        """When it was last changed."""
        text = self.reply.headers.get("x-backend-timestamp") or self.reply.headers.get("x-timestamp")
        return Timestamp.parse(text) if text else ZERO


def large_answer(question: Question, reply: Reply) -> Answer:
    """Return the large object that the manifest stands for.

    Raises:
        Refused: 400 for a part number that is none, 409 where a segment is not what the manifest says.
        Unavailable: when a segment cannot be read now.
        Corrupt: when the manifest cannot be understood.
    """
    environ = question.environ
    environ["PATH_INFO"] = question.path
    part = _part_number(question)
    if reply.status not in (200, 206, 304, 412, 416):
        return reply.answer()
    etag, size = reply.headers.get(ETAG.lower()), reply.headers.get(SIZE.lower(), "")
    is_old = not etag or not size.isdigit()
    final = reply.status if reply.status in (304, 412) and not is_old else None
    segments: Sequence[Stored] = ()
    if final is None and (question.method == "GET" or is_old or part is not None):
        reply, segments = _read(question, reply)
    if etag and not is_old:
        large = _Large(etag, int(size), reply)
    else:
        large = _Large(manifest.etag_of(segments), manifest.size_of(segments), reply)
        final = conditions.judge(conditions.from_headers(environ), large.etag, large.moment)
    if final is not None:
        reply.close()
        return Answer(final, large.headers(None))
    if part is not None:
        return _part(question, large, segments, part)
    if question.method == "HEAD":
        reply.close()
        return Answer(200, large.headers(large.size))
    return _body(question, large, segments, _spans(environ, large))


def _part_number(question: Question) -> int | None:
    text = question.parameters.get("part-number")
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(1 << 62)) else 0
    if not number:
        raise Refused("Part number must be an integer greater than 0")
    if "HTTP_RANGE" in question.environ:
        raise Refused("Range requests are not supported with part number queries")
    return number


def _read(question: Question, reply: Reply) -> tuple[Reply, Sequence[Stored]]:
    """Return the manifest and its segments; what is not the whole manifest is asked for again."""
    if question.method != "GET" or reply.status != 200:
        reply.close()
        query = {"multipart-manifest": "get"}
        if "version-id" in question.parameters:
            query["version-id"] = question.parameters["version-id"]
        reply = ask(
            question.app,
            question.environ,
            "GET",
            from_wsgi(question.path),
            query=query,
            headers=_inherited(question.environ),
        )
        if not reply.is_good or not is_manifest(list(reply.headers.items())):
            reply.close()
            raise Unavailable("The object was changed while it was read; ask again.\n")
    return reply, manifest.stored(reply.read())


def _inherited(environ: Environ) -> dict[str, str]:
    """Return the headers that hold for all objects that a request reads."""
    expired = environ.get("HTTP_X_OPEN_EXPIRED")
    return {} if expired is None else {"X-Open-Expired": expired}


def _spans(environ: Environ, large: _Large) -> list[Span] | None:
    header = environ.get("HTTP_RANGE")
    if header is None or not conditions.range_holds(environ.get("HTTP_IF_RANGE"), large.etag, large.moment):
        return None
    return choose(header, large.size)


def _part(question: Question, large: _Large, segments: Sequence[Stored], number: int) -> Answer:
    """Return the bytes of one segment, or that there is no such."""
    count = {"X_Parts_Count": str(len(segments))}
    if number > len(segments):
        # HEAD, too, says how long its answer is, and not how long the object.
        sentence = "" if question.method == "HEAD" else "The requested part number is not satisfiable"
        return _unsatisfiable(large, sentence, **count)
    begin = sum(segment.length for segment in segments[: number - 1])
    span = (begin, begin + segments[number - 1].length)
    if question.method == "HEAD":
        where = content_range(span, large.size)
        return Answer(206, large.headers(span[1] - span[0], Content_Range=where, **count))
    return _body(question, large, segments, [span], **count)


def _unsatisfiable(large: _Large, sentence: str, **more: str) -> Answer:
    headers = large.headers(None, Content_Range=f"bytes */{large.size}", **more)
    return Answer(416, {**headers, "Content-Type": "text/plain; charset=utf-8"}, sentence.encode())


def _body(
    question: Question, large: _Large, segments: Sequence[Stored], spans: list[Span] | None, **more: str
) -> Answer:
    if spans == []:
        return _unsatisfiable(large, "The range cannot be satisfied.", **more)
    fetch = _fetcher(question)
    if spans is None:
        pieces = pieces_of(segments, (0, large.size), fetch)
        answer = Answer(200, large.headers(large.size, **more))
    elif len(spans) == 1:
        span = spans[0]
        pieces = pieces_of(segments, span, fetch)
        where = content_range(span, large.size)
        answer = Answer(206, large.headers(span[1] - span[0], Content_Range=where, **more))
    else:
        kind = large.reply.headers.get("content-type", "application/octet-stream")
        frame = Multipart(spans, large.size, kind, secrets.token_hex(16))
        pieces = framed_pieces(segments, frame, fetch)
        answer = Answer(206, large.headers(frame.content_length, Content_Type=frame.header, **more))
    body = SegmentedBody(question.app, question.environ, pieces)
    body.begin()
    answer.body = body
    return answer


def _fetcher(question: Question) -> Fetch:
    """Return what reads the segments of a sub-manifest, and keeps those of a few."""
    environ = question.environ
    account = from_wsgi(question.path.split("/", 3)[2])

    @lru_cache(maxsize=_SUB_MANIFESTS_MAX)
    def fetch(path: str) -> Sequence[Stored]:
        reply = ask(
            question.app,
            environ,
            "GET",
            path_of(environ, account, path),
            query={"multipart-manifest": "get"},
            headers=_inherited(environ),
        )
        name = quote(path, errors="surrogateescape")
        if reply.is_good and is_manifest(list(reply.headers.items())):
            try:
                return manifest.stored(reply.read())
            except Corrupt as problem:
                raise Refused(f"The manifest {name} cannot be understood.\n", 409) from problem
        reply.close()
        if reply.status // 100 == 5:
            raise Unavailable(f"The manifest {name} cannot be read now.\n")
        raise Refused(f"The manifest {name} is not there any more.\n", 409)

    return fetch
