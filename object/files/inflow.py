"""A large body on its way to the device, past the page cache.

    room() ◀── bytes are received into one buffer …
    received() ──▶ full? ──▶ partner thread: MD5, block checksums, write ──▶ device
                     … while the other one is on its way

Through the page cache a disk took 0.3 GB/s that took 1.2 directly, and copying cost as much CPU as the
checksums beside MD5. File systems that refuse direct writes get them through the cache, and the device is
made to begin at once, so that little is left for the end. Nothing is durable before the committer's round.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
from functools import partial

from ...common import durability, pages
from ...common.partner import Partner
from .blocks import BlockSums

PIECE_BYTES = 1 << 20
LARGE_PIECE_BYTES = pages.PIECE_BYTES  # Two of them are all the memory that an upload takes.
SMALL_PIECES = (
    4  # A body that is longer goes on in large pieces, of large pages, which cost half the CPU to write.
)
INLINE_BYTES_MAX = 64 << 10  # A body that turns out to be so short is not worth a thread.
WINDOW_BYTES = 8 << 20  # Dirty data of one upload, where it has to go through the page cache.
_ALIGNMENT = 4096  # Of buffers, offsets and lengths, for all devices in use.


class Inflow:
    """The body of one new file, from its first byte to its last."""

    __slots__ = (
        "_borrowed",
        "_descriptor",
        "_digest",
        "_filled",
        "_is_direct",
        "_next",
        "_offset",
        "_partner",
        "_piece",
        "_sums",
    )

    def __init__(self, descriptor: int, digest: hashlib._Hash, sums: BlockSums) -> None:
        self._descriptor = descriptor
        self._digest: hashlib._Hash | None = digest
        self._sums = sums
        self._piece, self._next = (memoryview(mmap.mmap(-1, PIECE_BYTES)) for _ in range(2))
        self._borrowed: list[memoryview] = []
        self._filled = 0
        self._offset = 0  # Where the piece begins in the file.
        self._partner: Partner | None = None
        self._is_direct = _write_directly(descriptor, directly=True)

    def leave_digest(self) -> None:
        """Take no MD5 of the body: who sends it knows it; only before any of it has come."""
        assert not self._filled
        assert not self._offset
        self._digest = None

    def room(self) -> memoryview:
        """Return where the next bytes are to be put."""
        return self._piece[self._filled :]

    def received(self, count: int) -> None:
        """Take note that so many bytes were put there.

        Raises:
            OSError: when the device did not take earlier ones.
        """
        self._filled += count
        if self._filled == len(self._piece):
            self._launch()

    def finish(self) -> None:
        """Return when all of it is summed and written."""
        if self._filled and not self._offset and self._filled <= INLINE_BYTES_MAX:
            # In this thread: the page cache takes it at once, a direct write would wait for the device.
            self._is_direct = self._is_direct and _write_directly(self._descriptor, directly=False)
            self._store(self._piece[: self._filled], 0)
            self._filled = 0
        elif self._filled:
            self._launch()
        if self._partner is not None:
            self._partner.wait()

    def close(self) -> None:
        """Return when nothing is written any more."""
        partner, self._partner = self._partner, None
        if partner is None:
            return
        try:
            partner.wait()
        except OSError:
            pass  # What could not be written then is not wanted either.
        finally:
            partner.close()
        self._piece = self._next = memoryview(b"")
        if self._borrowed:  # And idle: where waiting for the partner was broken off they are not given back.
            pages.give_back(self._borrowed)

    def _launch(self) -> None:
        """Send the piece on its way, when the one before it has arrived, whose memory is used again."""
        if self._partner is None:
            self._partner = Partner()
        self._partner.wait()
        self._partner.begin(partial(self._store, self._piece[: self._filled], self._offset))
        self._offset += self._filled
        self._filled = 0
        self._piece, self._next = self._next, self._piece
        if self._offset == SMALL_PIECES * PIECE_BYTES:
            self._borrowed = pages.borrow()
            self._piece, self._next = self._borrowed

    def _store(self, piece: memoryview, offset: int) -> None:
        """Sum and write a piece (in the partner's thread)."""
        if self._digest is not None:
            self._digest.update(piece)
        self._sums.update(piece)
        if self._is_direct:
            whole = len(piece) // _ALIGNMENT * _ALIGNMENT
            try:
                offset = _write(self._descriptor, piece[:whole], offset)
                piece = piece[whole:]
            except OSError as problem:
                if problem.errno != errno.EINVAL:
                    raise
            if piece:  # The end of the body, or a device that aligns otherwise.
                self._is_direct = _write_directly(self._descriptor, directly=False)
        if piece:
            self._write_through(piece, offset)

    def _write_through(self, piece: memoryview, offset: int) -> None:
        """Write to the page cache; have the device begin with it, and wait for what is a window behind."""
        _write(self._descriptor, piece, offset)
        durability.begin_write_back(self._descriptor, offset, len(piece))
        behind = offset - WINDOW_BYTES
        if behind >= 0:
            durability.write_back(self._descriptor, behind, LARGE_PIECE_BYTES)
            os.posix_fadvise(self._descriptor, behind, LARGE_PIECE_BYTES, os.POSIX_FADV_DONTNEED)


def _write(descriptor: int, data: memoryview, offset: int) -> int:
    """Write all of it; return where it ends."""
    while data:
        written = os.pwrite(descriptor, data, offset)
        data = data[written:]
        offset += written
    return offset


def _write_directly(descriptor: int, *, directly: bool) -> bool:
    """Have writes pass the page cache, or not; return whether they will."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_DIRECT
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT if directly else flags)
    except OSError:
        return False
    return directly
