"""The client side: requests to peers over connections that are kept.

    Pool.request(address, method, path, headers, body) ──▶ Response       head and body in one send
    Pool.begin(address, …, heard) ──▶ Asked ──hub──▶ heard(Asked)             no green thread waits
    Pool.open(address, …) ──▶ Exchange ──send…, finish──▶ Response        a body that comes piece by piece

A kept connection may have been closed by the peer just now; a request that finds it so, before any byte of
an answer, is made once more on a fresh one. All failures are Unavailable: try another replica.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..errors import Unavailable
from .errors import BadFraming, ConnectFailed, PeerDisconnect, PeerTimeout
from .head import head_end, status_line
from .headers import Headers, headers_of
from .idle import Address, IdleWires
from .response import Response
from .wire import TIME_IS_UP, Wire, WireTimeout

__all__ = ["Address", "Asked", "Exchange", "Headers", "Lines", "Pool", "PoolConfig", "Response", "Sendable"]

HEAD_PIECE_BYTES = 16384
JOIN_BYTES_MAX = 65536
CONTINUE = 100
# Replicas answer a change with the very same bytes: to understand them once for all takes 25,000 of 30,000
# instructions off each further answer. Few are kept: what another change is answered with mostly differs.
BARE_ANSWERS_MAX = 64
BARE_BYTES_MAX = 1024
_HOST = frozenset(("Host", "host", "HOST"))
_CONTENT_LENGTH = frozenset(("Content-Length", "content-length", "CONTENT-LENGTH"))
_ALWAYS_MEASURED = frozenset(("PUT", "POST", "REPLICATE", "REGISTER"))

Head = tuple[int, str, int, Headers]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """Patience with peers."""

    connect_timeout_seconds: float = 0.5
    response_timeout_seconds: float = 10.0  # From the end of the request to the end of the answer's head.
    read_timeout_seconds: float = 10.0  # For each read of an answer's body, and each write of a request.
    idle_connections_max: int = 64  # For each address.
    idle_seconds_max: float = 20.0  # Less than any server's patience with an idle connection.


class _Stale(Exception):
    """A kept connection turned out to be closed."""


class Pool:
    """Connections to many peers, and requests over them, each with the headers that all of them carry."""

    def __init__(
        self, config: PoolConfig = PoolConfig(), *, default_headers: Mapping[str, str] | None = None
    ) -> None:
        self._config = config
        self._more = _text_of(default_headers or {})
        self._idle = IdleWires(count_max=config.idle_connections_max, seconds_max=config.idle_seconds_max)
        self._bare: dict[bytes, Response] = {}

    def request(
        self,
        address: Address,
        method: str,
        path: str,
        headers: Sendable,
        body: bytes = b"",
        *,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Make a whole request and return the answer, its body still to be read.

        Raises:
            Unavailable: ConnectFailed, PeerTimeout or PeerDisconnect.
        """
        length = len(body) if body or method in _ALWAYS_MEASURED else None
        head = request_head(address, method, path, headers, measure=length, more=self._more)
        wire = self._idle.take(address)
        if wire is not None:
            try:
                return self._ask(address, wire, method, head, body, timeout_seconds, kept=True)
            except _Stale:
                pass
        return self._ask(address, self._connect(address), method, head, body, timeout_seconds, kept=False)

    def begin(
        self,
        address: Address,
        method: str,
        path: str,
        headers: Sendable,
        body: bytes = b"",
        *,
        timeout_seconds: float | None = None,
        heard: Callable[[Asked], None],
    ) -> Asked | None:
        """Send a whole request and return at once; the hub calls `heard`, which must not wait, at its end.

        None, and nothing happens, where no kept connection takes it at once: `request()` will do then.
        """
        wire = self._idle.take(address)
        if wire is None:
            return None
        length = len(body) if body or method in _ALWAYS_MEASURED else None
        message = request_head(address, method, path, headers, measure=length, more=self._more) + body
        try:
            sent = wire.socket.send(message)
        except OSError:
            sent = 0
        if sent < len(message) or wire.stirred:
            wire.close()
            return None
        asked = Asked(self, wire, address, method, heard)
        wire.listen(
            asked, self._config.response_timeout_seconds if timeout_seconds is None else timeout_seconds
        )
        return asked

    def recall(self, message: bytes, address: Address, wire: Wire) -> Response | None:
        """Return the answer that this message is, if the very same has come lately; keep its connection."""
        known = self._bare.get(message)
        if known is not None:
            wire.hush()
            self._idle.put(address, wire)
        return known

    def remember(self, message: bytes, response: Response) -> None:
        """Keep what a message was understood as; one without body may serve several requests."""
        if len(message) <= BARE_BYTES_MAX and response.is_bare:
            if len(self._bare) >= BARE_ANSWERS_MAX:
                self._bare.clear()
            self._bare[message] = response

    def open(
        self,
        address: Address,
        method: str,
        path: str,
        headers: Sendable,
        *,
        length: int | None,
        expect_continue: bool = False,
        timeout_seconds: float | None = None,
    ) -> Exchange:
        """Begin a request whose body follows; with `expect_continue` wait until the peer wants it.

        A length of None makes the body chunked.
        """
        extra = {"Transfer-Encoding": "chunked"} if length is None else {}
        if expect_continue:
            extra["Expect"] = "100-continue"
        head = request_head(address, method, path, with_more(headers, extra), measure=length, more=self._more)
        wire = self._idle.take(address)
        if wire is not None and not wire.is_quiet():
            wire.close()
            wire = None
        kept = wire is not None
        exchange = Exchange(
            self, address, wire or self._connect(address), method, head, length, timeout_seconds
        )
        if expect_continue:
            try:
                exchange.await_continue(kept=kept)
            except _Stale:
                wire = self._connect(address)
                exchange = Exchange(self, address, wire, method, head, length, timeout_seconds)
                exchange.await_continue(kept=False)
        return exchange

    def close(self) -> None:
        """Close the idle connections."""
        self._idle.close()

    def _connect(self, address: Address) -> Wire:
        try:
            return Wire.connect(address, self._config.connect_timeout_seconds)
        except WireTimeout as silence:
            raise ConnectFailed(f"{address[0]}:{address[1]} did not accept a connection in time") from silence
        except OSError as problem:
            raise ConnectFailed(f"cannot connect to {address[0]}:{address[1]}: {problem}") from problem

    def _ask(
        self,
        address: Address,
        wire: Wire,
        method: str,
        head: bytes,
        body: bytes,
        timeout_seconds: float | None,
        *,
        kept: bool,
    ) -> Response:
        try:
            try:
                if len(body) <= JOIN_BYTES_MAX:
                    wire.send(head + body if body else head, self._config.read_timeout_seconds)
                else:
                    wire.send_parts([head, body], self._config.read_timeout_seconds)
            except WireTimeout as silence:
                raise PeerTimeout("the peer does not take the request") from silence
            except OSError:
                pass  # A peer that does not take all of it may still have answered.
            return self.receive_response(wire, address, method, timeout_seconds, kept=kept)
        except BaseException:
            wire.close()
            raise

    def receive_response(
        self, wire: Wire, address: Address, method: str, timeout_seconds: float | None, *, kept: bool = False
    ) -> Response:
        """Receive the head of the final answer; interim ones are passed over."""
        data = b""
        while True:
            head, data = self.receive_head(wire, timeout_seconds, data, kept=kept)
            if head[0] >= 200:
                break
        return self.make_response(wire, address, method, head, data)

    def make_response(
        self, wire: Wire, address: Address, method: str, head: Head, data: bytes, *, keep: bool = True
    ) -> Response:
        """Return the response that begins with this head and these bytes; keep the connection behind it."""
        try:
            return Response(
                wire,
                head,
                data,
                method=method,
                timeout_seconds=self._config.read_timeout_seconds,
                release=self._idle.put if keep else None,
                address=address,
            )
        except BadFraming as nonsense:
            raise PeerDisconnect(f"the peer's answer is malformed: {nonsense}") from nonsense

    def receive_head(
        self, wire: Wire, timeout_seconds: float | None, data: bytes, *, kept: bool
    ) -> tuple[Head, bytes]:
        """Receive one head; return it and what came behind it."""
        patience = self._config.response_timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = 0.0
        try:
            if kept and not data and not wire.stirred:
                # Nothing had come before we asked: the hub will tell, and trying first would cost 3 µs.
                wire.wait_readable(patience)
            while (end := head_end(data) if data else -1) < 0:
                now = wire.hub.clock()
                deadline = deadline or now + patience
                more = wire.receive(HEAD_PIECE_BYTES, max(0.0, deadline - now))
                if not more or now > deadline:
                    raise _gone(kept=kept and not data)
                data += more
            return parse_head(data, end), data[end:]
        except WireTimeout as silence:
            raise PeerTimeout("the peer did not answer in time") from silence
        except BadFraming as nonsense:
            raise PeerDisconnect(f"the peer's answer is malformed: {nonsense}") from nonsense
        except OSError as reset:
            raise _gone(kept=kept and not data) from reset

    @property
    def write_timeout_seconds(self) -> float:
        """How long a peer may refuse to take the next piece of a body."""
        return self._config.read_timeout_seconds


