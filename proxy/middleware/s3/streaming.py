"""Bodies in the coding `aws-chunked`: data between frames that sign or sum it up.

    bytes from the client ──feed──▶ Frames ──take──▶ data, until all of it has been checked
         400;chunk-signature=…␍␊ data ␍␊ … 0;chunk-signature=…␍␊ x-amz-checksum-crc32:…␍␊ ␍␊

         SIZE ──size line──▶ DATA ──all of it──▶ DATA_END ──CRLF──▶ SIZE
           └──size 0──▶ TRAILER ──empty line, or the end──▶ DONE

A chunk's data are handed on before its signature can be known; what is wrong is raised before the last byte
is, so nothing is stored of such a body. No socket here; DecodedBody puts it over `wsgi.input`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

from .errors import S3Error
from .signed import ChunkSigner

PIECE_BYTES = 1 << 16
CHUNK_BYTES_MIN = 8192
"""AWS's, for every chunk but the last: frames shall not cost more than data."""
LINE_BYTES_MAX = 1024
TRAILERS_MAX = 8
TRAILER_SIGNATURE = "x-amz-trailer-signature"
_is_size_line = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[ \t]*chunk-signature[ \t]*=[ \t]*([0-9a-f]{64})[ \t]*)?"
).fullmatch
_is_trailer = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]{1,64})[ \t]*:[ \t]*([\x21-\x7e]{0,512})[ \t]*").fullmatch


class Phase(Enum):
    """What comes next."""

    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILER = 3
    DONE = 4


def _broken(hint: str) -> S3Error:
    """Return the refusal of frames that cannot be read on."""
    return S3Error("IncompleteBody", "The request body terminated unexpectedly", Hint=hint)


