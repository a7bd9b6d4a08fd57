"""The moment a change was made, as the whole cluster orders changes by it.

    proxy's clock ──▶ Timestamp ──▶ X-Timestamp, file names, database rows ──▶ newest wins

A timestamp counts ten-microsecond ticks since the epoch; an internal offset orders changes that the
cluster itself makes to an object of the same moment. The text forms are OpenStack Swift's:
`1700000000.12345` and, with an offset, `1700000000.12345_00000000000000ab`.

It does not know where time comes from: only `now()` reads a clock, and only rims call it.
"""

from __future__ import annotations

import functools
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime

TICKS_PER_SECOND = 100_000
TICKS_MAX = 10_000_000_000 * TICKS_PER_SECOND  # Ten digits of seconds: the file names must sort as text.
_FORM = re.compile(r"(\d{1,10})(?:\.(\d{1,9}))?(?:_([0-9a-fA-F]{1,16}))?", re.ASCII)
_CANONICAL_LENGTH = 16
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # Not strftime's, which follow the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TWO_DIGITS = tuple(f"{number:02d}" for number in range(60))
_TRIPLE_MARK = re.compile(r"(?=[+-])")


@dataclass(frozen=True, slots=True, init=False)
class Timestamp:
    """A moment in ticks of 10 µs, and an offset that orders internal changes of that same moment."""

    ticks: int
    offset: int

    def __init__(self, ticks: int, offset: int = 0) -> None:
        """Refuse what the text forms cannot carry."""
        if not 0 <= ticks < TICKS_MAX or offset < 0:
            raise ValueError(f"timestamp out of range: {ticks} ticks, offset {offset}")
        _set_ticks(self, ticks)
        _set_offset(self, offset)

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Read any of the text forms; raise ValueError with the text when it is none of them."""
        if len(text) == _CANONICAL_LENGTH and text[10] == "." and text.isascii():
            digits = text[:10] + text[11:]
            if digits.isdigit():  # So few digits are within bounds.
                moment = _bare(cls)
                _set_ticks(moment, int(digits))
                _set_offset(moment, 0)
                return moment
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"not a timestamp: {text!r}")
        whole, fraction, offset = match.groups()
        ticks = int(whole) * TICKS_PER_SECOND + round(int((fraction or "0").ljust(9, "0")) / 10_000)
        return cls(ticks, int(offset or "0", 16))

    @classmethod
    def of(cls, seconds: float, offset: int = 0) -> Timestamp:
        """Return the moment `seconds` after the epoch, to the nearest tick."""
        return cls(round(seconds * TICKS_PER_SECOND), offset)

    @property
    def normal(self) -> str:
        """The sixteen characters that stock Swift writes: `1700000000.12345`."""
        digits = str(self.ticks).zfill(_CANONICAL_LENGTH - 1)  # A third of what two padded numbers cost.
        return f"{digits[:-5]}.{digits[-5:]}"

    @property
    def internal(self) -> str:
        """The normal form, and the offset where there is one: what file names and X-Timestamp carry."""
        return f"{self.normal}_{self.offset:016x}" if self.offset else self.normal

    @property
    def short(self) -> str:
        """Like `internal`, with an unpadded offset: what container rows carry."""
        return f"{self.normal}_{self.offset:x}" if self.offset else self.normal

    @property
    def isoformat(self) -> str:
        """`2023-11-14T22:13:20.123450`, as JSON listings show it: six digits, no zone."""
        moment = datetime.fromtimestamp(self.ticks // TICKS_PER_SECOND, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self.ticks % TICKS_PER_SECOND:05d}0"

    @property
    def ceil_seconds(self) -> int:
        """Whole seconds, rounded up: Last-Modified must never be before the change."""
        return -(-self.ticks // TICKS_PER_SECOND)

    @property
    def http_date(self) -> str:
        """The RFC 7231 date of `ceil_seconds`."""
        days, second = divmod(self.ceil_seconds, 86400)
        hour, second = divmod(second, 3600)
        two = _TWO_DIGITS
        return f"{_http_day(days)} {two[hour]}:{two[second // 60]}:{two[second % 60]} GMT"

    def later(self, ticks: int) -> Timestamp:
        """Return the moment `ticks` after this one (before it when negative), without offset."""
        return Timestamp(self.ticks + ticks)

    def __float__(self) -> float:
        return self.ticks / TICKS_PER_SECOND

    def __lt__(self, other: Timestamp) -> bool:
        return (self.ticks, self.offset) < (other.ticks, other.offset)

    def __le__(self, other: Timestamp) -> bool:
        return (self.ticks, self.offset) <= (other.ticks, other.offset)

    def __gt__(self, other: Timestamp) -> bool:
        return (self.ticks, self.offset) > (other.ticks, other.offset)

    def __ge__(self, other: Timestamp) -> bool:
        return (self.ticks, self.offset) >= (other.ticks, other.offset)

    def __str__(self) -> str:
        return self.internal


# Every request makes some; by these they are set in half the time that a frozen dataclass's own way takes.
_bare = object.__new__
_set_ticks = Timestamp.__dict__["ticks"].__set__
_set_offset = Timestamp.__dict__["offset"].__set__


@functools.lru_cache(maxsize=256)
def _http_day(days: int) -> str:
    """Return the beginning of an HTTP date, so many days after the epoch."""
    year, month, day, _, _, _, weekday, *_ = time.gmtime(days * 86400)
    return f"{_WEEKDAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year:04d}"


ZERO = Timestamp(0)


def now() -> Timestamp:
    """Read the clock."""
    return Timestamp(time.time_ns() // 10_000)


def encode_triple(data: Timestamp, content_type: Timestamp, meta: Timestamp) -> str:
    """Return the three moments of an object as one container row column holds them.

    The form is Swift's: the data's timestamp, then each next one as a signed hex distance in ticks
    from the one before it. Where both distances are zero they are left out.
    """
    if data.ticks == content_type.ticks == meta.ticks:
        return data.short
    return f"{data.short}{content_type.ticks - data.ticks:+x}{meta.ticks - content_type.ticks:+x}"


def decode_triple(text: str) -> tuple[Timestamp, Timestamp, Timestamp]:
    """Return (data, content_type, meta) from a row's column; the inverse of `encode_triple`."""
    first, *distances = _TRIPLE_MARK.split(text)
    data = Timestamp.parse(first)
    if len(distances) > 2:
        raise ValueError(f"not a row timestamp: {text!r}")
    content_type = data.later(int(distances[0], 16)) if distances and int(distances[0], 16) else data
    meta = content_type
    if len(distances) == 2 and int(distances[1], 16):
        meta = content_type.later(int(distances[1], 16))
    return data, content_type, meta
