"""What a Range header asks of a body of known length.

    "bytes=0-99,500-", 1000 ──▶ choose() ──▶ [(0, 100), (500, 1000)]   206, half-open pairs
                                         ├─▶ []                        416, none can be satisfied, or abuse
                                         └─▶ None                      200, no header or one to be ignored

The limits against abuse are stock Swift's: 50 ranges, 2 overlaps, 8 ranges out of order. `Multipart`
lays out the answer to several ranges; it knows the lengths, not the bytes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

RANGES_MAX = 50
OVERLAPS_MAX = 2
UNORDERED_MAX = 8
_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)
_DIGITS_MAX = 18  # More cannot be a position in any object, and int() of a line of digits is slow.
Span = tuple[int, int]


def choose(header: str | None, length: int) -> list[Span] | None:
    """Return the spans to send, [] when that cannot be done, None to send everything."""
    specs = _parse(header) if header else None
    if specs is None:
        return None
    spans = [span for spec in specs if (span := _resolve(spec, length)) is not None]
    if not spans and not length and any(first is None and last for first, last in specs):
        return None  # "The last n bytes" of nothing is nothing: 200, as stock Swift and nginx answer.
    return [] if len(spans) > RANGES_MAX or _is_abuse(spans) else spans


def _parse(header: str) -> list[tuple[int | None, int | None]] | None:
    """Return (first, last) pairs, or None when any of it is malformed."""
    unit, equals, rest = header.replace(" ", "").partition("=")
    if unit.lower() != "bytes" or not equals:
        return None
    specs: list[tuple[int | None, int | None]] = []
    for text in rest.split(","):
        match = _SPEC.fullmatch(text)
        if match is None or text == "-":
            return None
        first, last = (_number(digits) for digits in match.groups())
        if first is not None and last is not None and last < first:
            return None
        specs.append((first, last))
    return specs


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX


def _resolve(spec: tuple[int | None, int | None], length: int) -> Span | None:
    first, last = spec
    if first is None:
        assert last is not None
        return (max(0, length - last), length) if last and length else None
    if first >= length:
        return None
    return first, length if last is None else min(last + 1, length)


def _is_abuse(spans: Sequence[Span]) -> bool:
    overlaps = sum(
        left[0] < right[0] < left[1]
        or left[0] < right[1] < left[1]
        or right[0] < left[0] < right[1]
        or right[0] < left[1] < right[1]
        for left, right in itertools.combinations(spans, 2)
    )
    ordered = all(left[0] <= right[0] for left, right in itertools.pairwise(spans))
    return overlaps > OVERLAPS_MAX or (not ordered and len(spans) >= UNORDERED_MAX)


def content_range(span: Span, length: int) -> str:
    """Return the Content-Range of one span."""
    return f"bytes {span[0]}-{span[1] - 1}/{length}"


@dataclass(frozen=True, slots=True)
class Multipart:
    """The frame of a multipart/byteranges body."""

    spans: Sequence[Span]
    length: int
    content_type: str
    boundary: str

    @property
    def header(self) -> str:
        """The Content-Type of the answer."""
        return f"multipart/byteranges;boundary={self.boundary}"

    def opening(self, span: Span) -> bytes:
        """Return what goes before the bytes of a span."""
        lines = (
            f"--{self.boundary}",
            f"Content-Type: {self.content_type}",
            f"Content-Range: {content_range(span, self.length)}",
            "",
            "",
        )
        return "\r\n".join(lines).encode("latin-1")

    @property
    def closing(self) -> bytes:
        """What ends the body."""
        return f"--{self.boundary}--".encode("ascii")

    @property
    def content_length(self) -> int:
        """The length of the whole frame with its bytes."""
        framed = sum(len(self.opening(span)) + span[1] - span[0] + 2 for span in self.spans)
        return framed + len(self.closing)
