"""Sending one answer: its head and body in as few system calls as can be, its length kept honest.

    start_response ──▶ status, headers ┐
    send(piece)… finish()              ├─▶ head + first piece in one send ──▶ further pieces
    transfer(body's own way)           ┘

HEAD, 204 and 304 carry no body. A body without Content-Length is chunked for HTTP/1.1 and ends with the
connection for HTTP/1.0. After a body that is shorter or longer than announced the connection is closed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from .body import NO_BODY, Body
from .errors import ClientTimeout
from .framing import BODILESS, keeps_alive
from .settings import ServerConfig
from .wire import Wire, WireTimeout
from .wsgi import Environ

log = logging.getLogger(__name__)

JOIN_BYTES_MAX = 65536  # Joining head and body copies; above this two buffers in one call are cheaper.

_UNKNOWN = -1
_CHUNKED = -2
_SPECIAL = {"content-length": "length", "connection": "connection", "date": "date"}
_MEMO_MAX = 1024  # Names of metadata are the clients' to choose; the memo must not grow with their fancy.
_Form = tuple[str, int]  # The header lines, for `%`; which value is the length, -1 when none is.
_number = lru_cache(maxsize=1024)(int)  # Of lengths: many bodies have the same.
_forms: dict[tuple[str, ...], _Form] = {}  # By the names of an answer's headers in their order.


class Reply:
    """The answer to one request."""

    __slots__ = (
        "_bodiless",
        "_config",
        "_environ",
        "_headers",
        "_left",
        "_length",
        "_lines",
        "_request_body",
        "_status",
        "_wire",
        "head_sent",
        "is_sending",
        "keep",
    )

    def __init__(self, wire: Wire, environ: Environ, request_body: Body, config: ServerConfig) -> None:
        self._wire = wire
        self._environ = environ
        self._request_body = request_body
        self._config = config
        self._status: str | None = None
        self._headers: Sequence[tuple[str, str]] = ()
        self._bodiless = environ["REQUEST_METHOD"] == "HEAD"
        self._lines: list[str]
        self._length: int
        self._left: int  # Bytes that the announced length still allows.
        self.keep = True  # Whether the connection is to be used further.
        self.head_sent = False
        self.is_sending = False  # An OSError now is the connection's, not the application's.

    @property
    def announces_length(self) -> bool:
        """Whether the application has said how long its answer is: then the body may move itself."""
        return any(name.lower() == "content-length" for name, _ in self._headers)

    @property
    def wants_no_body(self) -> bool:
        """Whether the answer is complete with its head."""
        return self._bodiless and self._status is not None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """WSGI's start_response."""
        if exc_info is not None and self.head_sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status is not None and exc_info is None:
            raise AssertionError("start_response was called twice")
        self._status = status
        self._headers = headers
        if status[:3] in _BODILESS_STATUSES:
            self._bodiless = True
        return self.send

    def send_only(self, body: bytes) -> None:
        """Send an answer whose body is this and nothing more."""
        if self.head_sent:
            self.send(body)
            self.finish()
            return
        head = self._usual_head(len(body)) or self._unusual_head(len(body))
        if self._bodiless:
            self._send_raw(head)
        elif self._length == len(body) <= JOIN_BYTES_MAX:
            self._left = 0  # The usual case, without the steps that others need.
            self._send_raw(head + body)
        else:
            self._send_first(head, body)
            self.finish()

    def send(self, piece: bytes) -> bool:
        """Send the next piece of the body; return False when no further one is wanted."""
        if self._bodiless:
            return self._status is None
        if not piece:
            return True
        if not self.head_sent:
            self._send_first(self._usual_head(_UNKNOWN) or self._unusual_head(_UNKNOWN), piece)
        else:
            self._send_parts(self._framed(piece))
        return True

    def finish(self) -> None:
        """Complete the answer."""
        if not self.head_sent:
            self._send_first(self._usual_head(0) or self._unusual_head(0), b"")
        if self._bodiless:
            return
        if self._length == _CHUNKED:
            self._send_parts([b"0\r\n\r\n"])
        elif self._length == _UNKNOWN:
            self.keep = False
        elif self._left:
            log.error("an answer was shorter than announced", extra={"missing": self._left})
            self.keep = False

    def transfer(self, move: Callable[[Wire], int]) -> None:
        """Send the head and let the body move itself."""
        head = self._usual_head(_UNKNOWN) or self._unusual_head(_UNKNOWN)
        assert self._length >= 0, "a body that moves itself needs a Content-Length"
        wire = self._wire
        wire.patience_seconds = self._config.client_timeout_seconds
        wire.held = head
        try:
            if self._left:
                self._left -= move(wire)
        except BaseException:
            # A body that fails before its first byte may still become an error.
            self.head_sent, wire.held = not wire.held, b""
            raise
        if wire.held:
            self._send_raw(b"")
        self.head_sent = True
        if self._left:
            log.error("an answer was shorter than announced", extra={"missing": self._left})
            self.keep = False

    def _usual_head(self, known: int) -> bytes | None:
        """Settle the framing and return the head, for two thirds of what `_unusual_head` takes; or None.

        `known` is the body's length where the server can tell.
        """
        environ, status, headers, body = self._environ, self._status, self._headers, self._request_body
        if (
            not self.keep
            or not status
            or not headers
            or environ["SERVER_PROTOCOL"] != "HTTP/1.1"
            or not (body is NO_BODY or body.finished)
        ):
            return None
        names, values = zip(*headers)  # noqa: B905 - pairs; asking for that costs a tenth of it all
        template, length_at = _forms.get(names) or _form_of(names)
        text = "".join(values)
        if not template or "\n" in text or "\r" in text or "\n" in status or "\r" in status:
            return None
        more = "Connection: keep-alive\r\n" if "HTTP_CONNECTION" in environ else ""
        if not self._bodiless:
            if length_at >= 0:
                known = _number(values[length_at])
            elif known >= 0:
                more = f"{more}Content-Length: {known}\r\n"
            if known < 0:
                return None
            self._length = self._left = known
        head = f"HTTP/1.1 {status}\r\n{template % values}{date_line()}{more}\r\n"
        return head.encode("latin-1")

    def _unusual_head(self, known: int) -> bytes:
        """Settle the framing and return the head of any answer."""
        assert self._status is not None, "the application sent a body before it called start_response"
        body = self._request_body
        if self.keep and body is not NO_BODY:
            # A proxy before us closes a connection on which an answer overtakes the end of its request.
            body.skip_soon(self._config.drain_bytes_max, self._config.drain_seconds)
            self.keep = body.is_skippable(self._config.drain_bytes_max)
        length = None
        lines = self._lines = [f"HTTP/1.1 {self._status}\r\n"]
        dated = False
        for name, value in self._headers:
            kind = _SPECIAL.get(name.lower())
            if kind == "length":
                length = int(value)
                lines.append(f"Content-Length: {value}\r\n")
            elif kind == "connection":
                http_1_1 = self._environ["SERVER_PROTOCOL"] == "HTTP/1.1"
                self.keep = self.keep and keeps_alive(value, int(http_1_1))
            elif kind == "date":
                dated = True
                lines.append(f"Date: {value}\r\n")
            else:
                lines.append(f"{name}: {value}\r\n")
        if not dated:
            lines.append(date_line())
        if not self._bodiless:
            if length is None:
                length = self._choose_length(known)
            self._length = length
            self._left = length if length > 0 else 0
        return self._head()

    def _choose_length(self, known: int) -> int:
        if known >= 0:
            self._lines.append(f"Content-Length: {known}\r\n")
            return known
        if self._environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            self._lines.append("Transfer-Encoding: chunked\r\n")
            return _CHUNKED
        self.keep = False
        return _UNKNOWN

    def _head(self) -> bytes:
        """Return the head; a header that would break out of its line is our own fault and fails."""
        lines = self._lines
        if not self.keep:
            lines.append("Connection: close\r\n")
        elif "HTTP_CONNECTION" in self._environ or self._environ["SERVER_PROTOCOL"] != "HTTP/1.1":
            # HTTP/1.1 keeps connections without a word, but who says so (as stock's suite does) is answered.
            lines.append("Connection: keep-alive\r\n")
        head = "".join(lines)
        if head.count("\n") != len(lines) or head.count("\r") != len(lines):
            raise AssertionError("a header of the answer contains a line break")
        return head.encode("latin-1") + b"\r\n"

    def _send_first(self, head: bytes, piece: bytes) -> None:
        if not piece or self._bodiless:
            self._send_raw(head)
        elif len(piece) <= JOIN_BYTES_MAX:
            self._send_raw(head + b"".join(self._framed(piece)))
        else:
            self._send_parts([head, *self._framed(piece)])

    def _framed(self, piece: bytes) -> list[bytes]:
        """Return the piece as the wire is to see it, and count it."""
        if self._length == _CHUNKED:
            return [b"%x\r\n" % len(piece), piece, b"\r\n"]
        if self._length == _UNKNOWN:
            return [piece]
        if len(piece) > self._left:
            log.error("an answer was longer than announced", extra={"surplus": len(piece) - self._left})
            self.keep = False
            piece = piece[: self._left]
        self._left -= len(piece)
        return [piece]

    def _send_raw(self, data: bytes) -> None:
        self.head_sent = self.is_sending = True
        try:
            self._wire.send(data, self._config.client_timeout_seconds)
        except WireTimeout as silence:
            raise ClientTimeout("the client does not take its answer") from silence
        self.is_sending = False

    def _send_parts(self, parts: list[bytes]) -> None:
        self.head_sent = self.is_sending = True
        try:
            self._wire.send_parts(parts, self._config.client_timeout_seconds)
        except WireTimeout as silence:
            raise ClientTimeout("the client does not take its answer") from silence
        self.is_sending = False


_BODILESS_STATUSES = frozenset(str(status) for status in BODILESS)
_date = ""
_date_until = 0.0


def _form_of(names: tuple[str, ...]) -> _Form:
    """Return the form of such an answer, and remember it; no lines when it needs a closer look."""
    kinds = [_SPECIAL.get(name.lower(), "") for name in names]
    template = "".join([f"{name.replace('%', '%%')}: %s\r\n" for name in names])
    breaks = template.count("\n") + template.count("\r")
    if "connection" in kinds or "date" in kinds or kinds.count("length") > 1 or breaks > 2 * len(names):
        template = ""
    form = (template, kinds.index("length") if "length" in kinds else -1)
    if len(_forms) >= _MEMO_MAX:
        _forms.clear()
    _forms[names] = form
    return form


def date_line() -> str:
    """Return the Date header of this second."""
    global _date, _date_until
    now = time.time()
    if not _date_until - 1 <= now < _date_until:
        _date_until = float(int(now) + 1)
        _date = f"Date: {formatdate(int(now), usegmt=True)}\r\n"
    return _date
