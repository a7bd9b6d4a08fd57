"""The bytes of a stored object, checked before they leave.

    StoredObject, range ──▶ whole()   the body of a small object, checked: bytes, or Corrupt
                        └─▶ Body      pieces of a large one, each block checked before it is yielded

Objects with block checksums are checked on every read, ranges too, by whole blocks. Objects that another
server wrote have an MD5 of the whole: a full read is checked by it (a small one before the first byte is
sent, a large one at the end, as stock Swift does), a range cannot be. What fails is quarantined and the
body ends short, so that the connection is broken off and the reader resumes from another replica.

Bytes in the page cache are read without leaving the thread; for others a native thread waits.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...common.concurrency import in_native_thread
from ...common.errors import Corrupt
from . import store
from .blocks import Blocks
from .store import StoredObject

log = logging.getLogger(__name__)

WHOLE_BYTES_MAX = 64 << 10  # One block: read, checked and sent in one piece.
PIECE_BYTES = 512 << 10
KEEP_CACHE_BYTES_MAX = 5 << 20  # Larger objects are not kept in the page cache, as stock Swift's default.


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


def whole(source: Source) -> bytes:
    """Return the body of a small object.

    Raises:
        Corrupt: when it is not what was written.
    """
    assert source.length <= WHOLE_BYTES_MAX
    data = read_at(source.descriptor, source.length, 0) if source.length else b""
    if source.blocks is not None:
        sound = len(data) == source.length and (not data or source.blocks.check(0, data))
    else:
        sound = hashlib.md5(data, usedforsecurity=False).hexdigest() == source.etag
    if not sound:
        raise Corrupt("the body does not match its checksum")
    return data


class Body:
    """The pieces of bytes [start, end) of an object; an iterable that ends short when a block is damaged."""

    def __init__(self, source: Source, start: int, end: int, *, keep_open: bool = False) -> None:
        assert 0 <= start <= end <= source.length
        self._keep_open = keep_open
        self._source = source
        self._start = start
        self._end = end
        self._pieces = self._checked()
        self._first: bytes | None = None

    def prefetch(self) -> None:
        """Read and check the first piece, so that damage there can still be answered with a 404.

        Raises:
            Corrupt: when it is damaged.
        """
        self._first = next(self._pieces, b"")

    def __iter__(self) -> Iterator[bytes]:
        try:
            if self._first is not None:
                first, self._first = self._first, None
                yield first
            yield from self._pieces
        except Corrupt as problem:
            store.quarantined(os.path.dirname(self._source.path), str(problem))
        finally:
            if not self._keep_open:
                self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def _checked(self) -> Iterator[bytes]:
        source = self._source
        if self._end - self._start > PIECE_BYTES:
            os.posix_fadvise(
                source.descriptor, self._start, self._end - self._start, os.POSIX_FADV_SEQUENTIAL
            )
        if source.blocks is not None:
            return self._by_blocks(source.blocks)
        if self._start == 0 and self._end == source.length:
            return self._by_digest()
        return self._unchecked()

    def _by_blocks(self, blocks: Blocks) -> Iterator[bytes]:
        size = blocks.block_bytes
        for index in blocks.cover(self._start, self._end):
            offset = index * size
            block = read_at(self._source.descriptor, min(size, blocks.length - offset), offset)
            if len(block) != min(size, blocks.length - offset) or not blocks.check(index, block):
                raise Corrupt(f"block {index} of {size} bytes does not match its checksum")
            head, tail = max(0, self._start - offset), min(size, self._end - offset)
            yield block if head == 0 and tail >= len(block) else block[head:tail]
            self._forget(offset, size)

    def _by_digest(self) -> Iterator[bytes]:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self._unchecked():
            digest.update(piece)
            yield piece
        if digest.hexdigest() != self._source.etag:
            raise Corrupt("the body does not match its ETag")

    def _unchecked(self) -> Iterator[bytes]:
        at = self._start
        while at < self._end:
            piece = read_at(self._source.descriptor, min(PIECE_BYTES, self._end - at), at)
            if not piece:
                raise Corrupt(f"the file ends at {at}, {self._end - at} bytes early")
            yield piece
            self._forget(at, len(piece))
            at += len(piece)

    def _forget(self, offset: int, length: int) -> None:
        if self._source.length > KEEP_CACHE_BYTES_MAX and self._source.descriptor >= 0:
            os.posix_fadvise(self._source.descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return up to `size` bytes; less only at the end of the file.

    Raises:
        Corrupt: when the device cannot read them back.
    """
    buffer = bytearray(size)
    filled = 0
    try:
        filled = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError as problem:
        if problem.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
            raise Corrupt(f"unreadable at {offset}: {problem.strerror}") from problem
    if filled == size:
        return bytes(buffer)
    return bytes(buffer[:filled]) + in_native_thread(_read_slowly, descriptor, size - filled, offset + filled)


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
