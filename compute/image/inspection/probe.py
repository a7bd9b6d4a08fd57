"""A bounded look into a file of known size, and what a look may find.

    Probe.read(start, length) ──▶ bytes, fewer at the file's end      TooFar when somebody looks too much

It does not know where the bytes are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ....common.errors import ApusError

READ_BYTES_MAX = 4 * 1024 * 1024
"""All that one inspection may read: headers and tables are far smaller, however large the disk."""


class TooFar(ApusError):
    """A format's tables are larger than any program makes them."""


@dataclass(slots=True)
class Probe:
    """Random access to a file, with an end to patience."""

    size: int
    """Bytes of the file."""
    fetch: Callable[[int, int], bytes]
    """Returns the bytes at (start, length); both lie within the file."""
    left: int = field(default=READ_BYTES_MAX)

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from start, fewer where the file ends before.

        Raises:
            TooFar: more has been read than any honest file makes necessary.
        """
        assert start >= 0
        assert length >= 0
        length = min(length, max(0, self.size - start))
        self.left -= length
        if self.left < 0:
            raise TooFar(f"its tables take more than {READ_BYTES_MAX} bytes")
        return self.fetch(start, length) if length else b""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one format's inspector says of a file that looks like its own."""

    format: str
    virtual_size: int
    """Bytes of the disk that a guest sees."""
    dangers: tuple[str, ...] = ()
    """Why it must not be used, each as the end of a sentence that begins with "it"."""


def of_bytes(data: bytes) -> Probe:
    """Return a probe of bytes in memory."""
    return Probe(len(data), lambda start, length: data[start : start + length])
