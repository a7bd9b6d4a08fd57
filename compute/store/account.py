"""One account of any Swift by its public interface: log-in, repetition, conditions, streams both ways.

    put, read, stream, head, delete, copy, names … ──▶ python-swiftclient ──▶ store
                     401 ──▶ log in again, once            5xx, broken connection ──▶ again after a pause

What may be repeated is: everything here is the same done twice, except a body that can't be read again.
It doesn't know what the objects are. Threads may share an account; each request has its own connection.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import md5
from typing import Any, TypeVar

import requests
from swiftclient import client as swift
from swiftclient.exceptions import ClientException

from ...common.errors import Corrupt, Missing, OutOfSpace, Refused, Unavailable
from .config import StoreConfig
from .errors import Exists, LoginRefused, Undecidable
from .interface import Contents, Listed
from .listing import listed
from .login import logged_in

log = logging.getLogger(__name__)
# It writes each request that was not answered 2xx, in four lines: most of them ask whether a thing is there.
logging.getLogger("swiftclient").setLevel(logging.WARNING)

T = TypeVar("T")
PIECE_BYTES = 1 << 18
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.2, 8.0
BROKEN = (requests.exceptions.RequestException, OSError, swift.urllib_http_error)
"""What a connection that fails raises, here or in the libraries below."""
REPEATABLE = frozenset((408, 429, 498, 500, 502, 503, 504))

Connection = tuple[Any, Any]
"""swiftclient's pair of a parsed URL and a session of `requests`."""


