"""What a handler gives back: a status, headers and a body, as one WSGI callable.

    handler ──▶ Answer(404, {...}, b"...") ──▶ start_response + body

A HEAD answer keeps its Content-Length and loses its body. Bodies are bytes, or an iterable of bytes
(an iterable that can `transfer` itself to a socket is passed to the engine untouched).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from .wsgi import Environ, StartResponse, let_go

_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus} | {
    302: "302 Found",
    412: "412 Precondition Failed",
    413: "413 Request Entity Too Large",
    414: "414 Request-URI Too Long",
    416: "416 Requested Range Not Satisfiable",
    422: "422 Unprocessable Entity",
    497: "497 Blacklisted",
    498: "498 Rate Limited",
    499: "499 Client Disconnect",
    503: "503 Service Unavailable",
    507: "507 Insufficient Storage",
    529: "529 Too Many Backend Requests",
}
BODILESS = frozenset((204, 304))


def status_line(status: int) -> str:
    """Return `404 Not Found`: the number and its phrase."""
    return _PHRASES.get(status) or f"{status} Unknown"


@dataclass(slots=True)
class Answer:
    """An HTTP answer; headers are WSGI strings, and Content-Length of a bytes body is filled in."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""

    @classmethod
    def text(cls, status: int, sentence: str, headers: dict[str, str] | None = None) -> Answer:
        """Return a plain-text answer that says what is the matter."""
        kind = {"Content-Type": "text/plain; charset=utf-8"}
        return cls(status, {**kind, **(headers or {})}, sentence.encode("utf-8", "surrogateescape"))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        status, body, headers = self.status, self.body, self.headers
        if isinstance(body, bytes):
            if "Content-Length" not in headers and status not in BODILESS:
                headers["Content-Length"] = str(len(body))
            body = [body] if body else []
        start_response(_PHRASES.get(status) or status_line(status), list(headers.items()))
        if environ["REQUEST_METHOD"] == "HEAD" or status in BODILESS:
            let_go(body)
            return []
        return body
