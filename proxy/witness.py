"""The sums of an upload, taken beside its sending.

    client ──▶ one buffer ──▶ its pieces are sent as they arrive …
                   └─ full ──▶ partner thread: CRC32C, MD5, CRC32C … while the other buffer fills

Where three object servers believe this one MD5, an upload costs two thirds of what it did. The CRC32C goes
first and goes last: what changes in this memory between the sending and the end of the MD5 is noticed, here
or by the object servers, who hold what they have received against it. It does not know where the body goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from ..common.body_sums import BodySums
from ..common.crc32c import extend
from ..common.errors import Unavailable
from ..common.pages import buffers
from ..common.partner import Partner

PIECE_BYTES = 1 << 20  # Two of them, one large page, are all the memory that it takes.


class Witness:
    """Watches one body pass; close it in any case."""

    __slots__ = ("_crc", "_digest", "_partner")

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self._crc = 0
        self._partner = Partner()

    def pieces(self, fill: Callable[[memoryview], int], size: int) -> Iterator[memoryview]:
        """Yield a body as `fill` brings it, `size` bytes at most; each piece is good until the next."""
        here, there = buffers(2, PIECE_BYTES)
        filled = PIECE_BYTES
        while filled == PIECE_BYTES:
            filled = 0
            while filled < PIECE_BYTES and (count := fill(here[filled : filled + size])):
                yield here[filled : filled + count]
                filled += count
            self._partner.wait()
            if filled:
                self._partner.begin(partial(self._take, here[:filled]))
            here, there = there, here

    def sums(self) -> BodySums:
        """Return the sums of all that has passed.

        Raises:
            Unavailable: when it changed while it was here.
        """
        self._partner.wait()
        return BodySums(self._digest.hexdigest(), self._crc)

    def close(self) -> None:
        """Let go of the thread."""
        self._partner.close()

    def _take(self, piece: memoryview) -> None:
        """Sum a piece (in the partner's thread)."""
        crc = extend(self._crc, piece)
        self._digest.update(piece)
        if extend(self._crc, piece) != crc:
            raise Unavailable("memory of this machine changed by itself in the middle of an upload")
        self._crc = crc
