"""Sizes, spans and instants as people write them, and back.

"64M" ──▶ 67108864 ──▶ "64.0 MiB"      "1d" ──▶ 86400.0      "1700000000.25" ──▶ nanoseconds
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from ...common.errors import Refused

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([BKMGT]?)(?:i?B)?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|hr|d|w)?")
_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400, "w": 7 * 86400}
_POWERS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size_of(text: str) -> int:
    """Return how many bytes are meant: 5000, 64K, 64M, 5G; units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise Refused(f"{text!r} is not a size; write bytes, or a number with K, M, G or T")
    return int(Decimal(match[1]) * 1024 ** _POWERS[match[2].upper()])


def span_of(text: str) -> float:
    """Return how many seconds are meant: 90, 90s, 15m, 2h, 1d, 1w."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise Refused(f"{text!r} is not a span of time; write seconds, or a number with s, m, h, d or w")
    return float(match[1]) * _UNIT_SECONDS[match[2] or "s"]


def human(size: float) -> str:
    """Return a size for people: 312 B, 1.4 KiB, 20.0 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"


def short(size: float) -> str:
    """Return a size as `ls -lh` and `swift list --lh` write it: 312, 1.4K, 20M."""
    if size < 1024:
        return f"{size:.0f}"
    power = 0
    while size >= 1024 and power < 5:
        size /= 1024
        power += 1
    unit = "_KMGTP"[power]
    return f"{size:.1f}{unit}" if size < 10 else f"{size:.0f}{unit}"


def instant_written(seconds: float) -> str:
    """Return a file's `st_mtime` as X-Object-Meta-Mtime carries it.

    Rounded from the float, as `swift` does it: the text is part of the segments' names, by which either
    command finds what the other sent, and one cut from `st_mtime_ns` differs by a microsecond now and then.
    """
    return f"{seconds:f}"


def instant_read(text: str | None) -> int | None:
    """Return the nanoseconds that X-Object-Meta-Mtime means; None where it means nothing."""
    try:
        seconds = Decimal(text or "")
    except InvalidOperation:
        return None
    if not seconds.is_finite() or abs(seconds) >= 1 << 33:
        return None
    return int(seconds * 1_000_000_000)
