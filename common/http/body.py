"""A message's body, read as whoever wants it asks for it.

    read, readinto, readline, piece ──▶ Body ──▶ what came with the head, then its Source: a wire, watched
        LengthBody   so many bytes
        ChunkedBody  until the last chunk
        EndlessBody  until the connection ends (answers only)
        WholeBody    what came with its head; NO_BODY is an empty one

A source raises when the connection ends too early, so that a short body is never taken for a whole one.
Nothing here knows which side of the connection it is on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from .chunks import Chunks
from .errors import BadFraming
from .wire import PIECE_BYTES

RECEIVE_BYTES_MAX = 1 << 18  # A socket rarely holds more, and memory is taken for all that is asked for.


class Source(Protocol):
    """Where bytes come from; both raise in the terms of their side of the connection."""

    def receive(self, size: int) -> bytes:
        """Return at least one byte, at most `size`."""

    def receive_into(self, view: memoryview) -> int:
        """Put at least one byte into the view; return how many."""

    def ends(self) -> bool:
        """Whether the connection has ended properly; only where that is what ends a body."""

    @property
    def continue_due(self) -> bool:
        """Whether the other side waits to be told that its body is wanted."""

    @property
    def broken(self) -> bool:
        """Whether nothing more can be expected from it."""


class NothingYet(Exception):
    """Nothing has come within the time that was given."""


class HastySource:
    """A source of which nothing is taken but what comes within so many seconds."""

    __slots__ = ("_deadline", "_receive", "broken", "continue_due")

    def __init__(self, receive: Callable[[int, float], bytes], seconds: float) -> None:
        self._receive = receive
        self._deadline = time.monotonic() + seconds
        self.broken = self.continue_due = False

    def receive(self, size: int) -> bytes:
        """Return the next bytes, or raise NothingYet."""
        data = self._receive(size, max(0.0, self._deadline - time.monotonic()))
        if not data:
            raise NothingYet
        return data

    def receive_into(self, view: memoryview) -> int:
        """Put the next bytes into the view, or raise NothingYet."""
        data = self.receive(len(view))
        view[: len(data)] = data
        return len(data)

    def ends(self) -> bool:
        """Nobody is asked that in haste."""
        raise AssertionError


class Body:
    """A body of any framing; subclasses say where the next piece comes from."""

    __slots__ = ("_ahead", "_source")

    chunked = False

    def __init__(self, source: Source, ahead: bytes = b"") -> None:
        self._source = source
        self._ahead = ahead  # Data of the body that has been received but not yet read.

    def promise(self, name: str, value: str) -> None:
        """Tell a client that waits for `100 Continue` what the application can do with its body."""
        promise = getattr(self._source, "promise", None)  # Only what comes from a client can be answered.
        if promise is not None:
            promise(name, value)

    def ask_behind(self, count: int, name: str, value: str) -> bool:
        """Have a client who waits for `100 Continue` send so many bytes behind its body; False if it won't.

        They are read as if the body were so much longer. The client must have offered it.
        """
        del count, name, value
        return False

    @property
    def finished(self) -> bool:
        """Whether the whole body has left the wire."""
        raise NotImplementedError

    @property
    def leftover(self) -> bytes:
        """What came behind the body: the beginning of the next message."""
        raise NotImplementedError

    @property
    def missing(self) -> int | None:
        """How many bytes have not left the wire yet; None when only the body's end will tell."""
        raise NotImplementedError

    @property
    def bytes_read(self) -> int:
        """How many bytes of it the application has taken, without the framing."""
        return 0

    @property
    def ahead(self) -> int:
        """How many bytes have left the wire but have not been read."""
        return len(self._ahead)

    def is_skippable(self, limit: int) -> bool:
        """Whether what is missing is on its way and known to be short."""
        missing = self.missing
        if not missing:
            return missing is not None
        source = self._source
        return missing <= limit and not source.continue_due and not source.broken

    def take_ahead(self) -> bytes:
        """Return what has left the wire but has not been read."""
        ahead, self._ahead = self._ahead, b""
        return ahead

    def _more(self, limit: int) -> bytes:
        """Return the next piece, at most `limit` bytes; b"" at the end."""
        raise NotImplementedError

    def _more_into(self, view: memoryview) -> int:
        """Receive the next piece into a buffer; 0 at the end."""
        raise NotImplementedError

    def piece(self, limit: int) -> bytes:
        """Return what has arrived, at least one byte, at most `limit`; b"" at the body's end."""
        ahead = self._ahead
        if not ahead:
            return self._more(limit)
        if len(ahead) <= limit:
            self._ahead = b""
            return ahead
        self._ahead = ahead[limit:]
        return ahead[:limit]

    def read(self, size: int | None = -1) -> bytes:
        """Return exactly `size` bytes, or all that are left when there are fewer or size is negative."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.piece(PIECE_BYTES), b""))
        piece = self.piece(size) if size else b""
        if len(piece) == size or not piece:
            return piece
        pieces = [piece]
        missing = size - len(piece)
        while missing and (piece := self.piece(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

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
            piece = self.piece(PIECE_BYTES if bound < 0 else bound - length)
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

    def skip_soon(self, limit: int, seconds: float) -> None:
        """Skip what is missing, if that is short and comes at once; what does not stays to be read."""
        if self.finished:
            return
        source = self._source
        within = getattr(source, "receive_within", None)  # Only a client's is worth it.
        if within is None or not self._may_end(limit):
            return
        self._source = HastySource(within, seconds)
        try:
            self.drain(limit)
        except (NothingYet, BadFraming):
            pass
        finally:
            self._source = source

    def _may_end(self, limit: int) -> bool:
        source = self._source
        return not source.continue_due and not source.broken and (self.missing or 0) <= limit

    def drain(self, limit: int) -> bool:
        """Skip the rest of the body; return False when it is longer than `limit`, the rest being unread."""
        while not self.finished:
            piece = self._more(PIECE_BYTES)
            limit -= len(piece)
            if limit < 0:
                return False
        return True


class LengthBody(Body):
    """A body whose length was announced."""

    __slots__ = ("_left", "_leftover", "_length")

    def __init__(self, source: Source, length: int, data: bytes) -> None:
        if len(data) <= length:
            super().__init__(source, data)
            self._leftover = b""
        else:
            super().__init__(source, data[:length])
            self._leftover = data[length:]
        self._length = length
        self._left = length - len(self._ahead)

    @property
    def bytes_read(self) -> int:
        """How many bytes of it the application has taken."""
        return self._length - self._left - len(self._ahead)

    @property
    def finished(self) -> bool:
        """Whether the whole body has left the wire."""
        return not self._left

    @property
    def leftover(self) -> bytes:
        """What came behind the body."""
        return self._leftover

    @property
    def missing(self) -> int | None:
        """How many bytes have not left the wire yet."""
        return self._left

    def ask_behind(self, count: int, name: str, value: str) -> bool:
        """Agree to it while nothing of the body can have been sent."""
        if not self._source.continue_due:
            return False
        self.promise(name, value)
        self._length += count
        self._left += count
        return True

    def skipped(self, count: int) -> None:
        """Take note that so many bytes left the wire past us."""
        assert 0 <= count <= self._left
        self._left -= count

    def _more(self, limit: int) -> bytes:
        if not self._left:
            return b""
        data = self._source.receive(min(limit, self._left, RECEIVE_BYTES_MAX))
        self._left -= len(data)
        return data

    def _more_into(self, view: memoryview) -> int:
        if not self._left:
            return 0
        count = self._source.receive_into(view[: self._left])
        self._left -= count
        return count


class ChunkedBody(Body):
    """A body whose end is marked in the body itself."""

    __slots__ = ("_chunks",)

    chunked = True

    def __init__(self, source: Source, data: bytes) -> None:
        super().__init__(source)
        self._chunks = Chunks(data)

    @property
    def bytes_read(self) -> int:
        """How many bytes of it the application has taken, without the framing."""
        return self._chunks.taken - len(self._ahead)

    @property
    def finished(self) -> bool:
        """Whether the last chunk has left the wire."""
        return self._chunks.finished

    @property
    def leftover(self) -> bytes:
        """What came behind the last chunk."""
        return self._chunks.leftover

    @property
    def missing(self) -> int | None:
        """Unknown until the end."""
        return 0 if self._chunks.finished else None

    def _more(self, limit: int) -> bytes:
        while (data := self._chunks.take(limit)) is None:
            self._chunks.feed(self._source.receive(PIECE_BYTES))
        return data

    def _more_into(self, view: memoryview) -> int:
        data = self._chunks.take(len(view))
        if data is None and not self._chunks.room:
            data = self._more(len(view))
        if data is None:
            count = self._source.receive_into(view[: self._chunks.room])
            self._chunks.received(count)
            return count
        view[: len(data)] = data
        return len(data)


class EndlessBody(Body):
    """A body that ends with the connection."""

    __slots__ = ("_ended",)

    def __init__(self, source: Source, data: bytes) -> None:
        super().__init__(source, data)
        self._ended = False

    @property
    def finished(self) -> bool:
        """Whether the connection has ended."""
        return self._ended

    @property
    def leftover(self) -> bytes:
        """Nothing can come behind the end."""
        return b""

    @property
    def missing(self) -> int | None:
        """Unknown until the end."""
        return 0 if self._ended else None

    def _more(self, limit: int) -> bytes:
        if self._ended or self._source.ends():
            self._ended = True
            return b""
        return self._source.receive(limit)

    def _more_into(self, view: memoryview) -> int:
        data = self._more(len(view))
        view[: len(data)] = data
        return len(data)


class WholeBody(Body):
    """A body that has come whole, with its head; perhaps an empty one."""

    __slots__ = ()

    def __init__(self, data: bytes = b"") -> None:
        """Need no source: no read ever reaches one."""
        self._ahead = data

    @property
    def finished(self) -> bool:
        """Always."""
        return True

    @property
    def leftover(self) -> bytes:
        """Nothing: what came behind the head stayed with the connection."""
        return b""

    @property
    def missing(self) -> int | None:
        """Nothing."""
        return 0

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or all that are left when there are fewer or size is negative."""
        ahead = self._ahead
        if size is None or size < 0 or size >= len(ahead):
            self._ahead = b""
            return ahead
        return super().read(size)

    def _more(self, limit: int) -> bytes:
        del limit
        return b""

    def _more_into(self, view: memoryview) -> int:
        del view
        return 0


NO_BODY = WholeBody()