class Asked:
    """A request on its way, then its outcome: an answer, its body perhaps still to be read, or a problem."""

    __slots__ = ("_address", "_data", "_heard", "_method", "_pool", "_wire", "problem", "response", "stale")

    def __init__(
        self, pool: Pool, wire: Wire, address: Address, method: str, heard: Callable[[Asked], None]
    ) -> None:
        self._pool = pool
        self._wire = wire
        self._address = address
        self._method = method
        self._heard = heard
        self._data = b""
        self.response: Response | None = None
        self.problem: Unavailable | None = None
        self.stale = False  # The connection had ended before the peer could read the request.

    def switch(self, why: object = None) -> None:
        """Take what has come; the hub calls it as if it were a green thread that waits."""
        try:
            if not self._listen(why):
                return
        except _Stale:
            self.stale = True
        except Unavailable as problem:
            self.problem = problem
        if self.response is None:
            self._wire.hush()
            self._wire.close()
        self._heard(self)

    def _listen(self, why: object) -> bool:
        """Return whether the answer has come."""
        wire, pool = self._wire, self._pool
        if why is TIME_IS_UP:
            raise PeerTimeout("the peer did not answer in time")
        if not wire.open:
            raise PeerDisconnect("closed by our own side")
        try:
            more = wire.recv(HEAD_PIECE_BYTES)
            if not more:
                raise _gone(kept=not self._data)
            message = data = self._data = self._data + more
            if self._method != "HEAD":
                self.response = pool.recall(message, self._address, wire)
                if self.response is not None:
                    return True
            while (end := head_end(data)) >= 0:
                head, data = parse_head(data, end), data[end:]
                if head[0] >= 200:
                    wire.hush()
                    self.response = pool.make_response(wire, self._address, self._method, head, data)
                    if self._method != "HEAD":
                        pool.remember(message, self.response)
                    return True
        except BlockingIOError:
            pass
        except BadFraming as nonsense:
            raise PeerDisconnect(f"the peer's answer is malformed: {nonsense}") from nonsense
        except OSError as reset:
            raise _gone(kept=not self._data) from reset
        return False


