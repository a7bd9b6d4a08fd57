"""Reading a chunked body: what is data, what is frame, and where it ends.

    bytes from the wire ──feed──▶ Chunks ──take──▶ data
                                     └─ room: so much of the current chunk may be received past us,
                                        straight into the reader's buffer; `received` tells us of it

         SIZE ──size line──▶ DATA ──all of it──▶ DATA_END ──CRLF──▶ SIZE
           └──size 0──▶ TRAILER ──empty line──▶ DONE, the rest is the next message's

Extensions and trailers are skipped, within limits. No socket here.
"""

from __future__ import annotations

import re
from enum import Enum

from .errors import BadFraming
from .head import HEADERS_MAX, LINE_BYTES_MAX, header_lines

EXTENSION_BYTES_MAX = 16384  # In all of a body: nobody uses them, and one per byte would be an attack.

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class Phase(Enum):
    """What comes next."""

    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILER = 3
    DONE = 4


class Chunks:
    """The reader's place in one chunked body."""

    __slots__ = ("_at", "_buffer", "_extension_bytes", "_phase", "_room", "_trailers", "taken")

    def __init__(self, data: bytes = b"") -> None:
        self._buffer = data
        self._at = 0  # What is before it has been read.
        self._phase = Phase.SIZE
        self._room = 0
        self._extension_bytes = 0
        self._trailers = 0
        self.taken = 0  # Bytes of data, without the framing.

    @property
    def finished(self) -> bool:
        """Whether the body has been read to its end."""
        return self._phase is Phase.DONE

    @property
    def leftover(self) -> bytes:
        """What came behind the body."""
        assert self.finished
        return self._buffer[self._at :]

    @property
    def room(self) -> int:
        """How many bytes of data may be received past this reader now."""
        return self._room if self._phase is Phase.DATA and self._at == len(self._buffer) else 0

    def received(self, count: int) -> None:
        """Take note that so many bytes of data went past."""
        assert 0 < count <= self.room
        self._room -= count
        self.taken += count
        if not self._room:
            self._phase = Phase.DATA_END

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the wire."""
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def take(self, limit: int) -> bytes | None:
        """Return up to `limit` bytes of data; b"" at the end of the body, None when more must be fed.

        Raises:
            BadFraming: when the bytes are no chunked body.
        """
        assert limit > 0
        while self._phase is not Phase.DONE:
            if self._phase is Phase.DATA:
                return self._take_data(limit)
            if not self._step():
                return None
        return b""

    def _take_data(self, limit: int) -> bytes | None:
        data = self._buffer[self._at : self._at + min(limit, self._room)]
        self._at += len(data)
        self._room -= len(data)
        self.taken += len(data)
        if not self._room:
            self._phase = Phase.DATA_END
        return data or None

    def _step(self) -> bool:
        """Read one line of the frame, if it is complete."""
        end = self._buffer.find(b"\n", self._at) + 1
        if self._phase is Phase.DATA_END:
            if not b"\r\n".startswith(self._buffer[self._at : self._at + 2]):
                raise BadFraming("A chunk is longer than its size")
        elif (end or len(self._buffer)) - self._at >= LINE_BYTES_MAX:
            raise BadFraming("A line of a chunked body is too long")
        if not end:
            return False
        line, self._at = self._buffer[self._at : end], end
        if not line.endswith(b"\r\n"):
            raise BadFraming("A line ends without a carriage return")
        self._read_line(line)
        return True

    def _read_line(self, line: bytes) -> None:
        if self._phase is Phase.DATA_END:
            self._phase = Phase.SIZE
        elif self._phase is Phase.SIZE:
            self._begin_chunk(line[:-2])
        else:
            self._pass_trailer(line)

    def _begin_chunk(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise BadFraming("A chunk has no size")
        self._extension_bytes += len(line) - len(match[1])
        if self._extension_bytes > EXTENSION_BYTES_MAX:
            raise BadFraming("Chunk extensions are too large")
        self._room = int(match[1], 16)
        self._phase = Phase.DATA if self._room else Phase.TRAILER

    def _pass_trailer(self, line: bytes) -> None:
        if line == b"\r\n":
            self._phase = Phase.DONE
            return
        self._trailers += 1
        if self._trailers > HEADERS_MAX:
            raise BadFraming("Too many trailers", 431)
        header_lines(line)
