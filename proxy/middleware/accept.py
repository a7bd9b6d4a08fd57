"""Which form of a document a client wants, from its Accept header.

    "text/*;q=0.5, application/json" ──▶ best_match(header, offered) ──▶ "application/json", or None

The parser reads each character a bounded number of times: a header of any shape costs time linear in
its length (CVE-2026-71190 was a pattern that did not). It does not know listings or requests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = r"[^()<>@,;:\\\"/\[\]?={}\x00-\x20\x7f]+"  # noqa: S105 - RFC 7231's word for a name.
_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})\s*=\s*({_TOKEN}|"(?:[^"\\]|\\.)*")')
_END = re.compile(r"\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header."""

    type: str
    subtype: str
    quality: float

    @property
    def is_exact(self) -> bool:
        """Whether it names one media type."""
        return "*" not in (self.type, self.subtype)

    def covers(self, offered: str) -> bool:
        """Whether an offered media type falls into the range."""
        kind, _, subkind = offered.partition("/")
        return self.type in ("*", kind) and self.subtype in ("*", subkind)


def parse_accept(header: str) -> list[MediaRange]:
    """Return the elements in their order; ValueError when the header is malformed."""
    ranges: list[MediaRange] = []
    position = 0
    while position < len(header):
        match = _RANGE.match(header, position)
        if match is None:
            raise ValueError("Invalid Accept header")
        kind, subkind = match.groups()
        position = match.end()
        quality: float | None = None
        while (parameter := _PARAMETER.match(header, position)) is not None:
            position = parameter.end()
            if parameter[1] == "q":
                if quality is not None:
                    raise ValueError("Invalid Accept header: more than one q")
                quality = _quality(parameter[2])
        end = _END.match(header, position)
        if end is None:
            raise ValueError("Invalid Accept header")
        position = end.end()
        ranges.append(MediaRange(kind, subkind, 1.0 if quality is None else quality))
    if header.rstrip().endswith(","):
        raise ValueError("Invalid Accept header")
    return ranges


def best_match(header: str, offered: Sequence[str]) -> str | None:
    """Return the offered media type that the client likes best, or None when it accepts none of them.

    Without a header the first is best. Among equal qualities exact types go before wildcards, and
    then what the client named first. A type with quality zero is refused even where a wildcard covers it.
    """
    ranges = parse_accept(header) if header.strip() else []
    if not ranges:
        return offered[0]
    refused = {f"{r.type}/{r.subtype}" for r in ranges if r.is_exact and not r.quality}
    wanted = [r for r in ranges if r.quality]
    for media_range in sorted(wanted, key=lambda r: (r.quality, r.is_exact), reverse=True):
        for candidate in offered:
            if candidate not in refused and media_range.covers(candidate):
                return candidate
    return None


def _quality(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError("Invalid Accept header: q out of range")
    return value
