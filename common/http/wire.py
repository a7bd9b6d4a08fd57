"""A TCP connection on which a green thread waits as cheaply as the hub allows.

    receive(), send() ──▶ try the system call ──▶ done (nearly always, for a send)
                                   └─ would block ──▶ sleep until the hub says ready, or the time is up

A hub's usual way to wait registers and unregisters the descriptor, and makes a timer, for each wait. Here
the descriptor is registered once, edge-triggered, when the connection is made; and one timer per connection
is kept running and only looked at when it rings, because nearly no wait ever times out.

Edges are safe under one rule: wait only when the next system call would block. That is known from a call
that did, or from one that returned less than it had room for, unless the other side's end came along with
it: then everything was taken, and whatever comes later makes an edge of its own.

It does not know HTTP. It must be closed by `close()`: the hub holds on to it until then.
"""

from __future__ import annotations

import _socket
import errno
import select
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import greenlet

from ..concurrency import current_hub

EDGES = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_BROKEN = select.EPOLLERR | select.EPOLLHUP
_ENDED = select.EPOLLRDHUP | _BROKEN
_READABLE = select.EPOLLIN | _ENDED
PIECE_BYTES = 1 << 16
TIME_IS_UP = object()


class WireTimeout(Exception):
    """The other side was not ready in time."""


class WireClosed(OSError):
    """The connection was closed by our own side while a green thread waited."""

    def __init__(self) -> None:
        super().__init__(errno.ENOTCONN, "closed by our own side")