class Account:
    """The account that a service's settings name."""

    def __init__(self, config: StoreConfig, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._config = config
        self._sleep = sleep
        self._lock = threading.Lock()
        self._url = ""
        self._token = ""
        self._idle: list[Connection] = []

    def put(
        self,
        container: str,
        name: str,
        contents: Contents,
        *,
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
        only_new: bool = False,
        query: str = "",
    ) -> str:
        """Keep an object and return its ETag (see `interface.Store`)."""
        sent = dict(headers or {})
        sent.setdefault("Content-Type", "application/octet-stream")
        if only_new:
            sent["If-None-Match"] = "*"
        whole = isinstance(contents, bytes)
        expected = md5(contents, usedforsecurity=False).hexdigest() if isinstance(contents, bytes) else ""
        rewind = _rewinding(contents)

        def send(url: str, token: str, connection: Connection) -> str:
            if rewind is not None:
                rewind()
            return swift.put_object(  # type: ignore[no-any-return]
                url, token, container, name, contents,
                content_length=len(contents) if isinstance(contents, bytes) else length,
                etag=expected if whole and not query else None,
                headers=sent, http_conn=connection, query_string=query or None,
            )  # fmt: skip

        def put_once() -> str:
            return self._ask(send, f"PUT {container}/{name}", may_repeat=rewind is not None)

        try:
            etag = put_once()
        except Missing:
            self.make_container(container)
            if rewind is None:
                raise Unavailable(f"{container} was not there; it is now: send {name} again") from None
            etag = put_once()
        if expected and not query and etag and etag != expected and len(etag) == len(expected):
            raise Corrupt(f"the store keeps {container}/{name} with ETag {etag}, sent was {expected}")
        return etag

    def read(
        self, container: str, name: str, *, start: int = 0, length: int | None = None, newest: bool = False
    ) -> bytes:
        """Return an object or a range of it."""
        if length == 0:
            return b""
        headers = _range_headers(start, length)
        if newest:
            headers["X-Newest"] = "true"

        def get(url: str, token: str, connection: Connection) -> bytes:
            answer, body = swift.get_object(url, token, container, name, connection, headers=dict(headers))
            assert isinstance(body, bytes)
            if len(body) != int(answer.get("content-length", len(body))):
                raise Unavailable(f"{container}/{name} broke off after {len(body)} bytes")
            return body

        return self._ask(get, f"GET {container}/{name}")

    def stream(
        self, container: str, name: str, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield an object in pieces, going on after broken connections."""
        etag, at, failures = "", start, 0
        end = None if length is None else start + length
        while end is None or at < end:
            headers = _range_headers(at, None if end is None else end - at)
            if etag:
                headers["If-Match"] = etag
            connection, answer, body = self._open(container, name, headers)
            etag = etag or answer.get("etag", "")
            if end is None:
                end = at + int(answer["content-length"])
            try:
                for piece in body:
                    at += len(piece)
                    yield piece
            except BROKEN as problem:
                log.info("a stream broke", extra={"object": f"{container}/{name}", "at": at})
                _close(connection)
                failures += 1
                if failures > self._config.store_retries:
                    raise Unavailable(
                        f"{container}/{name} broke off at {at} of {end}: {problem}"
                    ) from problem
            except BaseException:
                _close(connection)
                raise
            else:
                self._release(connection)
                failures += at < end
                if failures > self._config.store_retries:
                    raise Unavailable(f"{container}/{name} ends at {at}, not at {end}")

    def _open(
        self, container: str, name: str, headers: Mapping[str, str]
    ) -> tuple[Connection, dict[str, str], Iterator[bytes]]:
        """Begin a GET; the connection stays with whoever reads the body."""

        def get(url: str, token: str, connection: Connection) -> tuple[Connection, Any, Any]:
            answer, body = swift.get_object(
                url, token, container, name, connection, resp_chunk_size=PIECE_BYTES, headers=dict(headers)
            )
            return connection, answer, body

        return self._ask(get, f"GET {container}/{name}", keeps_connection=True)

    def head(self, container: str, name: str, *, newest: bool = False) -> dict[str, str]:
        """Return an object's headers."""
        headers = {"X-Newest": "true"} if newest else {}

        def ask(url: str, token: str, connection: Connection) -> dict[str, str]:
            return dict(swift.head_object(url, token, container, name, connection, headers=dict(headers)))

        return self._ask(ask, f"HEAD {container}/{name}")

    def delete(self, container: str, name: str, *, query: str = "") -> bool:
        """Remove an object; False when there was none."""

        def ask(url: str, token: str, connection: Connection) -> None:
            swift.delete_object(url, token, container, name, connection, query_string=query or None)

        try:
            self._ask(ask, f"DELETE {container}/{name}")
        except Missing:
            return False
        return True

    def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """Have the store copy an object."""

        def ask(url: str, token: str, connection: Connection) -> None:
            swift.copy_object(url, token, container, name, f"/{to_container}/{to_name}", http_conn=connection)

        what = f"COPY {container}/{name}"
        try:
            self._ask(ask, what)
        except Missing:
            self.make_container(to_container)
            self._ask(ask, what)

    def names(self, container: str, *, prefix: str = "", after: str = "") -> Iterator[Listed]:
        """Yield the objects of a container in order."""
        marker = after
        while True:

            def ask(
                url: str, token: str, connection: Connection, marker: str = marker
            ) -> list[dict[str, Any]]:
                _, rows = swift.get_container(
                    url, token, container, marker=marker or None, prefix=prefix or None, http_conn=connection
                )
                return list(rows)

            try:
                rows = self._ask(ask, f"GET {container}")
            except Missing:
                return
            if not rows:
                return
            for row in rows:
                yield listed(row)
            marker = str(rows[-1]["name"])

    def containers(self, *, prefix: str = "") -> Iterator[str]:
        """Yield the names of the account's containers in order."""
        marker = ""
        while True:

            def ask(
                url: str, token: str, connection: Connection, marker: str = marker
            ) -> list[dict[str, Any]]:
                _, rows = swift.get_account(
                    url, token, marker=marker or None, prefix=prefix or None, http_conn=connection
                )
                return list(rows)

            rows = self._ask(ask, "GET account")
            if not rows:
                return
            for row in rows:
                yield str(row["name"])
            marker = str(rows[-1]["name"])

    def make_container(self, container: str, headers: Mapping[str, str] | None = None) -> None:
        """Make a container, or set headers of the one that is there."""

        def ask(url: str, token: str, connection: Connection) -> None:
            swift.put_container(url, token, container, dict(headers or {}), connection)

        self._ask(ask, f"PUT {container}")

    def remove_container(self, container: str) -> None:
        """Remove an empty container."""

        def ask(url: str, token: str, connection: Connection) -> None:
            swift.delete_container(url, token, container, connection)

        with contextlib.suppress(Missing):
            self._ask(ask, f"DELETE {container}")

    def capabilities(self) -> dict[str, dict[str, object]]:
        """Return what `/info` of the store says; empty when it says nothing."""

        def ask(_url: str, _token: str, connection: Connection) -> dict[str, dict[str, object]]:
            parsed, session = connection
            root = parsed._replace(path=f"{parsed.path.split('/v1/')[0]}/info")
            return dict(swift.get_capabilities((root, session)))

        try:
            return self._ask(ask, "GET info")
        except (Missing, Refused):
            return {}

    def _ask(
        self,
        ask: Callable[[str, str, Connection], T],
        what: str,
        *,
        may_repeat: bool = True,
        keeps_connection: bool = False,
    ) -> T:
        """Make one request, again where that may help; `what` names it in errors."""
        pause, attempt, renewed = PAUSE_SECONDS, 0, False
        while True:
            url, token = self._login()
            connection = self._take(url)
            try:
                answer = ask(url, token, connection)
            except (ClientException, Unavailable, *BROKEN) as problem:
                _close(connection)
                failure, cause = _translated(problem, what), problem
            except BaseException:
                _close(connection)
                raise
            else:
                if not keeps_connection:
                    self._release(connection)
                return answer
            if getattr(cause, "http_status", 0) == 401:
                self._forget(token)
                if may_repeat and not renewed:
                    renewed = True
                    continue
            attempt += 1
            if attempt > self._config.store_retries or not may_repeat or not _may_pass(failure, cause):
                raise failure from cause
            log.info("request repeated", extra={"request": what, "attempt": attempt, "why": str(failure)})
            self._sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, PAUSE_SECONDS_MAX)

    def _login(self) -> tuple[str, str]:
        """Return the account's URL and a token."""
        with self._lock:
            if self._token:
                return self._url, self._token
        url, token = self._new_token()
        with self._lock:
            self._url, self._token = url, token
            return self._url, self._token

    def _new_token(self) -> tuple[str, str]:
        retries = self._config.store_retries
        for attempt in range(retries + 1):
            try:
                return logged_in(self._config)
            except (ClientException, *BROKEN) as problem:
                failure = _translated(problem, "log in to the store")
                if attempt == retries or not _may_pass(failure, problem):
                    raise failure from problem
                self._sleep(min(PAUSE_SECONDS * 2**attempt, PAUSE_SECONDS_MAX))
        raise AssertionError("the last attempt returned or raised")

    def _forget(self, token: str) -> None:
        """Let the next request log in again, unless another has done that."""
        with self._lock:
            if self._token == token:
                self._token = ""

    def _take(self, url: str) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return swift.http_connection(  # type: ignore[no-any-return]
            url, timeout=self._config.store_timeout_seconds, cacert=self._config.store_cacert or None
        )

    def _release(self, connection: Connection) -> None:
        with self._lock:
            if len(self._idle) < self._config.store_connections:
                self._idle.append(connection)
                return
        _close(connection)


def _close(connection: Connection) -> None:
    with contextlib.suppress(*BROKEN):
        connection[1].close()


def _rewinding(contents: Contents) -> Callable[[], object] | None:
    """Return what makes the body readable once more, None when that can't be done."""
    if isinstance(contents, bytes):
        return lambda: None
    seek, tell = getattr(contents, "seek", None), getattr(contents, "tell", None)
    if seek is None or tell is None:
        return None
    begin = tell()
    return lambda: seek(begin)


def _range_headers(start: int, length: int | None) -> dict[str, str]:
    if length is not None:
        assert length > 0
        return {"Range": f"bytes={start}-{start + length - 1}"}
    return {"Range": f"bytes={start}-"} if start else {}


def _translated(problem: Exception, what: str) -> Exception:
    """Return the failure in the house's words."""
    if not isinstance(problem, ClientException):
        return problem if isinstance(problem, Unavailable) else Unavailable(f"{what}: {problem}")
    status = problem.http_status
    said = f"{what}: the store answered {status}"
    if not status:
        return Unavailable(f"{what}: {problem}")
    if status in (401, 403):
        return LoginRefused(said)
    if status == 404:
        return Missing(said)
    if status == 412:
        return Exists(said)
    if status in (413, 507):
        return OutOfSpace(f"{said}: no room is left in it, or the account's quota is used up")
    if status == 503 and (problem.http_response_headers or {}).get("X-Conditional-Writes") == "mixed":
        return Undecidable(f"{said}: it has servers that know no conditions beside others that do")
    if status >= 500 or status in REPEATABLE:
        return Unavailable(said)
    return Refused(f"{said} {problem.http_reason}", status)


def _may_pass(failure: Exception, problem: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(failure, OutOfSpace | Undecidable) or not isinstance(failure, Unavailable):
        return False
    return not isinstance(problem, ClientException) or problem.http_status in REPEATABLE | {0, None}