class Exchange:
    """A request whose body is sent piece by piece."""

    __slots__ = (
        "_address",
        "_early",
        "_head",
        "_left",
        "_method",
        "_pool",
        "_timeout",
        "_wire",
        "_wire_is_ours",
        "continue_headers",
        "continue_status",
    )

    def __init__(
        self,
        pool: Pool,
        address: Address,
        wire: Wire,
        method: str,
        head: bytes,
        length: int | None,
        timeout_seconds: float | None,
    ) -> None:
        self._pool = pool
        self._address = address
        self._wire = wire
        self._wire_is_ours = True  # Until a response takes it over.
        self._method = method
        self._head = head  # Until it has been sent, with the first piece of the body.
        self._left = length
        self._timeout = timeout_seconds
        self._early: Response | None = None
        self.continue_status: int | None = None
        self.continue_headers: Mapping[str, str] = {}

    def await_continue(self, *, kept: bool) -> None:
        """Send the head and hear whether the peer wants the body."""
        try:
            self._flush()
            head, data = self._pool.receive_head(self._wire, self._timeout, b"", kept=kept)
            self.continue_status = head[0]
            if head[0] == CONTINUE:
                self.continue_headers = head[3]
            else:
                self._early = self._pool.make_response(
                    self._wire, self._address, self._method, head, data, keep=False
                )
                self._wire_is_ours = False
        except OSError as reset:
            self._wire.close()
            raise _gone(kept=kept) from reset
        except BaseException:
            self._wire.close()
            raise

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send the next piece of the body."""
        if not data:
            return
        assert self._early is None, "the peer has refused the body"
        count = len(data)
        if self._left is None:
            self._push([self._head, b"%x\r\n" % count, data, b"\r\n"])
        else:
            assert count <= self._left, "the body is longer than announced"
            self._left -= count
            self._push([self._head, data] if self._head else [data])
        self._head = b""

    def finish(self, footer: bytes = b"") -> None:
        """Say that the body is complete; a footer is for a peer who agreed to one behind the length."""
        if self._early is not None:
            return
        if footer:
            assert not self._left, "the body is shorter than announced"
            self._push([footer])
            return
        if self._left is None:
            self._push([self._head, b"0\r\n\r\n"])
            self._head = b""
        else:
            assert not self._left, "the body is shorter than announced"
            self._flush_or_abort()

    def response(self, timeout_seconds: float | None = None) -> Response:
        """Return the peer's answer."""
        if self._early is not None:
            return self._early
        self._flush_or_abort()
        patience = self._timeout if timeout_seconds is None else timeout_seconds
        try:
            response = self._pool.receive_response(self._wire, self._address, self._method, patience)
        except BaseException:
            self._wire.close()
            raise
        self._wire_is_ours = False
        return response

    def abort(self) -> None:
        """Break the connection off, so that the peer throws the body away."""
        if self._wire_is_ours:
            self._wire.close()
        if self._early is not None:
            self._early.close()

    def __del__(self) -> None:
        if getattr(self, "_wire_is_ours", False):
            self._wire.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._wire.send(head, self._pool.write_timeout_seconds)

    def _flush_or_abort(self) -> None:
        if self._head:
            self._push([self._head])
            self._head = b""

    def _push(self, parts: list[bytes | bytearray | memoryview]) -> None:
        try:
            self._wire.send_parts(parts, self._pool.write_timeout_seconds)
        except WireTimeout as silence:
            self._wire.close()
            raise PeerTimeout("the peer does not take the body") from silence
        except OSError as reset:
            raise PeerDisconnect("the peer broke the connection in the middle of the body") from reset


