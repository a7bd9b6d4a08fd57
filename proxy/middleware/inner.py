"""Requests that a filter makes of its own accord while it serves a client's.

    filter ──ask(app, environ, "GET", path)──▶ the rest of the pipeline ──▶ Reply(status, headers, body)
                  └ nobody's leave is asked where `trusted`; else the client's rights decide, as always

What such a request inherits from the client's is who asks, under which transaction, and what is remembered;
none of its headers, query or body, which were meant for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, WSGIApp, let_go, to_wsgi

ANSWERED = "apus.answered"
"""Where shortcut.py keeps the answer that a row of filters is to find behind it."""
NOBODYS: Mapping[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "0",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
}
"""What a request of nobody's is made of, on whose behalf a daemon asks a pipeline of its own."""
OWN_KEYS = frozenset(
    (
        ANSWERED,
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "QUERY_STRING",
        "apus.acl",
        "apus.owner",
        "apus.policy_index",
        "swift_owner",
        "swift.callback.fetch_crypto_keys",
        "swift.callback.update_footers",
        "swift.format_listing",
        "swift.leave_relative_location",
        "swift_sync_key",
        "webob.adhoc_attrs",
        "wsgi.input",
    )
)
"""What belongs to one request alone."""
INHERITED_HEADERS = frozenset(("HTTP_HOST", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR"))


class Source(Protocol):
    """A body that is sent, as `wsgi.input` is."""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end."""


@dataclass(slots=True)
class Reply:
    """What the rest of the pipeline answered; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes]

    @property
    def is_good(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2

    def read(self, size_max: int | None = None) -> bytes:
        """Return the whole body, and let go of it.

        Raises:
            ValueError: when it is longer than `size_max`.
        """
        pieces, size = [], 0
        try:
            for piece in self.body:
                size += len(piece)
                if size_max is not None and size > size_max:
                    raise ValueError(f"the body is longer than {size_max} bytes")
                pieces.append(piece)
        finally:
            self.close()
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the body; what nobody has read stays where it is."""
        let_go(self.body)

    def answer(self) -> Answer:
        """Return it as the answer to the client."""
        headers = {_cased(name, bytes.title): value for name, value in self.headers.items()}
        return Answer(self.status, headers, self.body)


def path_of(environ: Environ, *names: str) -> str:
    """Return the path, of this request's API version, of an account, a container or an object."""
    version = environ["PATH_INFO"].split("/", 2)[1]
    return "/".join(("", version, *names))


def inner_environ(
    environ: Environ,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: bytes | Source = b"",
    length: int | None = None,
    trusted: bool = False,
) -> Environ:
    """Return the environ of another request on behalf of this one; `path` is text, not percent-encoded.

    A body of bytes has its length; another one has `length`, or is chunked without it.
    """
    made = {
        key: value
        for key, value in environ.items()
        if key not in OWN_KEYS and (not key.startswith("HTTP_") or key in INHERITED_HEADERS)
    }
    made["REQUEST_METHOD"] = method
    made["PATH_INFO"] = to_wsgi(path)
    made["RAW_PATH_INFO"] = quote(path, errors="surrogateescape")
    made["QUERY_STRING"] = urlencode(query, quote_via=quote, errors="surrogateescape") if query else ""
    for name, value in (headers or {}).items():
        key = _cased(name, bytes.upper).replace("-", "_")
        made[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    if isinstance(body, bytes):
        made["wsgi.input"] = BytesIO(body)
        length = len(body)
    else:
        made["wsgi.input"] = body
    if length is not None:
        made["CONTENT_LENGTH"] = str(length)
    else:
        made["HTTP_TRANSFER_ENCODING"] = "chunked"
    if trusted:
        made["apus.owner"] = made["swift_owner"] = made["swift.authorize_override"] = True
        made["apus.authorize"] = made["swift.authorize"] = _allow
    return made


def _allow(_request: Any) -> None:
    """Ask nobody."""


def ask(app: WSGIApp, environ: Environ, method: str, path: str, **what: Any) -> Reply:
    """Make another request on behalf of this one; see `inner_environ` for what it may carry."""
    return call(app, inner_environ(environ, method, path, **what))


def call(app: WSGIApp, environ: Environ) -> Reply:
    """Return what the application answers; its body may still be on the way."""
    status, headers, body = heard(app, environ)
    return Reply(int(status[:3]), {_cased(name, bytes.lower): value for name, value in headers}, body)


def heard(app: WSGIApp, environ: Environ) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
    """Return the status and the headers as the application announces them, and its body."""
    announced: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _problem: object = None) -> None:
        announced.append((status, headers))

    body: Iterable[bytes] = app(environ, start)
    if not announced:  # A generator announces itself when its first piece is taken.
        body = begun(body)
    status, headers = announced[-1]
    return status, headers, body


def _cased(name: str, turned: Callable[[bytes], bytes]) -> str:
    """Return a header's name in another case; only its ASCII letters have one, or it became other bytes."""
    return turned(name.encode("latin-1")).decode("latin-1")


class _Begun:
    """A body whose first piece has been taken."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Any) -> None:
        self._first, self._rest, self._body = first, rest, body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        yield from self._rest

    def close(self) -> None:
        """Let go of it."""
        let_go(self._body)


def begun(body: Iterable[bytes]) -> Iterable[bytes]:
    """Return the body of an application that is a generator, made to announce itself."""
    rest = iter(body)
    first = [piece for piece in [next(rest, b"")] if piece]
    return _Begun(first, rest, body)


class BodySource:
    """A reply's body as the body of another request: what a copy sends."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        if size < 0:
            return self._left + b"".join(self._pieces)
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        data, self._left = self._left[:size], self._left[size:]
        return data
