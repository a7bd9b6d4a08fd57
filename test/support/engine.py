r"""An HTTP server in the test's own process, and a client that speaks byte by byte; both are green threads.

with serving(app) as served:
    with served.raw() as raw:
        raw.send(b"GET / HTTP/1.1\r\n\r\n")
        raw.answer() ──▶ Reply(status, headers, body, interim)
        raw.ends()   ──▶ the server has closed, having sent nothing more
"""

from __future__ import annotations

import _socket
import contextlib
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from apus.common import concurrency
from apus.common.http.server import HttpServer, ServerConfig
from apus.common.http.wire import Wire

PATIENCE_SECONDS = 60.0
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")

App = Callable[..., Iterable[bytes]]


@dataclass(slots=True)
class Seen:
    """One request as an application saw it."""

    method: str
    raw_path: bytes
    query: str
    body: bytes | type[Exception]
    environ: dict[str, Any] = field(repr=False, compare=False)


@dataclass(slots=True)
class Reply:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int]


class Raw:
    """A client that sends bytes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.wire = Wire.connect(address, PATIENCE_SECONDS)
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def send(self, *pieces: bytes) -> None:
        """Send the pieces one after the other; each is on its way before the next."""
        for piece in pieces:
            try:
                self.wire.send(piece, PATIENCE_SECONDS)
            except OSError:
                return  # The server has closed; what it said is still to be read.
            concurrency.sleep(0)

    def end(self) -> None:
        """Say that no more comes, and go on listening."""
        self.wire.end_writing()

    def answer(self, method: str = "GET") -> Reply:
        """Receive one answer."""
        interim: list[int] = []
        while True:
            status, headers = self._head()
            if status >= 200:
                break
            interim.append(status)
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunked()
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            body = self.rest()
        return Reply(status, headers, body, interim)

    def rest(self) -> bytes:
        """Receive all until the server closes."""
        while self._more():
            pass
        data, self._data = self._data, b""
        return data

    def ends(self) -> bool:
        """Whether the server closes the connection without another byte."""
        return self.rest() == b""

    def is_silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for so long."""
        try:
            with concurrency.timeout(seconds):
                self._more()
        except concurrency.Timeout:
            return not self._data
        return False

    def _head(self) -> tuple[int, dict[str, str]]:
        while (match := _HEAD.match(self._data)) is None:
            assert self._more(), f"the connection ended in the middle of a head: {self._data!r}"
        self._data = self._data[match.end() :]
        lines = match[2].split(b"\r\n")[:-1]
        pairs = [line.partition(b": ") for line in lines]
        headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, _, value in pairs}
        return int(match[1]), headers

    def _chunked(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._data:
                assert self._more(), "the connection ended in the middle of a chunked body"
            line, _, self._data = self._data.partition(b"\r\n")
            piece = self._take(int(line, 16) + 2)
            assert piece.endswith(b"\r\n")
            if piece == b"\r\n":
                return body
            body += piece[:-2]

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            assert self._more(), f"the body ended {count - len(self._data)} bytes short"
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _more(self) -> bool:
        try:
            data = self.wire.receive(65536, PATIENCE_SECONDS)
        except ConnectionError:
            return False
        self._data += data
        return bool(data)


@dataclass(slots=True)
class Served:
    """A running server."""

    address: tuple[str, int]
    server: HttpServer
    task: concurrency.Task[None]

    def raw(self) -> Raw:
        """A new connection to it."""
        return Raw(self.address)

    def ask(self, *pieces: bytes, method: str = "GET") -> Reply:
        """The first answer on a new connection to these bytes."""
        with self.raw() as raw:
            raw.send(*pieces)
            return raw.answer(method)


def listener() -> socket.socket:
    """A listening socket on a free port."""
    sock: socket.socket = concurrency.original("socket").socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


@contextlib.contextmanager
def serving(app: App, **settings: Any) -> Iterator[Served]:
    """Serve the application; settings are those of ServerConfig."""
    sock = listener()
    server = HttpServer(app, ServerConfig(**{"linger_seconds": 0.2, **settings}))
    served = Served(sock.getsockname(), server, concurrency.spawn(server.serve, sock))
    try:
        yield served
    finally:
        server.stop(graceful=False)
        with concurrency.timeout(PATIENCE_SECONDS):
            served.task.wait()


class Recorder:
    """An application that reads what it is sent and answers with the body, or says what went wrong with it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen = Seen(
            environ["REQUEST_METHOD"],
            environ["RAW_PATH_INFO"].encode("latin-1"),
            environ["QUERY_STRING"],
            b"",
            environ,
        )
        self.seen.append(seen)
        try:
            seen.body = body = environ["wsgi.input"].read()
        except Exception as problem:
            seen.body = type(problem)
            raise
        start_response("200 OK", [("Content-Length", str(len(body))), ("X-Count", str(len(self.seen)))])
        return [body]


class Line:
    """A connection as a scripted peer sees it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.data = b""

    def hear(self, until: bytes = b"\r\n\r\n") -> bytes:
        """Receive up to and including the mark; b"" when the client ends before it."""
        while until not in self.data:
            try:
                data = self.wire.receive(65536, PATIENCE_SECONDS)
            except ConnectionError:
                return b""
            if not data:
                return b""
            self.data += data
        end = self.data.index(until) + len(until)
        heard, self.data = self.data[:end], self.data[end:]
        return heard

    def say(self, *pieces: bytes, pause_seconds: float = 0) -> None:
        """Send the pieces, with a pause between them."""
        for piece in pieces:
            self.wire.send(piece, PATIENCE_SECONDS)
            concurrency.sleep(pause_seconds)


@contextlib.contextmanager
def scripted(*scripts: Callable[[Line], None]) -> Iterator[tuple[str, int]]:
    """A peer that plays one script for each connection, in order, closing behind it; further ones play the last."""
    sock = listener()
    sock.setblocking(False)
    tasks = []

    def accept() -> None:
        waiting = list(scripts)
        while True:
            try:
                connection, _ = sock.accept()
            except BlockingIOError:
                concurrency.wait_readable(sock.fileno())
                continue
            script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            tasks.append(concurrency.spawn(play, script, connection.detach()))

    def play(script: Callable[[Line], None], descriptor: int) -> None:
        wire = Wire(_socket.socket(fileno=descriptor))
        try:
            script(Line(wire))
        except OSError:
            pass
        finally:
            wire.close()

    acceptor = concurrency.spawn(accept)
    try:
        yield sock.getsockname()
    finally:
        acceptor.kill()
        for task in tasks:
            task.kill()
        sock.close()