class Lines(str):
    """Headers that go to several peers: their lines are put together and judged once."""

    __slots__ = ()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Lines:
        """Return them; they name neither host nor length."""
        assert _HOST.isdisjoint(headers)
        assert _CONTENT_LENGTH.isdisjoint(headers)
        return cls(_text_of(headers))

    def and_(self, others: Lines) -> Lines:
        """Return these and others, none of which has a name of these."""
        return Lines(f"{self}{others}")

    def with_each(self, others: Iterable[Lines]) -> list[Lines]:
        """Return these and the first of the others, these and the second, and so on."""
        return [Lines(self + each) for each in others]


Sendable = Mapping[str, str] | Lines


def request_head(
    address: Address, method: str, path: str, headers: Sendable, *, measure: int | None, more: str = ""
) -> bytes:
    """Return the head of a request; a value that would break out of its line is our own fault and fails."""
    asked = f"{method} {path}"
    if asked.count(" ") != 1 or (not asked.isprintable() and ("\r" in asked or "\n" in asked)):
        raise ValueError("a request line contains a space or line break")
    host = _host_lines.get(address) or _host_line(address)
    length = "" if measure is None else f"Content-Length: {measure}\r\n"
    if isinstance(headers, Lines):
        text: str = headers
    else:
        text = _text_of(headers)
        if not _HOST.isdisjoint(headers):
            host = ""
        if length and not _CONTENT_LENGTH.isdisjoint(headers):
            length = ""
    return f"{asked} HTTP/1.1\r\n{host}{length}{text}{more}\r\n".encode("latin-1")


def with_more(headers: Sendable, more: Mapping[str, str]) -> Sendable:
    """Return the headers and more, of which they have none yet."""
    if isinstance(headers, Lines):
        return headers.and_(Lines.of(more))
    return {**headers, **more}


def _text_of(headers: Mapping[str, str]) -> str:
    """Return the headers' lines."""
    if not headers:
        return ""
    text = "\r\n".join(map(": ".join, headers.items()))  # At half of what a formatted string for each costs.
    breaks = len(headers) - 1
    if text.count("\n") > breaks or text.count("\r") > breaks:
        raise ValueError("a header contains a line break")
    return f"{text}\r\n"


_HOST_LINES_MAX = 4096
_host_lines: dict[Address, str] = {}


def _host_line(address: Address) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    line = f"Host: {host}:{address[1]}\r\n"
    if len(_host_lines) < _HOST_LINES_MAX:
        _host_lines[address] = line
    return line


def parse_head(data: bytes, end: int) -> Head:
    """Return status, reason, minor version and headers of an answer."""
    line_end = data.find(b"\r\n")
    status, reason, minor = status_line(data[:line_end])
    return status, reason, minor, headers_of(data[line_end + 2 : end - 2])


def _gone(*, kept: bool) -> Exception:
    if kept:
        return _Stale()
    return PeerDisconnect("the peer ended the connection before it answered")