class Frames:
    """The reader's place in one such body."""

    __slots__ = (
        "_announced",
        "_at",
        "_buffer",
        "_chunk_bytes",
        "_chunks",
        "_hash",
        "_left",
        "_length",
        "_lines",
        "_phase",
        "_room",
        "_signature",
        "_signer",
        "_signs_trailers",
        "trailers",
    )

    def __init__(
        self,
        length: int,
        *,
        signer: ChunkSigner | None = None,
        announced: frozenset[str] = frozenset(),
        signs_trailers: bool = False,
    ) -> None:
        self._signer = signer
        self._announced = announced
        self._signs_trailers = signs_trailers
        self._buffer = b""
        self._at = 0  # What is before it has been read.
        self._phase = Phase.SIZE
        self._length = length  # Of the data.
        self._left = length
        self._room = 0  # Of the chunk.
        self._chunk_bytes = CHUNK_BYTES_MIN
        self._chunks = 1  # As AWS counts them in its errors.
        self._hash = hashlib.sha256()
        self._signature = ""
        self._lines = b""
        self.trailers: dict[str, str] = {}
        """By name, in lower case."""

    @property
    def is_done(self) -> bool:
        """Whether the end has been read, and all has been found right."""
        return self._phase is Phase.DONE

    @property
    def left(self) -> int:
        """How many bytes of data have not been taken."""
        return self._left

    def feed(self, data: bytes) -> None:
        """Take the next bytes from the client; none is the end of them.

        Raises:
            S3Error: IncompleteBody, where the body should have gone on, or should not have.
        """
        if not data:
            self._end()
            return
        if self._phase is Phase.DONE:
            raise _broken("There are bytes behind the end of the body.")
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def take(self, limit: int) -> bytes | None:
        """Return up to `limit` bytes of data; b"" at the end of the body, None when more must be fed.

        Raises:
            S3Error: when these are not the frames that were announced.
        """
        assert limit > 0
        while self._phase is not Phase.DONE:
            if self._phase is Phase.DATA:
                return self._take_data(limit)
            if not self._step():
                return None
        if self._at < len(self._buffer):
            raise _broken("There are bytes behind the end of the body.")
        return b""

    def _take_data(self, limit: int) -> bytes | None:
        data = self._buffer[self._at : self._at + min(limit, self._room)]
        self._at += len(data)
        self._room -= len(data)
        self._left -= len(data)
        if self._signer is not None:
            self._hash.update(data)
        if not self._room:
            self._check_chunk()
            self._phase = Phase.DATA_END
        return data or None

    def _check_chunk(self) -> None:
        if self._signer is not None:
            self._signer.check_chunk(self._signature, self._hash.hexdigest())
            self._hash = hashlib.sha256()

    def _step(self) -> bool:
        """Read one line of the frames, if it is complete."""
        end = self._buffer.find(b"\n", self._at) + 1
        if (end or len(self._buffer)) - self._at > LINE_BYTES_MAX:
            raise _broken("A line between the chunks is too long.")
        if not end:
            return False
        line, self._at = self._buffer[self._at : end], end
        if not line.endswith(b"\r\n"):
            raise _broken("A line between the chunks ends without a carriage return.")
        self._read_line(line[:-2])
        return True

    def _read_line(self, line: bytes) -> None:
        if self._phase is Phase.TRAILER:
            self._take_trailer(line)
        elif self._phase is Phase.SIZE:
            self._begin_chunk(line)
        elif line:
            raise _broken("A chunk is longer than its size.")
        else:
            self._phase = Phase.SIZE

    def _begin_chunk(self, line: bytes) -> None:
        match = _is_size_line(line)
        if match is None or (self._signer is not None and match[2] is None):
            raise _broken("A chunk begins without its size, or without its signature.")
        size = int(match[1], 16)
        if size and self._chunk_bytes < CHUNK_BYTES_MIN:
            raise S3Error("InvalidChunkSizeError", Chunk=self._chunks, BadChunkSize=self._chunk_bytes)
        if size > self._left or (not size and self._left):
            provided = self._length - self._left + size
            raise S3Error("IncompleteBody", NumberBytesExpected=self._length, NumberBytesProvided=provided)
        self._chunks += 1
        self._chunk_bytes = self._room = size
        self._signature = (match[2] or b"").decode("ascii")
        self._phase = Phase.DATA
        if not size:
            self._check_chunk()
            self._phase = Phase.TRAILER

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self._finish()
            return
        match = _is_trailer(line)
        if match is None or len(self.trailers) >= TRAILERS_MAX:
            raise S3Error("MalformedTrailerError")
        name, value = match[1].decode("ascii").lower(), match[2].decode("ascii")
        is_signature = name == TRAILER_SIGNATURE and self._signs_trailers
        if name in self.trailers or not (name in self._announced or is_signature):
            raise S3Error("MalformedTrailerError", Hint=f"{name} was not announced, or comes twice.")
        self.trailers[name] = value
        if not is_signature:
            self._lines += f"{name}:{value}\n".encode("ascii")

    def _finish(self) -> None:
        """Hold the trailers against what was announced."""
        if self._announced - self.trailers.keys():
            raise S3Error("MalformedTrailerError", Hint="A trailer that was announced did not come.")
        if self._signs_trailers:
            assert self._signer is not None
            signature = self.trailers.get(TRAILER_SIGNATURE)
            if signature is None:
                raise _broken("The trailers lack their signature.")
            self._signer.check_trailer(signature, self._lines)
        self._phase = Phase.DONE

    def _end(self) -> None:
        """Take note that the client has nothing more to send; the last empty line may be missing."""
        if self._phase is Phase.TRAILER and self._at == len(self._buffer):
            self._finish()
        if self._phase is not Phase.DONE:
            raise _broken("The body ends before its last chunk.")


class DecodedBody:
    """The data, in the place of `wsgi.input`."""

    __slots__ = ("_frames", "_piece", "_source")

    def __init__(self, source: Any, frames: Frames) -> None:
        self._source = source
        # What has arrived, where the input can tell; else as much as there is.
        self._piece: Callable[[int], bytes] = getattr(source, "piece", source.read)
        self._frames = frames

    @property
    def bytes_read(self) -> int:
        """How many bytes the client has sent, as far as the input knows."""
        return int(getattr(self._source, "bytes_read", 0))

    @property
    def trailers(self) -> dict[str, str]:
        """What came behind the data, when all of it has been read."""
        return self._frames.trailers

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at least one, at most `size`; none at the end."""
        frames = self._frames
        wanted = PIECE_BYTES if size < 0 else min(size, PIECE_BYTES)
        if not wanted:
            return b""
        while (data := frames.take(wanted)) is None:
            frames.feed(self._piece(PIECE_BYTES))
        return data

    def finish(self) -> None:
        """Read what is behind the data; only then it is known that they are right."""
        frames = self._frames
        assert not frames.left
        while frames.take(1) is None:
            frames.feed(self._piece(PIECE_BYTES))
        frames.feed(self._piece(PIECE_BYTES))
