"""The bytes of a stored object, checked before they leave.

    StoredObject, range ──▶ Body ──▶ pieces, each block checked before it is yielded

Objects with block checksums are checked on every read, ranges too, by whole blocks. Objects that another
server wrote have an MD5 of the whole: a full read is checked by it at the end, as stock Swift does, a range
cannot be. What fails is quarantined and the body ends short, so that the connection is broken off and the
reader resumes from another replica.

Bytes in the page cache are read without leaving the thread. For others a native thread waits: many are read
past the page cache (outflow.py); few are read into it, and stay as long as the kernel finds them worth its
memory.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...common.concurrency import in_native_thread, sleep
from ...common.errors import Corrupt
from ...common.http.transfer import send, send_held
from ...common.http.wire import Wire
from ..settings import KEEP_CACHE_SIZE
from . import outflow, store
from .blocks import Blocks
from .outflow import ALIGNMENT, Outflow
from .resident import is_resident
from .store import StoredObject

log = logging.getLogger(__name__)

PIECE_BYTES = 512 << 10  # Fits the processor's second cache beside what the kernel copies it to.
CACHED_BYTES_MAX = (
    5 << 20
)  # Longer reads pass the page cache by, as stock Swift drops what it has read of them.
AHEAD_BYTES = 8 << 20  # What the device is told to read ahead: it takes this for its full speed.
# How long a device is given for a small read before a native thread waits for it: that hop alone takes 250 µs
# of CPU, these pauses 20.
PAUSES_SECONDS = (0.0003, 0.001, 0.003)
TURN_BYTES = 1 << 20  # After so many the other green threads get their turn, if no wait gave it to them.


@dataclass(slots=True)
class Source:
    """An open file of an object, and what its bytes are checked against."""

    descriptor: int
    length: int
    path: str
    blocks: Blocks | None
    etag: str

    @classmethod
    def of(cls, stored: StoredObject) -> Source:
        """Take the file over from the object; raise Corrupt when its checksums are damaged."""
        known = stored.blocks()
        etag = stored.metadata["ETag"]
        return cls(stored.take_descriptor(), stored.length, stored.path, known, etag)

    def close(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Body:
    """The bytes [start, end) of an object; ends short when a block is damaged.

    Iterated it yields pieces; a server has it move itself, from one buffer for all of its pieces: that
    stays in the processor's cache, and took 0.5 ms of CPU per MiB where new bytes for each took 0.9.
    """

    def __init__(
        self,
        source: Source,
        start: int,
        end: int,
        *,
        keep_open: bool = False,
        cached_bytes_max: int = KEEP_CACHE_SIZE,
    ) -> None:
        assert 0 <= start <= end <= source.length
        self._keep_open = keep_open
        self._cached_bytes_max = cached_bytes_max  # Longer reads pass the page cache by, where it has gaps.
        self._source = source
        self._start = start
        self._end = end
        self._ahead = 0  # Up to here the device has been told to read; 0 while all is found in memory.
        self._pieces = self._checked()
        self._first: memoryview | None = None
        self._outflow: Outflow | None = None

    def prefetch(self) -> None:
        """Read and check the first piece, so that damage there can still be answered with a 404.

        Raises:
            Corrupt: when it is damaged.
        """
        self._first = next(self._pieces, None)

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self._sound())

    def transfer(self, wire: Wire) -> int:
        """Send it; return the bytes that went."""
        moved = unheard = 0
        try:
            send_held(wire)
            for piece in self._sound():
                send(wire, piece)
                moved += len(piece)
                unheard += len(piece)
                if unheard >= TURN_BYTES:
                    unheard = 0
                    sleep()
        except BaseException as problem:
            problem.bytes_moved = moved  # type: ignore[attr-defined]  # as all bodies that move themselves say it
            raise
        return moved

    def close(self) -> None:
        """Let go of the file."""
        if self._outflow is not None:
            self._outflow.close()
        if not self._keep_open:
            self._source.close()

    def _sound(self) -> Iterator[memoryview]:
        """Yield what is as it was written, each piece good until the next is asked for."""
        try:
            if self._first is not None:
                first, self._first = self._first, None
                yield first
            yield from self._pieces
        except Corrupt as problem:
            store.quarantined(os.path.dirname(self._source.path), str(problem))
        finally:
            self.close()

    def _checked(self) -> Iterator[memoryview]:
        source = self._source
        if source.blocks is not None:
            return self._by_blocks(source.blocks)
        if self._start == 0 and self._end == source.length:
            return self._by_digest()
        return self._unchecked()

    def _by_blocks(self, blocks: Blocks) -> Iterator[memoryview]:
        """Yield some blocks at a time."""
        size, wanted = blocks.block_bytes, blocks.cover(self._start, self._end)
        offset, end = wanted.start * size, min(wanted.stop * size, blocks.length)
        step = max(PIECE_BYTES, size)
        for piece in self._read(offset, end, step):
            for at in range(
                0, len(piece), step
            ):  # What was just checked is sent out of the processor's cache.
                part = piece[at : at + step]
                damaged = blocks.first_damaged(offset // size, part)
                if damaged is not None:
                    raise Corrupt(f"block {damaged} of {size} bytes does not match its checksum")
                yield part[max(0, self._start - offset) : self._end - offset]
                offset += len(part)

    def _by_digest(self) -> Iterator[memoryview]:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self._unchecked():
            digest.update(piece)
            yield piece
        if digest.hexdigest() != self._source.etag:
            raise Corrupt("the body does not match its ETag")

    def _unchecked(self) -> Iterator[memoryview]:
        return self._read(self._start, self._end, PIECE_BYTES)

    def _read(self, start: int, end: int, step: int) -> Iterator[memoryview]:
        """Yield what the file holds there, in pieces; in this thread where the page cache has them.

        Raises:
            Corrupt: when the file is too short, or the device cannot read it back.
        """
        buffer = memoryview(bytearray(min(step, end - start)))
        for at in range(start, end, step):
            piece, descriptor = buffer[: end - at], self._source.descriptor
            is_long = end - at > self._cached_bytes_max and not at % ALIGNMENT
            if is_long and not is_resident(descriptor, at, len(piece)):
                self._outflow = Outflow(descriptor, at, end, max(step, outflow.PIECE_BYTES))
                yield from self._outflow
                return
            if end - start <= PIECE_BYTES:
                filled = _fill_soon(descriptor, piece, at)
            else:
                filled = self._fill_from_memory(piece, at)
            if filled < len(piece):
                in_native_thread(self._fill_slowly, piece[filled:], at + filled)
            yield piece

    def _fill_from_memory(self, piece: memoryview, offset: int) -> int:
        """Fill the beginning of the piece with what the page cache has; return its length."""
        if not self._ahead or self._ahead >= min(self._end, offset + len(piece) + AHEAD_BYTES // 2):
            return read_cached(self._source.descriptor, piece, offset)
        return 0

    def _fill_slowly(self, rest: memoryview, offset: int) -> None:
        """Have the device read on while we wait, and wait for this piece."""
        descriptor = self._source.descriptor
        start, end = max(self._ahead, offset), min(self._end, offset + len(rest) + AHEAD_BYTES)
        if start < end:
            os.posix_fadvise(descriptor, start, end - start, os.POSIX_FADV_WILLNEED)
            self._ahead = end
        while rest:
            try:
                count = os.preadv(descriptor, [rest], offset)
            except OSError as problem:
                raise Corrupt(f"unreadable at {offset}: {problem.strerror}") from problem
            if not count:
                raise Corrupt(f"the file ends at {offset}, {len(rest)} bytes early")
            rest = rest[count:]
            offset += count


def read_cached(descriptor: int, buffer: bytearray | memoryview, offset: int) -> int:
    """Fill the beginning of the buffer with what the page cache has; return its length.

    Raises:
        Corrupt: when the device has failed to read it.
    """
    try:
        return os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError as problem:
        if problem.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
            raise Corrupt(f"unreadable at {offset}: {problem.strerror}") from problem
    return 0


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return up to `size` bytes; less only at the end of the file. For a green thread, and small reads.

    Raises:
        Corrupt: when the device cannot read them back.
    """
    buffer = bytearray(size)
    filled = _fill_soon(descriptor, buffer, offset)
    if filled == size:
        return bytes(buffer)
    return bytes(buffer[:filled]) + in_native_thread(_read_slowly, descriptor, size - filled, offset + filled)


def _fill_soon(descriptor: int, buffer: bytearray | memoryview, offset: int) -> int:
    """Fill the beginning of the buffer with what is in memory, or soon comes there; return its length.

    So does a range of 64 KiB: with a native thread for each the object server took half as much again.
    """
    filled = read_cached(descriptor, buffer, offset)
    if filled < len(buffer):
        os.posix_fadvise(descriptor, offset, len(buffer), os.POSIX_FADV_WILLNEED)
        for pause_seconds in PAUSES_SECONDS:
            sleep(pause_seconds)
            if (filled := read_cached(descriptor, buffer, offset)) == len(buffer):
                break
    return filled


def _read_slowly(descriptor: int, size: int, offset: int) -> bytes:
    pieces = []
    while size:
        try:
            piece = os.pread(descriptor, size, offset)
        except OSError as problem:
            raise Corrupt(f"unreadable at {offset}: {problem.strerror}") from problem
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
        offset += len(piece)
    return b"".join(pieces)
