"""Which rows of a sorted table a listing shows: ranges, markers, and names rolled up at a delimiter.

    Query ──▶ scan(query, fetch) ──▶ rows in order, and Subdir("photos/") in place of what lies under it
                  └── fetch(Range) ──▶ an iterator of rows, sorted by name, straight from an index

Names sort by their UTF-8 bytes. `fetch` is asked again, from behind a subdir, when that holds more than a few
names: a listing costs what it shows and not what it hides. It knows neither SQLite nor columns but that
a row's first one is its name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

Row = tuple[Any, ...]
FIRST_USER_NAME = "\x01"  # Names that begin with NUL belong to the cluster's own features.
NO_LIMIT = -1
READ_OVER_MAX = 24  # Rows that are read over rather than jumped over: a jump costs about as much.


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a client may ask of a listing; `path` is the old way to say prefix and delimiter."""

    limit: int
    marker: str = ""
    end_marker: str = ""
    prefix: str = ""
    delimiter: str = ""
    path: str | None = None
    reverse: bool = False
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Names from `low` (inclusive if `low_is_in`) up to but not including `high`; "" for no end."""

    low: str
    low_is_in: bool
    high: str
    limit: int
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Subdir:
    """All names that begin alike up to a delimiter."""

    name: str


Fetch = Callable[[Range], Iterator[Row]]


def after_prefix(prefix: str) -> str:
    """Return the least name that sorts behind every name with this prefix; "" when there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index]) + 1
        if code == 0xD800:
            code = 0xE000  # Surrogates are no characters.
        if code <= 0x10FFFF:
            return prefix[:index] + chr(code)
    return ""


def scan(query: Query, fetch: Fetch) -> Iterator[Row | Subdir]:
    """Yield what the listing shows, at most `query.limit` of it."""
    prefix, delimiter = query.prefix, query.delimiter
    if query.path is not None:
        prefix, delimiter = (query.path.rstrip("/") + "/" if query.path else ""), "/"
    span = _span(query, prefix)
    if span is None:
        return iter(())
    if not delimiter:
        return fetch(span)
    whole = replace(span, limit=NO_LIMIT)  # How many rows lie under what is shown, nobody knows yet.
    shown = _one_level(whole, fetch, prefix) if query.path is not None else _rolled_up(query, whole, fetch)
    return itertools.islice(shown, query.limit)


def bounds(query: Query) -> Range | None:
    """Return the range that a query without delimiter shows whole, None when that is empty."""
    assert not query.delimiter
    assert query.path is None
    return _span(query, query.prefix)


def _span(query: Query, prefix: str) -> Range | None:
    """Return the range of names that all conditions together leave, None when they leave none."""
    marker, end = (query.end_marker, query.marker) if query.reverse else (query.marker, query.end_marker)
    low, low_is_in = (marker, False) if marker and marker >= prefix else (prefix, True)
    if not query.reserved and low < FIRST_USER_NAME:
        low, low_is_in = FIRST_USER_NAME, True
    highs = [bound for bound in (end, after_prefix(prefix)) if bound]
    high = min(highs, default="")
    if query.limit <= 0 or (high and low > high):
        return None
    return Range(low, low_is_in, high, query.limit, query.reverse)


def _rolled_up(query: Query, span: Range, fetch: Fetch) -> Iterator[Row | Subdir]:
    """Yield rows without the delimiter behind the prefix, and one Subdir for all others that begin alike."""
    last = query.end_marker if query.reverse else query.marker  # Whoever pages by subdir has seen this one.
    for row, folder in _walk(span, fetch, query.delimiter, len(query.prefix)):
        if not folder:
            yield row
        elif folder != last:
            last = folder
            yield Subdir(folder)


def _one_level(span: Range, fetch: Fetch, prefix: str) -> Iterator[Row]:
    """Yield the rows directly under a path, those whose names end in the slash included."""
    for row, folder in _walk(span, fetch, "/", len(prefix)):
        if row[0] != prefix and (not folder or row[0] == folder):
            yield row


def _walk(span: Range, fetch: Fetch, delimiter: str, offset: int) -> Iterator[tuple[Row, str]]:
    """Yield rows with the folder of each, or ""; of a folder the first row, and the one that has its name."""
    while True:
        folder, passed = "", 0
        for row in fetch(span):
            name = row[0]
            if folder and name.startswith(folder) and name != folder:
                passed += 1
                if passed > READ_OVER_MAX:
                    break
                continue
            end = name.find(delimiter, offset)
            folder, passed = (name[: end + len(delimiter)] if end >= 0 else ""), 0
            yield row, folder
        else:
            return
        span = _beyond(span, folder)
        if span.high and span.low >= span.high:
            return


def _beyond(span: Range, folder: str) -> Range:
    """Return what is left of the range behind the folder; in reverse its own name may still come."""
    if span.reverse:
        return replace(span, high=folder + "\0")
    following = after_prefix(folder)
    return (
        replace(span, low=following, low_is_in=True) if following else replace(span, low=folder, high=folder)
    )