class Wire:
    """One connected, non-blocking stream socket."""

    __slots__ = (
        "_heeds_room",
        "_read_by",
        "_reader",
        "_ring_at",
        "_timer",
        "_write_by",
        "_writer",
        "descriptor",
        "drained",
        "ended",
        "held",
        "hub",
        "open",
        "patience_seconds",
        "recv",
        "recv_into",
        "socket",
        "stirred",
    )

    def __init__(self, sock: _socket.socket) -> None:
        self.socket = sock
        sock.setblocking(False)  # noqa: FBT003 - the library's own signature
        self.recv = sock.recv
        self.recv_into = sock.recv_into
        self.descriptor = sock.fileno()
        self.open = True
        self.held = b""  # Goes out in front of the next data, in the same call.
        self.patience_seconds = 60.0  # For those who are handed a wire and have no timeout of their own.
        self.stirred = False  # Something happened on it while nobody waited to read.
        self.drained = False  # Trying to receive would fail until the hub tells of something.
        self.ended = False  # The other side will send no more: its end may stand behind what was received.
        self._heeds_room = False
        self._reader: Any = None
        self._writer: Any = None
        self._read_by = self._write_by = 0.0
        self._timer: Any = None
        self._ring_at = 0.0
        self.hub = current_hub()
        self.hub.hear(self.descriptor, self._on_edge, EDGES)

    @classmethod
    def connect(cls, address: tuple[str, int], timeout_seconds: float) -> Wire:
        """Return a new connection; raise OSError or WireTimeout."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        sock = _socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        leave_unpaced(sock, address[0])
        wire = cls(sock)
        try:
            if code == errno.EINPROGRESS:
                wire.wait_writable(timeout_seconds)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, errno.errorcode.get(code, "connect failed"))
        except BaseException:
            wire.close()
            raise
        return wire

    def fileno(self) -> int:
        """The descriptor."""
        return self.descriptor

    def receive(self, size: int, timeout_seconds: float) -> bytes:
        """Return the next bytes, at least one, at most `size`; b"" when the other side has ended."""
        if self.drained:
            self.wait_readable(timeout_seconds)
        while True:
            try:
                data = self.recv(size)
            except BlockingIOError:
                self.wait_readable(timeout_seconds)
            else:
                self.drained = len(data) < size and not self.ended
                return data

    def receive_into(self, buffer: memoryview | bytearray, timeout_seconds: float) -> int:
        """Fill the beginning of the buffer with what there is; return its length, 0 at the end."""
        while True:
            try:
                return self.recv_into(buffer)
            except BlockingIOError:
                self.wait_readable(timeout_seconds)

    def peek(self, size: int, timeout_seconds: float) -> bytes:
        """Return what comes next without taking it; b"" when the other side has ended."""
        while True:
            try:
                return self.recv(size, socket.MSG_PEEK)
            except BlockingIOError:
                self.wait_readable(timeout_seconds)

    def is_quiet(self) -> bool:
        """Whether nothing, not even its end, has come."""
        try:
            self.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def send(self, data: bytes | bytearray | memoryview, timeout_seconds: float, flags: int = 0) -> None:
        """Send all of it, in one system call where the kernel takes it."""
        if self.held:
            data, self.held = b"".join((self.held, data)), b""
        sock = self.socket
        try:
            sent = sock.send(data, flags)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:], timeout_seconds, flags)

    def send_held(self, timeout_seconds: float) -> None:
        """Send what is held, before bytes that do not pass through here follow it."""
        if self.held:
            self.send(b"", timeout_seconds, socket.MSG_MORE)

    def _send_rest(self, rest: memoryview, timeout_seconds: float, flags: int) -> None:
        rest = rest.cast("B") if rest.format != "B" else rest
        while rest:
            try:
                rest = rest[self.socket.send(rest, flags) :]
            except BlockingIOError:
                self.wait_writable(timeout_seconds)

    def send_parts(self, parts: Sequence[bytes | bytearray | memoryview], timeout_seconds: float) -> None:
        """Send several pieces in order without joining them."""
        assert not self.held
        try:
            sent = self.socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                self._send_rest(memoryview(part)[sent:], timeout_seconds, 0)
                sent = 0

    def wait_readable(self, timeout_seconds: float) -> None:
        """Sleep until there may be something to read; only after a read would have blocked."""
        if not self.open:
            raise WireClosed
        hub = self.hub
        assert self._reader is None, "two green threads read from one connection"
        self._reader = greenlet.getcurrent()
        self._read_by = by = hub.clock() + timeout_seconds
        if self._timer is None or by < self._ring_at:
            self._set_timer(by)
        try:
            why = hub.switch()
        finally:
            self._reader = None
        if why is TIME_IS_UP:
            raise WireTimeout
        if not self.open:
            raise WireClosed

    def listen(self, reader: Any, timeout_seconds: float) -> None:
        """Have the hub call `reader.switch()` each time something comes, until `hush()`.

        When the time is up it is `reader.switch(TIME_IS_UP)`. The reader must not wait.
        """
        assert self._reader is None, "two read from one connection"
        self._reader = reader
        self._read_by = by = self.hub.clock() + timeout_seconds
        if self._timer is None or by < self._ring_at:
            self._set_timer(by)

    def hush(self) -> None:
        """Call nobody any more."""
        self._reader = None

    def wait_writable(self, timeout_seconds: float) -> None:
        """Sleep until there may be room to write; only after a write would have blocked."""
        if not self.open:
            raise WireClosed
        hub = self.hub
        assert self._writer is None, "two green threads write to one connection"
        if not self._heeds_room:
            self._heed_room()
        self._writer = greenlet.getcurrent()
        self._write_by = by = hub.clock() + timeout_seconds
        if self._timer is None or by < self._ring_at:
            self._set_timer(by)
        try:
            why = hub.switch()
        finally:
            self._writer = None
        if why is TIME_IS_UP:
            raise WireTimeout
        if not self.open:
            raise WireClosed

    def _heed_room(self) -> None:
        """Register for writing too: for those few connections on which a write ever blocks."""
        self._heeds_room = True
        self.hub.hear_also(self.descriptor, EDGES | select.EPOLLOUT)

    def _on_edge(self, events: int) -> None:
        """Wake whom it concerns (in the hub); an edge too many does no harm."""
        if self._writer is not None and events & (select.EPOLLOUT | _BROKEN):
            self.hub.soon(self._wake_writer)
        if events & _READABLE:
            self.drained = False
            if events & _ENDED:
                self.ended = True
            if self._reader is None:
                self.stirred = True
            else:
                self._reader.switch()

    def _wake_writer(self) -> None:
        if self._writer is not None:
            self._writer.switch()

    def _set_timer(self, ring_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ring_at = ring_at
        self._timer = self.hub.schedule_call_global(max(0.0, ring_at - self.hub.clock()), self._ring)

    def _ring(self) -> None:
        """Wake whoever's time is up; ring again for whoever still waits; else be silent."""
        self._timer = None
        now = self.hub.clock()
        late = [
            waiter
            for waiter, by in ((self._reader, self._read_by), (self._writer, self._write_by))
            if waiter is not None and by <= now
        ]
        pending = [
            by
            for waiter, by in ((self._reader, self._read_by), (self._writer, self._write_by))
            if waiter is not None and by > now
        ]
        if pending:
            self._set_timer(min(pending))
        for waiter in late:
            waiter.switch(TIME_IS_UP)

    def end_reading(self) -> None:
        """Let the reader come to an end after what has already arrived."""
        self._shut(socket.SHUT_RD)

    def end_writing(self) -> None:
        """Tell the other side that nothing more comes."""
        self._shut(socket.SHUT_WR)

    def _shut(self, how: int) -> None:
        try:
            self.socket.shutdown(how)
        except OSError:
            pass  # The other side was quicker.

    def close(self) -> None:
        """Close it; whoever still waits on it is told by WireClosed."""
        if not self.open:
            return
        self.open = False
        self.hub.ignore(self.descriptor, self._on_edge)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.socket.close()
        for waiter in (self._reader, self._writer):
            if waiter is not None:
                self.hub.soon(partial(_wake, self, waiter))


def leave_unpaced(sock: _socket.socket, peer: str) -> None:
    """Have a connection to a peer on this very machine carry as much as its ends can.

    No network lies between them that could be crowded. Where BBR is the machine's default it paced such a
    connection nevertheless: sending a MiB took 270 µs of CPU and receiving it 190, where they take 100 each.
    """
    if peer.startswith("127.") or peer in ("::1", sock.getsockname()[0]):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # Every kernel has it.
        except OSError:
            pass  # Where it may not be chosen, or this is no TCP, things stay as they are.


def _wake(wire: Wire, waiter: Any) -> None:
    if waiter in (wire._reader, wire._writer):
        waiter.switch()
