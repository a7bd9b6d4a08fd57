"""One client connection: a request on its way out, an answer on its way in, neither held in memory.

    Request ──▶ Connection.begin(), send() while writable, receive() while readable ──▶ complete, or Broken

The answer is judged by the request: status, length, and for listings the number of entries. Written for
few cycles rather than for every server in the world: Content-Length, and chunks in small answers only.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

BLOCK = memoryview(Random(42).randbytes(1 << 20))
_received = bytearray(256 << 10)  # One thread reads one socket at a time, and no body is kept.
_view = memoryview(_received)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and what the answer must be."""

    head: bytes
    status: int
    body_bytes: int = 0
    answer_bytes: int | None = None  # Of the body; of a HEAD, what it says the body would be.
    answer_items: int | None = None  # In a JSON listing, which is then kept until it is complete.
    is_head: bool = False


class Broken(Exception):
    """The exchange failed; the connection is of no more use."""


class Connection:
    """One socket, used for one exchange after the other."""

    __slots__ = (
        "_chunked",
        "_epoll",
        "_expected",
        "_got",
        "_head",
        "_kept",
        "_outgoing",
        "_pieces",
        "_request",
        "_status",
        "_writing",
        "begun",
        "closing",
        "descriptor",
        "socket",
    )

    def __init__(self, address: tuple[str, int], epoll: select.epoll) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(0)
        self.descriptor = self.socket.fileno()
        self.begun = 0.0
        self.closing = False
        self._epoll = epoll
        self._writing = False
        epoll.register(self.descriptor, select.EPOLLIN)

    def close(self) -> None:
        """Give the descriptor back; epoll forgets it by itself."""
        self.socket.close()

    def begin(self, request: Request) -> None:
        """Send as much of the request as the socket takes."""
        self._request = request
        self._head = b""
        self._status = 0
        self._got = 0
        self._kept: bytearray | None = None
        self._chunked = False
        self._pieces: Iterator[memoryview] | None = None
        if request.body_bytes <= len(BLOCK):
            self._outgoing = memoryview(request.head + BLOCK[: request.body_bytes])
        else:
            self._outgoing, self._pieces = memoryview(request.head), _blocks(request.body_bytes)
        self.send()

    def send(self) -> None:
        """Go on sending."""
        try:
            while True:
                while self._outgoing:
                    self._outgoing = self._outgoing[self.socket.send(self._outgoing) :]
                following = next(self._pieces, None) if self._pieces else None
                if following is None:
                    break
                self._outgoing = following
        except BlockingIOError:
            self._await_writable(wanted=True)
        except OSError:
            # A server that refuses a body may close before it has read all of it: its answer tells more.
            self._outgoing, self._pieces = memoryview(b""), None
            self._await_writable(wanted=False)
        else:
            self._await_writable(wanted=False)

    def _await_writable(self, *, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            self._epoll.modify(self.descriptor, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))

    def receive(self) -> bool:
        """Take what has arrived; return whether the answer is complete and as it must be, or raise Broken."""
        try:
            count = self.socket.recv_into(_received)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Broken(f"recv: {error.strerror}") from error
        if not count:
            raise Broken("closed early")
        start = 0 if self._status else self._take_head(count)
        if not self._status:
            return False
        self._got += count - start
        if self._kept is not None:
            self._kept += _view[start:count]
        return self._is_complete()

    def _take_head(self, count: int) -> int:
        """Read status and length once the head is whole; return where the body begins in the buffer."""
        arrived = bytes(_view[:count])
        head = (self._head + arrived).lower()
        end = head.find(b"\r\n\r\n")
        if end < 0:
            self._head = head
            return count
        self._status = int(head[9:12])
        request = self._request
        self.closing = b"\r\nconnection: close" in head[:end]
        if self._status != request.status:
            raise Broken(f"status {self._status}")
        at = head.find(b"\r\ncontent-length:", 0, end)
        length = int(head[at + 17 : head.index(b"\r", at + 17)]) if at >= 0 else None
        if request.is_head:
            if length != request.answer_bytes:
                raise Broken(f"says it holds {length} bytes")
            self._expected = 0
        elif self._status == 204:
            self._expected = 0
        elif length is not None:
            self._expected = length
        else:
            self._chunked = b"\r\ntransfer-encoding: chunked" in head[:end]
            if not self._chunked:
                raise Broken("an answer without a length")
        if self._chunked or request.answer_items is not None:
            self._kept = bytearray()
        return end + 4 - (len(head) - count)

    def _is_complete(self) -> bool:
        request = self._request
        if self._chunked:
            assert self._kept is not None
            if not self._kept.endswith(b"0\r\n\r\n"):
                return False
        elif self._got < self._expected:
            return False
        elif request.answer_bytes is not None and not request.is_head and self._got != request.answer_bytes:
            raise Broken(f"{self._got} bytes")
        if request.answer_items is not None:
            assert self._kept is not None
            if (items := self._kept.count(b"{")) != request.answer_items:
                raise Broken(f"{items} entries")
        if self._outgoing:
            raise Broken("answered before it had read the request")
        return True


def _blocks(size_bytes: int) -> Iterator[memoryview]:
    for start in range(0, size_bytes, len(BLOCK)):
        yield BLOCK[: min(len(BLOCK), size_bytes - start)]
