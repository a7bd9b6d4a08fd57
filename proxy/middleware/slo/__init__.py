"""Static large objects: objects made of segments that a manifest names.

    PUT ?multipart-manifest=put       ──▶ writing.py    segments looked at, manifest stored
    GET, HEAD                         ──▶ reading.py    segments joined, if what is there is a manifest
    DELETE ?multipart-manifest=delete ──▶ deleting.py   segments and manifests removed
    GET of a container                ──▶ slo_etag of its rows shown apart

Anything else passes through; an answer costs a look at the names of its headers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from ....common import info
from ....common.config import parse, setting, true_value
from ....common.errors import Corrupt, Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, StartResponse, WSGIApp
from ..inner import Reply, call, heard
from ..listing_documents import holds_mark
from ..listing_formats import LISTING_BYTES_MAX
from ..shortcut import Affair, Shortcut, passable
from . import reading
from .deleting import Deletion, delete_later
from .reading import MARK, MARKS, Question, is_manifest
from .writing import Limits, Writing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SloConfig:
    """The filter's settings."""

    max_manifest_segments: int = setting(1000, help="Objects that one manifest may name.", minimum=1)
    max_manifest_size: int = setting(8 << 20, help="Bytes of a client's manifest.", minimum=1)
    concurrency: int = setting(
        8,
        help="Segments that are looked at, or deleted, at the same time for one request.",
        minimum=1,
        maximum=1000,
    )
    yield_frequency: int = setting(
        10, help="Seconds between signs of life of an answer that takes long.", minimum=1
    )
    allow_async_delete: bool = setting(
        True,  # noqa: FBT003
        help="With async=yes, leave the segments of a deleted object to the expirer.",
    )


class StaticLargeObjects:
    """The filter."""

    def __init__(self, app: WSGIApp, config: SloConfig) -> None:
        self.app = app
        self._deletes_later = config.allow_async_delete
        self._limits = Limits(
            segments_max=config.max_manifest_segments,
            bytes_max=config.max_manifest_size,
            concurrency=config.concurrency,
            heartbeat_seconds=config.yield_frequency,
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        if method not in _METHODS or "swift.slo_override" in environ:
            return self.app(environ, start_response)
        names = environ["PATH_INFO"].split("/", 4)
        if len(names) < 5 or not names[4]:
            if method == "GET" and len(names) > 3 and names[3]:
                return self._listing(environ, start_response)
            return self.app(environ, start_response)
        if method in ("GET", "HEAD"):
            return self._read(environ, start_response)
        asked = _asked(environ)
        if method == "PUT" and asked.get("multipart-manifest") == "put":
            return self._answered(environ, start_response, lambda: self._put(environ, asked))
        if method == "DELETE" and asked.get("multipart-manifest") == "delete":
            return self._answered(environ, start_response, lambda: self._delete(environ, asked))
        if "HTTP_X_STATIC_LARGE_OBJECT" in environ:
            sentence = (
                f"{MARK} is a reserved header. To create a static large object add query param "
                "multipart-manifest=put."
            )
            return Answer.text(400, sentence)(environ, start_response)
        return self.app(environ, start_response)

    def _put(self, environ: Environ, asked: dict[str, str]) -> Answer:
        if "HTTP_X_COPY_FROM" in environ:
            raise Refused("Multipart Manifest PUTs cannot be COPY requests", 405)
        heartbeat = true_value(asked.get("heartbeat", ""))
        return Writing(self, self.app, environ, self._limits).answer(heartbeat=heartbeat)

    def _delete(self, environ: Environ, asked: dict[str, str]) -> Answer:
        version_id = asked.get("version-id")
        if self._deletes_later and true_value(asked.get("async", "")):
            answer = delete_later(self.app, environ, version_id=version_id)
            if answer is not None:
                return answer
        deletion = Deletion(self.app, environ, concurrency=self._limits.concurrency, version_id=version_id)
        return deletion.answer(heartbeat_seconds=self._limits.heartbeat_seconds)

    def _read(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass on what is no manifest as it comes; answer for what is one."""
        asked, path = _asked(environ), environ["PATH_INFO"]
        shows_manifest = asked.get("multipart-manifest") == "get"
        if not shows_manifest:
            reading.prepare(environ)
        elif asked.get("format") == "raw":
            environ.pop("HTTP_RANGE", None)
        status, headers, body = heard(self.app, environ)
        if not is_manifest(headers):
            start_response(status, headers)
            return body
        reply = Reply(int(status[:3]), {name.lower(): value for name, value in headers}, body)
        question = Question(self.app, environ, path, asked)
        answered = reading.manifest_answer if shows_manifest else reading.large_answer

        def act() -> Answer:
            try:
                return answered(question, reply)
            except BaseException:
                reply.close()
                raise

        return self._answered(environ, start_response, act)

    def _listing(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Show the ETags of large objects apart from those of their manifests."""
        reply = call(self.app, environ)
        length = reply.headers.get("content-length", "")
        is_json = reply.headers.get("content-type", "").partition(";")[0] == "application/json"
        if reply.is_good and is_json and length.isdigit() and int(length) <= LISTING_BYTES_MAX:
            document = reply.read()
            if holds_mark(document, b"slo_etag"):  # Most do not, and are spared the parsing.
                document = with_slo_etags(document)
                reply.headers["content-length"] = str(len(document))
            reply.body = [document]
        return reply.answer()(environ, start_response)

    def _answered(
        self, environ: Environ, start_response: StartResponse, act: Callable[[], Answer]
    ) -> Iterable[bytes]:
        try:
            answer = act()
        except Refused as refusal:
            answer = Answer.text(refusal.status, str(refusal))
        except Unavailable as problem:
            answer = Answer.text(503, str(problem))
        except Corrupt as problem:
            log.exception("a stored manifest is unreadable", extra={"path": environ["PATH_INFO"]})
            answer = Answer.text(500, f"Unable to load SLO manifest: {problem}.\n")
        return answer(environ, start_response)


AFFAIR = Affair(
    headers=frozenset(
        (
            "HTTP_X_STATIC_LARGE_OBJECT",
            "HTTP_RANGE",
            "HTTP_IF_MATCH",
            "HTTP_IF_NONE_MATCH",
            "HTTP_IF_RANGE",
        )
    ),
    marks=MARKS,
)
_METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "DELETE"))
_SLO_ETAG = re.compile(r"\s*;\s*slo_etag=([^;]*)")


def _asked(environ: Environ) -> dict[str, str]:
    text = environ.get("QUERY_STRING")
    return dict(parse_qsl(text, keep_blank_values=True)) if text else {}


def with_slo_etags(document: bytes) -> bytes:
    """Return a container's listing in JSON with `slo_etag` as a key of its own."""
    try:
        rows = orjson.loads(document)
    except ValueError:
        return document
    for row in rows if isinstance(rows, list) else ():
        found = _SLO_ETAG.search(row.get("hash", ""))
        if found:
            row["hash"] = row["hash"].replace(found[0], "", 1)
            row["slo_etag"] = f'"{found[1]}"'
    return orjson.dumps(rows)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#slo`."""
    config = parse(SloConfig, {**global_conf, **local_conf})
    info.register(
        "slo",
        max_manifest_segments=config.max_manifest_segments,
        max_manifest_size=config.max_manifest_size,
        yield_frequency=config.yield_frequency,
        min_segment_size=1,
        allow_async_delete=config.allow_async_delete,
    )
    return passable(lambda app: StaticLargeObjects(app, config), AFFAIR)
