"""One client's connection: requests in, answers out, in order, until one of the two sides has had enough.

    wire ──▶ head ──▶ environ ──▶ application ──▶ Reply ──▶ wire
      ▲                                             │
      └── next request, if framing and manners allow ┘

Everything that decides is asked of `head`, `framing` and `reply`. It does not know how connections are
accepted.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable
from enum import Enum
from typing import Any

from ..concurrency import Timeout
from . import framing
from .answer import status_line
from .body import NO_BODY, Body
from .environ import environ_of
from .errors import BadFraming, ClientDisconnect, ClientTimeout
from .head import LINE_BYTES_MAX, head_end
from .input import ClientSource, ReceivedBody, request_input
from .reply import Reply
from .settings import ServerConfig
from .wire import Wire, WireTimeout
from .wsgi import Environ, WSGIApp

log = logging.getLogger(__name__)

HEAD_PIECE_BYTES = 16384  # A head and the body of a small PUT come in one call; more would only be copied.


class Phase(Enum):
    """What the connection is about."""

    IDLE = 0  # Nothing of a request has come: it may be closed without a word.
    BUSY = 1


class Connection:
    """One connection of the server."""

    __slots__ = ("_app", "_base", "_buffer", "_config", "_reply", "_wire", "phase", "stopping")

    def __init__(self, wire: Wire, base: Environ, app: WSGIApp, config: ServerConfig) -> None:
        self._wire = wire
        self._base = base
        self._app = app
        self._config = config
        self._buffer = b""
        self._reply: Reply | None = None
        self.phase = Phase.IDLE
        self.stopping = False

    def serve(self) -> None:
        """Answer requests until the connection ends."""
        try:
            while self._serve_one():
                pass
        except (ClientDisconnect, WireTimeout, OSError) as problem:
            log.debug("connection lost", extra={"problem": str(problem)})

    def stop(self) -> None:
        """Let the request under way be the last one."""
        self.stopping = True
        if self.phase is Phase.IDLE:
            self._wire.end_reading()
        elif self._reply is not None:
            self._reply.keep = False

    def close(self) -> None:
        """Close it."""
        self._wire.close()

    def _serve_one(self) -> bool:
        """Answer one request; return whether another one may follow."""
        try:
            end = self._receive_head()
            if end < 0:
                return False
            environ, keep, body = self._understand(end)
        except BadFraming as problem:
            self._refuse(problem.status, str(problem))
            return False
        except ClientTimeout as problem:
            self._refuse(408, str(problem))
            return False
        keep = self._answer(environ, body, keep=keep)
        self.phase = Phase.IDLE
        return keep and not self.stopping

    def _receive_head(self) -> int:
        """Receive until the buffer begins with a whole head; return its end, or -1 if none will come."""
        buffer, config = self._buffer, self._config
        if not buffer:
            try:
                buffer = self._wire.receive(HEAD_PIECE_BYTES, config.keepalive_timeout_seconds)
            except WireTimeout:
                return -1
        end = buffer.find(b"\r\n\r\n") + 4
        if 3 < end <= LINE_BYTES_MAX and buffer[0] != 13:  # The usual one, without a further step.
            self._buffer = buffer
            self.phase = Phase.BUSY
            return end
        deadline = 0.0
        while buffer:
            if buffer[0] == 13:  # An empty line before the request line is tolerated.
                buffer = _without_empty_lines(buffer)
            end = head_end(buffer) if buffer else -1
            if end > 0:
                self._buffer = buffer
                self.phase = Phase.BUSY
                return end
            now = time.monotonic()
            deadline = deadline or now + config.client_timeout_seconds
            try:
                more = self._wire.receive(HEAD_PIECE_BYTES, max(0.0, deadline - now))
            except WireTimeout as silence:
                raise ClientTimeout("The request was not sent in time") from silence
            if not more or now > deadline:
                break
            buffer += more
        return -1

    def _understand(self, end: int) -> tuple[Environ, bool, Body]:
        """Return the environ of the request whose head ends there, if the client goes on, and its body."""
        buffer = self._buffer
        environ, minor = environ_of(buffer[: end - 4], self._base, self._config.headers_max)
        length = 0
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            get = environ.get
            length = framing.request_body(get("CONTENT_LENGTH"), get("HTTP_TRANSFER_ENCODING"), minor)
        waits = "HTTP_EXPECT" in environ and framing.wants_continue(environ["HTTP_EXPECT"], minor)
        keep = minor > 0
        if "HTTP_CONNECTION" in environ:
            keep = framing.keeps_alive(environ["HTTP_CONNECTION"], minor)
        body: Body = NO_BODY
        if not length:
            self._buffer = buffer[end:]
        elif 0 < length <= len(buffer) - end:
            body = ReceivedBody(buffer[end : end + length])
            self._buffer = buffer[end + length :]
        else:
            rest, self._buffer = buffer[end:], b""
            timeout = self._config.client_timeout_seconds
            source = ClientSource(self._wire, timeout, continue_due=waits and not rest)
            body = request_input(source, length, rest)
        environ["wsgi.input"] = body
        return environ, keep, body

    def _answer(self, environ: Environ, body: Body, *, keep: bool) -> bool:
        """Run the application and send what it says; return whether the connection stays usable."""
        reply = self._reply = Reply(self._wire, environ, body, self._config)
        reply.keep = keep and not self.stopping
        try:
            self._run(environ, reply)
        except ClientDisconnect:
            raise
        except ClientTimeout as problem:
            self._give_up(reply, 408, str(problem))
        except BadFraming as problem:
            self._give_up(reply, problem.status, str(problem))
        except (OSError, WireTimeout) as problem:
            if reply.is_sending:
                raise ClientDisconnect("the client does not take its answer") from problem
            self._blame_application(reply)
        except (Exception, Timeout):  # noqa: BLE001 - the loop that keeps a server alive
            self._blame_application(reply)
        return reply.keep if body is NO_BODY or type(body) is ReceivedBody else self._settle(reply, body)

    def _run(self, environ: Environ, reply: Reply) -> None:
        result: Iterable[bytes] = self._app(environ, reply.start_response)
        if type(result) is list and len(result) < 2:
            reply.send_only(result[0] if result else b"")
            return  # A list has nothing to close.
        try:
            transfer: Any = getattr(result, "transfer", None)
            if reply.wants_no_body:
                reply.finish()
            elif transfer is not None and reply.announces_length:
                reply.transfer(transfer)
            else:
                for piece in result:
                    if not reply.send(piece):
                        break
                reply.finish()
        finally:
            close: Any = getattr(result, "close", None)
            if close is not None:
                close()

    def _blame_application(self, reply: Reply) -> None:
        log.exception("the application failed")
        self._give_up(reply, 500, "Internal error")

    def _give_up(self, reply: Reply, status: int, sentence: str) -> None:
        reply.keep = False
        if not reply.head_sent:
            self._refuse(status, sentence)

    def _settle(self, reply: Reply, body: Body) -> bool:
        """Skip what was not read of the body, or see that the answer arrives before we close."""
        if reply.keep:
            try:
                reply.keep = body.drain(self._config.drain_bytes_max)
            except (BadFraming, ClientTimeout):
                reply.keep = False
        if reply.keep:
            self._buffer = body.leftover
        elif not body.finished:
            self._linger()
        return reply.keep

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer in the application's stead, and be done with the connection."""
        log.info("request refused", extra={"status": status, "sentence": sentence})
        transaction = f"tx{secrets.token_hex(11)[:21]}-{int(time.time()):010x}"
        body = sentence.encode("utf-8", "replace")
        head = (
            f"HTTP/1.1 {status_line(status)}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n"
            f"X-Trans-Id: {transaction}\r\nX-Openstack-Request-Id: {transaction}\r\n\r\n"
        )
        self._wire.send(head.encode("latin-1") + body, self._config.client_timeout_seconds)
        self._linger()

    def _linger(self) -> None:
        """Read on for a moment: closing on unread bytes would reset the connection and lose the answer."""
        self._wire.end_writing()
        deadline = time.monotonic() + self._config.linger_seconds
        left = self._config.linger_bytes_max
        while left > 0 and (wait := deadline - time.monotonic()) > 0:
            try:
                data = self._wire.receive(HEAD_PIECE_BYTES, wait)
            except WireTimeout:
                return
            if not data:
                return
            left -= len(data)


def _without_empty_lines(buffer: bytes) -> bytes:
    while buffer.startswith(b"\r\n"):
        buffer = buffer[2:]
    return buffer
