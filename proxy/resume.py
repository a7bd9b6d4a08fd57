"""How a download that broke off goes on from another replica.

    first answer's headers ──▶ Progress.begin() ──▶ what was promised: bytes first..last of one version
    bytes passed on        ──▶ .sent
    breaks off             ──▶ .next_range()  "bytes=SENT-LAST" ──▶ .is_continued_by(answer)?

Pure: it reads headers and counts. A multipart answer can't be resumed; begin() says None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(slots=True)
class Progress:
    """A promised piece of one version of an object, and how much of it has been passed on."""

    first: int
    last: int
    size: int
    etag: str
    timestamp: str
    sent: int = 0

    @classmethod
    def begin(cls, status: int, headers: Mapping[str, str]) -> Progress | None:
        """Return what an answer promises, or None if it can't be taken up elsewhere."""
        etag = _bare(headers.get("Etag", ""))
        timestamp = _version(headers)
        if status == 200:
            length = headers.get("Content-Length")
            if length is None:
                return None
            return cls(0, int(length) - 1, int(length), etag, timestamp)
        piece = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if status != 206 or piece is None:
            return None
        first, last, size = map(int, piece.groups())
        return cls(first, last, size, etag, timestamp)

    @property
    def remaining(self) -> int:
        """Return how many promised bytes are still owed."""
        return self.last - self.first + 1 - self.sent

    def next_range(self) -> str:
        """Return the Range header that asks for what is owed."""
        assert self.remaining > 0
        return f"bytes={self.first + self.sent}-{self.last}"

    def is_continued_by(self, status: int, headers: Mapping[str, str]) -> bool:
        """Tell whether an answer is exactly the rest of what was promised, of the same version."""
        piece = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if status != 206 or piece is None:
            return False
        if _bare(headers.get("Etag", "")) != self.etag or _version(headers) != self.timestamp:
            return False
        return tuple(map(int, piece.groups())) == (self.first + self.sent, self.last, self.size)


def _bare(etag: str) -> str:
    return etag.strip('"').lower()


def _version(headers: Mapping[str, str]) -> str:
    return headers.get("X-Backend-Data-Timestamp") or headers.get("X-Timestamp") or ""
