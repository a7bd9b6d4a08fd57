"""The body of a part, for which somebody still waits when it ends.

    wsgi.input ──▶ Awaited ──▶ the store
                     └ before the last byte is given away: require()

An upload may be completed while a part of it is still on its way. That part must not take the place of the
one that the object is made of: who stores a body has not got it whole then, and stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Awaited:
    """A body in the place of `wsgi.input`."""

    __slots__ = ("_left", "_require", "_source")

    def __init__(self, source: Any, length: str | None, require: Callable[[], object]) -> None:
        self._source = source
        self._left = int(length) if length and length.isdigit() else None
        self._require: Callable[[], object] | None = require

    @property
    def bytes_read(self) -> int:
        """How many bytes the client has sent, as far as the input knows."""
        return int(getattr(self._source, "bytes_read", 0))

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, or all that are left when it is negative; none at the end."""
        data: bytes = self._source.read(size)
        self._passed(len(data), is_end=size != 0 and (size < 0 or not data))
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Put the next bytes into a buffer; return how many, 0 at the end."""
        fill = getattr(self._source, "readinto", None)
        if fill is not None:
            count = int(fill(buffer))
        else:
            data = self._source.read(len(buffer))
            count = len(data)
            buffer[:count] = data
        self._passed(count, is_end=not count)
        return count

    def _passed(self, count: int, *, is_end: bool) -> None:
        if self._left is not None:
            self._left -= count
            is_end = is_end or self._left <= 0
        if is_end and self._require is not None:
            require, self._require = self._require, None
            require()
