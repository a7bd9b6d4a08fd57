"""Dynamic large objects: all objects whose names begin with a prefix, read as one.

    GET, HEAD ──▶ X-Object-Manifest in the answer? ──▶ listing of container/prefix ──▶ their bodies
    PUT       ──▶ X-Object-Manifest: container/prefix, or 400

Size and ETag are known when all segments fit into one page of a listing; a longer object comes without, and
of it only a range within the first page can be had. Several ranges get the whole object, as in stock Swift.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from ...common import conditions
from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.config import parse, setting
from ...common.errors import Refused, Unavailable
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go
from ...common.ranges import Span, choose, content_range
from ...common.timestamp import ZERO, Timestamp
from .inner import Reply, ask, heard, path_of
from .segments import Piece, SegmentedBody
from .shortcut import Affair, Shortcut, passable

MANIFEST = "X-Object-Manifest"
_MARKS = frozenset((MANIFEST, MANIFEST.lower()))
_IGNORE_RANGE = "HTTP_X_BACKEND_IGNORE_RANGE_IF_METADATA_PRESENT"
_ANSWERED = frozenset((200, 206, 304, 412, 416))
_JUDGED = frozenset(("304", "412"))
"""Conditions were held against the manifest's own ETag; what says so does not tell its type."""
_OF_THE_MANIFEST = frozenset(("etag", "content-length", "content-range"))
_BOUNDED = re.compile(r"\s*bytes\s*=\s*\d+\s*-\s*\d+\s*", re.ASCII | re.IGNORECASE)

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DloConfig:
    """The filter's settings."""

    swift_dir: str = setting(
        DEFAULT_DIRECTORY, help="Folder of swift.conf, which says how long a listing is."
    )


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of the listing."""

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a manifest says: a container, and how the segments' names begin."""

    container: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Large:
    """A large object, as far as the first page of its listing tells."""

    place: Prefix
    first_page: Sequence[Segment]
    is_complete: bool
    moment: Timestamp

    @property
    def size(self) -> int:
        """The bytes of the first page's segments."""
        return sum(segment.size for segment in self.first_page)

    @property
    def etag(self) -> str:
        """The ETag, of a complete one."""
        marks = "".join(segment.etag for segment in self.first_page)
        return md5(marks.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def prefix_of(value: str) -> Prefix:
    """Return what a header's value means; Refused where that is nothing."""
    container, slash, prefix = value.partition("/")
    if not (container and slash and prefix) or prefix.startswith("/") or "?" in value or "&" in value:
        raise Refused(f"{MANIFEST} must be in the format container/prefix")
    container, prefix = (
        unquote_to_bytes(part.encode("latin-1")).decode("utf-8", "surrogateescape")
        for part in (container, prefix)
    )
    return Prefix(container, prefix)


def span_of(header: str | None, large: Large) -> Span | None:
    """Return the one range that is served, None for the whole object; Refused with 416 if there is none."""
    if header is None or "," in header:
        return None
    spans = choose(header, large.size)
    if large.is_complete:
        if spans == []:
            raise Refused("The range cannot be satisfied.", 416)
        return spans[0] if spans else None
    # Only of a range with both ends can be said that the first page has it.
    return spans[0] if spans and _BOUNDED.fullmatch(header) and spans[0][1] < large.size else None


AFFAIR = Affair(headers=frozenset(("HTTP_X_OBJECT_MANIFEST", "HTTP_RANGE")), marks=_MARKS)


class DynamicLargeObjects:
    """The filter."""

    def __init__(self, app: WSGIApp, *, page: int) -> None:
        self.app = app
        self._page = page

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD"):
            if _is_object(environ) and "multipart-manifest=get" not in (environ.get("QUERY_STRING") or ""):
                return self._read(environ, start_response)
        elif method == "PUT" and "HTTP_X_OBJECT_MANIFEST" in environ and _is_object(environ):
            try:
                prefix_of(environ["HTTP_X_OBJECT_MANIFEST"])
            except Refused as refusal:
                return Answer.text(refusal.status, str(refusal))(environ, start_response)
        return self.app(environ, start_response)

    def _read(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass on what is no manifest as it comes; answer for what is one."""
        if "HTTP_RANGE" in environ:
            earlier = environ.get(_IGNORE_RANGE)
            environ[_IGNORE_RANGE] = f"{earlier},{MANIFEST}" if earlier else MANIFEST
        path = environ["PATH_INFO"]
        status, headers, body = heard(self.app, environ)
        value = _manifest_in(headers)
        if value is None or int(status[:3]) not in _ANSWERED:
            start_response(status, headers)
            return body
        let_go(body)
        environ["PATH_INFO"] = path  # A filter behind us may have changed it.
        if status[:3] in _JUDGED:
            headers = self._described(environ) or headers
        try:
            answer = self._large(environ, headers, prefix_of(value))
        except Refused as refusal:
            answer = Answer.text(refusal.status, str(refusal))
        except Unavailable as problem:
            answer = Answer.text(503, str(problem))
        return answer(environ, start_response)

    def _described(self, environ: Environ) -> Headers:
        """Return what is said of the manifest to who makes no conditions."""
        query = dict(parse_qsl(environ.get("QUERY_STRING") or "", keep_blank_values=True))
        reply = ask(self.app, environ, "HEAD", from_wsgi(environ["PATH_INFO"]), query=query)
        reply.close()
        return list(reply.answer().headers.items()) if reply.is_good else []

    def _large(self, environ: Environ, headers: Headers, place: Prefix) -> Answer:
        reply = self._listing(environ, place, "")
        if not reply.is_good:
            return reply.answer()
        page = _segments(reply)
        moment = next((value for name, value in headers if name.lower() == "x-timestamp"), None)
        large = Large(
            place=place,
            first_page=page,
            is_complete=len(page) < self._page,
            moment=Timestamp.parse(moment) if moment else ZERO,
        )
        etag = large.etag if large.is_complete else ""
        shown = {name: value for name, value in headers if name.lower() not in _OF_THE_MANIFEST}
        if large.is_complete:
            shown["Etag"] = f'"{etag}"'
        status = conditions.judge(conditions.from_headers(environ), etag, large.moment)
        if status is not None:
            return Answer(status, shown)
        wanted = environ.get("HTTP_RANGE")
        if not conditions.range_holds(environ.get("HTTP_IF_RANGE"), etag, large.moment):
            wanted = None
        try:
            span = span_of(wanted, large)
        except Refused as refusal:
            where = {"Content-Range": f"bytes */{large.size}", "Accept-Ranges": "bytes"}
            return Answer.text(refusal.status, str(refusal), where)
        return self._body(environ, shown, large, span)

    def _body(self, environ: Environ, shown: dict[str, str], large: Large, span: Span | None) -> Answer:
        answer = Answer(200, shown, [])  # No bytes: their length would be announced.
        if span is not None and environ["REQUEST_METHOD"] == "GET":
            answer.status = 206
            shown["Content-Length"] = str(span[1] - span[0])
            total = content_range(span, large.size)
            shown["Content-Range"] = total if large.is_complete else f"{total.partition('/')[0]}/*"
        elif large.is_complete:
            shown["Content-Length"] = str(large.size)
        if environ["REQUEST_METHOD"] == "GET":
            pieces = pieces_of(large.place.container, self._all_segments(environ, large), span)
            body = SegmentedBody(self.app, environ, pieces)
            body.begin()
            answer.body = body
        return answer

    def _all_segments(self, environ: Environ, large: Large) -> Iterator[Segment]:
        """Yield the segments, page after page; what is added meanwhile behind the last one counts."""
        page = large.first_page
        while True:
            yield from page
            if len(page) < self._page:
                return
            reply = self._listing(environ, large.place, page[-1].name)
            if not reply.is_good:
                reply.close()
                raise Unavailable(f"The listing of the segments broke off: the answer was {reply.status}.\n")
            page = _segments(reply)

    def _listing(self, environ: Environ, place: Prefix, marker: str) -> Reply:
        account = from_wsgi(environ["PATH_INFO"].split("/", 3)[2])
        query = {"format": "json", "prefix": place.prefix, **({"marker": marker} if marker else {})}
        return ask(self.app, environ, "GET", path_of(environ, account, place.container), query=query)


def pieces_of(container: str, segments: Iterable[Segment], span: Span | None) -> Iterator[Piece | bytes]:
    """Yield what is read of the segments: all of each, or what falls into the span."""
    begin = 0
    for segment in segments:
        end = begin + segment.size
        if span is not None and begin >= span[1]:
            return
        first, last = (begin, end) if span is None else (max(begin, span[0]), min(end, span[1]))
        if first < last:
            path = f"{container}/{segment.name}"
            yield Piece(path=path, size=segment.size, span=(first - begin, last - begin))
        begin = end


def _segments(reply: Reply) -> list[Segment]:
    if reply.status == 204:
        reply.close()
        return []
    try:
        rows: list[dict[str, Any]] = json.loads(reply.read())
        return [Segment(row["name"], int(row["bytes"]), conditions.normalized(row["hash"])) for row in rows]
    except (ValueError, TypeError, KeyError) as problem:
        raise Unavailable("The listing of the segments cannot be understood.\n") from problem


def _is_object(environ: Environ) -> bool:
    names = environ["PATH_INFO"].split("/", 4)
    return len(names) == 5 and bool(names[4])


def _manifest_in(headers: Headers) -> str | None:
    return next((value for name, value in headers if name in _MARKS), None)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#dlo`."""
    config = parse(DloConfig, {**global_conf, **local_conf})
    page = ClusterConf.load(config.swift_dir).constraints.container_listing_limit
    return passable(lambda app: DynamicLargeObjects(app, page=page), AFFAIR)
