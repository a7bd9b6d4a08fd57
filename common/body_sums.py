"""What one of our processes has found out of a body that it passes on, so that the next need not.

    proxy ── PUT, Expect: 100-continue, X-Apus-Sums: 1 ──▶ object server
          ◀── 100 Continue, X-Apus-Sums: 1 ──                │ without this line there is no footer
          ── body of Content-Length bytes, footer ──▶        ▼ believes the MD5 if the CRC32C is its own's

Where either side does not know the header nothing is different from stock Swift's PUT. Offer and consent are
for one request on one connection. Pure: bytes and values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = "X-Apus-Sums"
VERSION = "1"
OFFER = {HEADER: VERSION}
FOOTER_BYTES = 42
BODY_BYTES_MIN = 1 << 20  # For less an MD5 is cheaper than the agreement.

_FOOTER = re.compile(rb"([0-9a-f]{32}) ([0-9a-f]{8})\n")


@dataclass(frozen=True, slots=True)
class BodySums:
    """The sums of a whole body."""

    md5: str
    crc32c: int

    def encode(self) -> bytes:
        """Return the footer."""
        footer = f"{self.md5} {self.crc32c:08x}\n".encode("ascii")
        assert len(footer) == FOOTER_BYTES
        return footer

    @classmethod
    def decode(cls, footer: bytes) -> BodySums | None:
        """Return what a footer says; None where it is none."""
        match = _FOOTER.fullmatch(footer)
        return None if match is None else cls(match[1].decode("ascii"), int(match[2], 16))
