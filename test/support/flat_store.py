"""Objects in memory, for filters that read and write many: headers, ranges and conditions as the proxy has them.

    FlatStore ◀── filter under test       put() and request() make requests through a filter

Bodies of GET move themselves where the test gives them a wire, as the proxy's own do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from apus.common import conditions, ranges
from apus.common.http.answer import Answer
from apus.common.http.wsgi import WSGIApp, from_wsgi, to_wsgi
from apus.common.timestamp import Timestamp

ACCOUNT = "/v1/AUTH_test"
KEPT = ("X_OBJECT_META_", "X_OBJECT_SYSMETA_", "X_OBJECT_MANIFEST", "X_STATIC_LARGE_OBJECT")
PIECE = 7
"""Bytes of one piece of a body: few, so that small bodies have many."""


@dataclass
class Kept:
    """One object."""

    body: bytes
    headers: dict[str, str]
    second: int
    etag: str = ""


@dataclass
class Heard:
    """An answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Died(Exception):
    """The process that a test has ended."""


class Body:
    """A body that may be iterated or moved, and knows whether it was let go of."""

    open_bodies = 0

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._is_open = True
        Body.open_bodies += 1

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), PIECE):
            yield self._data[at : at + PIECE]

    def transfer(self, wire: Any) -> int:
        """Move it."""
        wire.send(self._data, 1.0)
        return len(self._data)

    def close(self) -> None:
        """Let go of it."""
        Body.open_bodies -= self._is_open
        self._is_open = False


@dataclass(eq=False)  # What is known of an application is remembered by it.
class FlatStore:
    """An application."""

    objects: dict[str, Kept] = field(default_factory=dict)
    """By `container/name`."""
    failing: dict[str, int] = field(default_factory=dict)
    """Statuses of what cannot be served."""
    forbidden: set[str] = field(default_factory=set)
    """Containers that the client may not touch."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    lives: int | None = None
    """How many changes it makes before the process dies."""
    page: int = 10000
    asked: Callable[[dict[str, Any]], None] = lambda _environ: None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""
        path = from_wsgi(environ["PATH_INFO"]).removeprefix(ACCOUNT + "/")
        method = environ["REQUEST_METHOD"]
        self.seen.append((method, path))
        self.asked(environ)
        return self._answer(environ, method, path)(environ, start_response)

    def _answer(self, environ: dict[str, Any], method: str, path: str) -> Answer:
        if path in self.failing:
            return Answer.text(self.failing[path], "It fails.")
        if path.partition("/")[0] in self.forbidden and "swift.authorize_override" not in environ:
            return Answer.text(403, "Not yours.")
        if "/" not in path:
            return self._listing(environ, path)
        if method == "PUT":
            self._live()
            return self._put(environ, path)
        kept = self.objects.get(path)
        if kept is None:
            return Answer.text(404, "There is nothing by that name.\n")
        if method == "DELETE":
            self._live()
            del self.objects[path]
            return Answer(204)
        return self._read(environ, kept)

    def _live(self) -> None:
        if self.lives is not None:
            if not self.lives:
                raise Died
            self.lives -= 1

    def _put(self, environ: dict[str, Any], path: str) -> Answer:
        body = environ["wsgi.input"].read()
        etag = md5(body).hexdigest()
        if environ.get("HTTP_ETAG", etag) != etag:
            return Answer.text(422, "not what was announced")
        headers = {
            key[5:].replace("_", "-").title(): value
            for key, value in environ.items()
            if key.startswith("HTTP_") and key[5:].startswith(KEPT)
        }
        headers["Content-Type"] = environ.get("CONTENT_TYPE") or "application/octet-stream"
        self.objects[path] = Kept(body, headers, 1_700_000_000 + len(self.seen), etag)
        return Answer(201, {"Etag": etag, "Last-Modified": formatdate(1_700_000_000, usegmt=True)})

    def _read(self, environ: dict[str, Any], kept: Kept) -> Answer:
        present = {name.lower(): value for name, value in kept.headers.items()}
        headers = {
            **kept.headers,
            "Content-Type": kept.headers["Content-Type"].partition(";swift_bytes=")[0],
            "Etag": kept.etag,
            "Last-Modified": formatdate(kept.second, usegmt=True),
            "X-Timestamp": f"{kept.second}.00000",
        }
        etag = next((present[n] for n in _names(environ, "ETAG_IS_AT") if n in present), kept.etag)
        moment = Timestamp.parse(headers["X-Timestamp"])
        status = conditions.judge(conditions.from_headers(environ), etag, moment)
        if status is not None:
            return Answer(
                status, {**headers, "Content-Type": "text/plain"}
            )  # As of a sentence, not of the object.
        header = environ.get("HTTP_RANGE")
        if any(name in present for name in _names(environ, "IGNORE_RANGE_IF_METADATA_PRESENT")):
            header = None
        spans = ranges.choose(header, len(kept.body))
        if environ["REQUEST_METHOD"] == "HEAD" or spans is None:
            headers["Content-Length"] = str(len(kept.body))
            return Answer(200, headers, Body(kept.body))
        if not spans:
            return Answer(416, {**headers, "Content-Range": f"bytes */{len(kept.body)}"})
        start, end = spans[0]
        headers["Content-Length"] = str(end - start)
        headers["Content-Range"] = ranges.content_range(spans[0], len(kept.body))
        return Answer(206, headers, Body(kept.body[start:end]))

    def _listing(self, environ: dict[str, Any], container: str) -> Answer:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        prefix, marker = (query.get(key, [""])[0] for key in ("prefix", "marker"))
        names = sorted(path.partition("/")[2] for path in self.objects if path.startswith(container + "/"))
        rows = [
            {
                "name": name,
                "bytes": len(self.objects[f"{container}/{name}"].body),
                "hash": self.objects[f"{container}/{name}"].etag,
            }
            for name in names
            if name.startswith(prefix) and name > marker
        ]
        body = json.dumps(rows[: self.page]).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))}
        return Answer(200, headers, body)


def _names(environ: dict[str, Any], key: str) -> list[str]:
    return [name.strip().lower() for name in environ.get("HTTP_X_BACKEND_" + key, "").split(",") if name]


def environ_of(
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a client's request; the path is `container/name`."""
    made = {
        "REQUEST_METHOD": method,
        "PATH_INFO": to_wsgi(f"{ACCOUNT}/{path}"),
        "RAW_PATH_INFO": quote(f"{ACCOUNT}/{path}"),
        "QUERY_STRING": urlencode(query or {}),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        made[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    return made


def request(app: WSGIApp, method: str, path: str, **what: Any) -> Heard:
    """Make a request and hear its answer to the end."""
    return answer_to(app, environ_of(method, path, **what))


def answer_to(app: WSGIApp, environ: dict[str, Any]) -> Heard:
    """Hear the answer to a request to its end."""
    announced: list[tuple[str, list[tuple[str, str]]]] = []
    body: Any = app(environ, lambda *said: announced.append(said[:2]))
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    status, headers = announced[-1]
    return Heard(int(status[:3]), {name.lower(): value for name, value in headers}, content)
