"""`wsgi.input`: the body of a client's request.

    application ──first read──▶ ClientSource ──▶ `100 Continue`, if the client waits for it
                ──each read───▶              ──▶ bytes, or ClientDisconnect, ClientTimeout

It does not know what the application answers, nor whether it reads at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .body import NO_BODY, Body, ChunkedBody, LengthBody, WholeBody
from .errors import ClientDisconnect, ClientTimeout
from .framing import CHUNKED
from .wire import Wire, WireTimeout

T = TypeVar("T")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def request_input(source: ClientSource, length: int, data: bytes) -> Body:
    """Return the body of that length, or CHUNKED, which begins with `data`."""
    if not length:
        return NO_BODY
    if length == CHUNKED:
        return ChunkedBody(source, data)
    return LengthBody(source, length, data)


class ReceivedBody(WholeBody):
    """A body that came whole with its head, as small ones do: it needs no source."""

    __slots__ = ("_length",)

    def __init__(self, data: bytes) -> None:
        self._ahead = data
        self._length = len(data)

    @property
    def bytes_read(self) -> int:
        """How many bytes of it the application has taken."""
        return self._length - len(self._ahead)


class ClientSource:
    """The wire to a client, watched."""

    __slots__ = ("_continue", "_timeout", "_wire", "broken", "continue_due")

    def __init__(self, wire: Wire, timeout_seconds: float, *, continue_due: bool) -> None:
        self._wire = wire
        self._timeout = timeout_seconds
        self.continue_due = continue_due
        self._continue = CONTINUE
        self.broken = False

    def promise(self, name: str, value: str) -> None:
        """Have `100 Continue`, if it is still to come, carry one more header."""
        self._continue = self._continue[:-2] + f"{name}: {value}\r\n\r\n".encode("latin-1")

    def receive(self, size: int) -> bytes:
        """Return the next bytes of the body."""
        data = self._watched(self._wire.receive, size)
        if not data:
            self.broken = True
            raise ClientDisconnect("the client ended the connection in the middle of a body")
        return data

    def receive_into(self, view: memoryview) -> int:
        """Receive the next bytes of the body into a buffer."""
        count = self._watched(self._wire.receive_into, view)
        if not count:
            self.broken = True
            raise ClientDisconnect("the client ended the connection in the middle of a body")
        return count

    def receive_within(self, size: int, seconds: float) -> bytes:
        """Return the next bytes of the body; none when none come so soon, or at all."""
        try:
            data = self._wire.receive(size, seconds)
        except WireTimeout:
            return b""
        except OSError:
            self.broken = True
            return b""
        self.broken = not data
        return data

    def ends(self) -> bool:
        """No request ends with its connection."""
        raise AssertionError

    def _watched(self, receive: Callable[[Any, float], T], what: Any) -> T:
        """Receive, having let the client continue, and name what goes wrong."""
        try:
            if self.continue_due:
                self.continue_due = False
                self._wire.send(self._continue, self._timeout)
            return receive(what, self._timeout)
        except WireTimeout as silence:
            self.broken = True
            raise ClientTimeout("the client sent nothing more of its body") from silence
        except OSError as reset:
            self.broken = True
            raise ClientDisconnect("the client broke the connection in the middle of a body") from reset
