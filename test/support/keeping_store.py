"""One account in memory that keeps everything of its objects: bodies, headers, moments, rows.

    KeepingStore ◀── filters under test     PUT, POST, GET, HEAD, DELETE of containers and objects, listings

It can die: `dies_at` is the number of the request that it doesn't live to answer. Authorisation is asked as
controllers ask; conditions, lengths, ETags and reserved names are judged as the proxy judges them.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson

from apus.common.config import true_value
from apus.common.database.listing import Query, Range, Row, Subdir, scan
from apus.common.errors import Refused
from apus.common.http.answer import Answer
from apus.common.http.wsgi import from_wsgi
from apus.common.timestamp import Timestamp, now
from apus.proxy.authorization import denial
from apus.proxy.info import AccountInfo, ContainerInfo

OVERRIDE = "x-object-sysmeta-container-update-override-etag"
Environ = dict[str, Any]


class Died(Exception):
    """The store is gone in the middle of something."""


@dataclass(eq=False)
class Kept:
    """An object; names of headers are in lower case."""

    body: bytes
    headers: dict[str, str]
    moment: Timestamp


@dataclass(eq=False)
class KeepingStore:
    """An application."""

    containers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Headers of containers, names in lower case."""
    objects: dict[tuple[str, str], Kept] = field(default_factory=dict)
    dies_at: int | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Methods and paths of all requests."""
    failing: dict[tuple[str, str], int] = field(default_factory=dict)
    """Statuses for methods and paths that fail."""
    _last: Timestamp = field(default_factory=now)

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        """Return what is known of the account."""
        return AccountInfo(status=204, really_exists=True)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return what is known of a container."""
        headers = self.containers.get(container)
        return ContainerInfo.of(204 if headers is not None else 404, headers or {})

    def names(self, container: str) -> list[str]:
        """Return the names of a container's objects."""
        return sorted(name for where, name in self.objects if where == container)

    @contextmanager
    def dying_at(self, step: int) -> Iterator[None]:
        """Die at that request of what is done meanwhile, if it comes that far, and live again afterwards."""
        self.dies_at = step
        try:
            yield
        except Died:
            pass
        finally:
            self.dies_at = None

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or die."""
        if self.dies_at is not None:
            if self.dies_at == 0:
                raise Died
            self.dies_at -= 1
        path = from_wsgi(environ["PATH_INFO"])
        method = environ["REQUEST_METHOD"]
        self.seen.append((method, path))
        try:
            answer = self._answer(environ, method, path)
        except Refused as refusal:
            answer = Answer.text(refusal.status, str(refusal))
        return answer(environ, start_response)

    def _answer(self, environ: Environ, method: str, path: str) -> Answer:
        if (method, path) in self.failing:
            return Answer(self.failing[method, path])
        if "\0" in path and not true_value(environ.get("HTTP_X_BACKEND_ALLOW_RESERVED_NAMES", "")):
            return Answer(412)
        refusal = denial(environ, None)
        if refusal is not None:
            return refusal
        names = path.split("/", 4)[3:]
        if not names:
            return self._listed_account(environ)
        if len(names) == 1 or not names[1]:
            return self._container(environ, method, names[0])
        if names[0] not in self.containers:
            return Answer(404)
        return self._object(environ, method, (names[0], names[1]))

    def _moment(self, environ: Environ) -> Timestamp:
        self._last = max(now(), self._last.later(1))
        given = environ.get("HTTP_X_TIMESTAMP")
        return Timestamp.parse(given) if given else self._last

    # --- containers ----------------------------------------------------------------------------

    def _container(self, environ: Environ, method: str, name: str) -> Answer:
        if method in ("PUT", "POST"):
            if method == "POST" and name not in self.containers:
                return Answer(404)
            known = name in self.containers
            headers = self.containers.setdefault(name, {"x-storage-policy": "gold"})
            for header, value in _headers(environ).items():
                if header.startswith(("x-container-sysmeta-", "x-versions-location", "x-storage-policy")):
                    headers[header] = value
            return Answer(204 if method == "POST" else 202 if known else 201)
        if name not in self.containers:
            return Answer(404)
        if method == "DELETE":
            if self.names(name):
                return Answer(409)
            del self.containers[name]
            return Answer(204)
        rows = self._rows(name)
        headers = {title: value for title, value in self.containers[name].items() if value}
        headers["X-Container-Object-Count"] = str(len(rows))
        headers["X-Container-Bytes-Used"] = str(sum(row[1] for row in rows))
        headers["Content-Type"] = "application/json"
        return Answer(200, headers, self._listing(environ, rows)) if method == "GET" else Answer(204, headers)

    def _rows(self, container: str) -> list[Row]:
        return [
            (
                name,
                len(kept.body),
                kept.headers.get(OVERRIDE, kept.headers["etag"]),
                kept.headers["content-type"],
                kept.moment.isoformat,
            )
            for (where, name), kept in sorted(self.objects.items())
            if where == container
        ]

    def _listing(self, environ: Environ, rows: list[Row]) -> bytes:
        words = {key: values[-1] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
        query = Query(
            limit=int(words.get("limit") or 10_000),
            marker=words.get("marker", ""),
            end_marker=words.get("end_marker", ""),
            prefix=words.get("prefix", ""),
            delimiter=words.get("delimiter", ""),
            reverse=true_value(words.get("reverse", "")),
            reserved=true_value(environ.get("HTTP_X_BACKEND_ALLOW_RESERVED_NAMES", "")),
        )
        return orjson.dumps([_shown(row) for row in scan(query, lambda span: _within(rows, span))])

    def _listed_account(self, environ: Environ) -> Answer:
        rows: list[Row] = [
            (name, sum(row[1] for row in self._rows(name)), str(len(self._rows(name))), "", "")
            for name in sorted(self.containers)
        ]
        found = orjson.loads(self._listing(environ, rows))
        shown = [{"name": row["name"], "bytes": row["bytes"], "count": int(row["hash"])} for row in found]
        return Answer(200, {"Content-Type": "application/json"}, orjson.dumps(shown))

    # --- objects -------------------------------------------------------------------------------

    def _object(self, environ: Environ, method: str, names: tuple[str, str]) -> Answer:
        known = self.objects.get(names)
        if method == "PUT":
            return self._put(environ, names, known)
        if known is None:
            return Answer(404)
        if method == "DELETE":
            del self.objects[names]
            return Answer(204)
        if method == "POST":
            sysmeta = {k: value for k, value in known.headers.items() if k.startswith("x-object-sysmeta-")}
            stays = {key: known.headers[key] for key in ("etag", "content-type")}
            replaced = ("x-object-meta-", "x-object-transient-sysmeta-")
            meta = {key: value for key, value in _headers(environ).items() if key.startswith(replaced)}
            known.headers = {**stays, **sysmeta, **meta}
            return Answer(202, dict(sysmeta))
        headers = {
            "Content-Length": str(len(known.body)),
            "Last-Modified": known.moment.http_date,
            "X-Timestamp": known.moment.normal,
        }
        return Answer(200, {**known.headers, **headers}, known.body)

    def _put(self, environ: Environ, names: tuple[str, str], known: Kept | None) -> Answer:
        if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            return Answer(411)
        if known is not None and environ.get("HTTP_IF_NONE_MATCH") == "*":
            return Answer(412)
        moment = self._moment(environ)
        if known is not None and moment <= known.moment:
            return Answer(409)
        body = b""
        while piece := environ["wsgi.input"].read(3):
            body += piece
        headers = _headers(environ)
        etag = hashlib.md5(body).hexdigest()
        if headers.get("etag", etag).strip('"') != etag:
            return Answer(422)
        headers["etag"] = etag
        headers["content-type"] = environ.get("CONTENT_TYPE") or "application/octet-stream"
        self.objects[names] = Kept(body, headers, moment)
        return Answer(201, {"Etag": etag, "Last-Modified": moment.http_date})


def _headers(environ: Environ) -> dict[str, str]:
    """Return what is stored of a request."""
    unstored = ("host", "if-none-match", "x-backend", "x-newest", "transfer-encoding", "x-timestamp")
    headers = {key[5:].lower().replace("_", "-"): environ[key] for key in environ if key.startswith("HTTP_")}
    return {name: value for name, value in headers.items() if not name.startswith(unstored)}


def _within(rows: list[Row], span: Range) -> Iterator[Row]:
    """Return the rows of a range of names."""
    found = [
        row
        for row in rows
        if (row[0] > span.low or (span.low_is_in and row[0] == span.low))
        and (not span.high or row[0] < span.high)
    ]
    return itertools.islice(reversed(found) if span.reverse else iter(found), max(span.limit, 0) or None)


def _shown(row: Row | Subdir) -> dict[str, Any]:
    if isinstance(row, Subdir):
        return {"subdir": row.name}
    return dict(zip(("name", "bytes", "hash", "content_type", "last_modified"), row, strict=True))
