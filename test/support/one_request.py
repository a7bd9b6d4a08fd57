"""One request through a WSGI application without a server, for tests of filters.

ask(app, "GET", "/v1/a", headers={...}) ──▶ environ ──▶ app ──▶ Reply(status, headers, body)
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass
class Reply:
    """What came back; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes
    environ: Environ

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def environ_for(
    method: str, path: str, *, headers: Mapping[str, str] | None = None, query: str = "", body: bytes = b""
) -> Environ:
    """Return what the HTTP engine would hand to an application; `path` is a decoded WSGI string."""
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "store.example",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def ask(
    app: App,
    method: str = "GET",
    path: str = "/",
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    body: bytes = b"",
    environ: Environ | None = None,
) -> Reply:
    """Send one request and read the whole answer."""
    request = environ_for(method, path, headers=headers, query=query, body=body) | (environ or {})
    announced: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        announced[:] = (status, fields)

    result = app(request, start_response)
    try:
        content = b"".join(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    status, fields = announced
    return Reply(int(status[:3]), {name.lower(): value for name, value in fields}, content, request)


@dataclass(eq=False)
class FixedApp:
    """An application that always gives the same answer and remembers the environs it saw."""

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Iterable[bytes] = (b"",)
    seen: list[Environ] = field(default_factory=list)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer."""
        self.seen.append(environ)
        start_response(self.status, list(self.headers))
        return list(self.body)
