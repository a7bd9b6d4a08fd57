"""`wsgi.input`: a request's body, read as the application asks for it.

    application ──read, readinto, readline──▶ input ──▶ what came with the head, then the wire
                                                └─ first read: `100 Continue`, if the client waits for it

It raises ClientDisconnect when the client is gone before the body's end, so that a short body is never taken
for a whole one. It does not know what the application answers, nor whether it reads at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from .chunks import Chunks
from .errors import ClientDisconnect, ClientTimeout
from .wire import PIECE_BYTES, Wire, WireTimeout

T = TypeVar("T")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyInput:
    """A body of any framing; subclasses say where the next piece comes from."""

    __slots__ = ("_ahead", "_timeout", "_wire", "continue_due")

    chunked = False

    def __init__(self, wire: Wire, timeout_seconds: float, *, continue_due: bool) -> None:
        self._wire = wire
        self._timeout = timeout_seconds
        self._ahead = b""  # Data of the body that has been received but not yet read.
        self.continue_due = continue_due

    @property
    def finished(self) -> bool:
        """Whether the whole body has left the wire."""
        raise NotImplementedError

    @property
    def leftover(self) -> bytes:
        """What came behind the body: the beginning of the next request."""
        raise NotImplementedError

    def is_drainable(self, limit: int) -> bool:
        """Whether skipping the rest of the body is known to be cheap."""
        raise NotImplementedError

    def _more(self, limit: int) -> bytes:
        """Return the next piece, at most `limit` bytes; b"" at the end."""
        raise NotImplementedError

    def _more_into(self, view: memoryview) -> int:
        """Receive the next piece into a buffer; 0 at the end."""
        raise NotImplementedError

    def read(self, size: int | None = -1) -> bytes:
        """Return exactly `size` bytes, or all that are left when there are fewer or size is negative."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self._piece(PIECE_BYTES), b""))
        piece = self._piece(size) if size else b""
        if len(piece) == size or not piece:
            return piece
        pieces = [piece]
        missing = size - len(piece)
        while missing and (piece := self._piece(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _piece(self, limit: int) -> bytes:
        ahead = self._ahead
        if not ahead:
            return self._more(limit)
        self._ahead = ahead[limit:]
        return ahead[:limit]

    def readinto(self, buffer: memoryview | bytearray) -> int:
        """Put what has arrived, at least one byte, into the buffer; return how much, 0 at the body's end."""
        view = memoryview(buffer)
        if not view:
            return 0
        ahead = self._ahead
        if not ahead:
            return self._more_into(view)
        count = min(len(ahead), len(view))
        view[:count] = ahead[:count]
        self._ahead = ahead[count:]
        return count

    def readline(self, limit: int | None = -1) -> bytes:
        """Return the next line with its end; at most `limit` bytes of it if that is given."""
        bound = -1 if limit is None or limit < 0 else limit
        pieces: list[bytes] = []
        length = 0
        while bound < 0 or length < bound:
            piece = self._piece(PIECE_BYTES if bound < 0 else bound - length)
            if not piece:
                break
            end = piece.find(b"\n") + 1
            if end:
                self._ahead = piece[end:] + self._ahead
                pieces.append(piece[:end])
                break
            pieces.append(piece)
            length += len(piece)
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return all lines, or as many as make `hint` bytes."""
        lines: list[bytes] = []
        length = 0
        for line in self:
            lines.append(line)
            length += len(line)
            if hint is not None and 0 < hint <= length:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def drain(self, limit: int) -> bool:
        """Skip the rest of the body; return False when it is longer than `limit`, the rest being unread."""
        while not self.finished:
            piece = self._more(PIECE_BYTES)
            limit -= len(piece)
            if limit < 0:
                return False
        return True

    def _receive(self, size: int) -> bytes:
        data = self._watched(lambda: self._wire.receive(size, self._timeout))
        if not data:
            raise ClientDisconnect("the client ended the connection in the middle of a body")
        return data

    def _receive_into(self, view: memoryview) -> int:
        count = self._watched(lambda: self._wire.receive_into(view, self._timeout))
        if not count:
            raise ClientDisconnect("the client ended the connection in the middle of a body")
        return count

    def _watched(self, receive: Callable[[], T]) -> T:
        """Receive, having let the client continue, and name what goes wrong."""
        try:
            if self.continue_due:
                self.continue_due = False
                self._wire.send(CONTINUE, self._timeout)
            return receive()
        except WireTimeout as silence:
            raise ClientTimeout("the client sent nothing more of its body") from silence
        except OSError as reset:
            raise ClientDisconnect("the client broke the connection in the middle of a body") from reset


class LengthInput(BodyInput):
    """A body whose length was announced."""

    __slots__ = ("_left", "_leftover")

    def __init__(
        self, wire: Wire, timeout_seconds: float, *, continue_due: bool, length: int, data: bytes
    ) -> None:
        super().__init__(wire, timeout_seconds, continue_due=continue_due and len(data) < length)
        self._ahead = data if len(data) <= length else data[:length]
        self._leftover = b"" if len(data) <= length else data[length:]
        self._left = length - len(self._ahead)

    @property
    def finished(self) -> bool:
        """Whether the whole body has left the wire."""
        return not self._left

    @property
    def leftover(self) -> bytes:
        """What came behind the body."""
        return self._leftover

    def is_drainable(self, limit: int) -> bool:
        """Whether the rest of the body is short, and on its way."""
        return self._left <= limit and not self.continue_due

    def _more(self, limit: int) -> bytes:
        if not self._left:
            return b""
        data = self._receive(min(limit, self._left))
        self._left -= len(data)
        return data

    def _more_into(self, view: memoryview) -> int:
        if not self._left:
            return 0
        count = self._receive_into(view[: self._left])
        self._left -= count
        return count


class ChunkedInput(BodyInput):
    """A body whose end is marked in the body itself."""

    __slots__ = ("_chunks",)

    chunked = True

    def __init__(self, wire: Wire, timeout_seconds: float, *, continue_due: bool, data: bytes) -> None:
        super().__init__(wire, timeout_seconds, continue_due=continue_due and not data)
        self._chunks = Chunks(data)

    @property
    def finished(self) -> bool:
        """Whether the last chunk has left the wire."""
        return self._chunks.finished

    @property
    def leftover(self) -> bytes:
        """What came behind the last chunk."""
        return self._chunks.leftover

    def is_drainable(self, limit: int) -> bool:
        """Whether its end is known to be near: only when it has been reached."""
        del limit
        return self.finished

    def _more(self, limit: int) -> bytes:
        while (data := self._chunks.take(limit)) is None:
            self._chunks.feed(self._receive(PIECE_BYTES))
        return data

    def _more_into(self, view: memoryview) -> int:
        data = self._chunks.take(len(view))
        if data is None and not self._chunks.room:
            data = self._more(len(view))
        if data is None:
            count = self._receive_into(view[: self._chunks.room])
            self._chunks.received(count)
            return count
        view[: len(data)] = data
        return len(data)


class NoInput(BodyInput):
    """The input of a request without a body."""

    __slots__ = ()

    def __init__(self) -> None:
        """Need nothing: no read ever reaches the wire."""
        self._ahead = b""
        self.continue_due = False

    @property
    def finished(self) -> bool:
        """Always."""
        return True

    @property
    def leftover(self) -> bytes:
        """Nothing: what came behind the head stayed with the connection."""
        return b""

    def is_drainable(self, limit: int) -> bool:
        """Always."""
        del limit
        return True

    def _more(self, limit: int) -> bytes:
        del limit
        return b""

    def _more_into(self, view: memoryview) -> int:
        del view
        return 0


NO_INPUT = NoInput()
