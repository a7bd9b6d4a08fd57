"""Moments as S3 writes them.

A moment in an answer's Last-Modified has whole seconds, rounded up; listings must say the same, or whoever
compares them fetches an unchanged object again and again.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime


def iso(seconds: float | str) -> str:
    """Return a moment, in seconds since 1970, as documents have it."""
    whole = math.ceil(float(seconds))
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def iso_of_listing(last_modified: str) -> str:
    """Return the moment of a row of the store's listing: 2026-11-21T14:49:47.123450."""
    whole, _, fraction = last_modified.partition(".")
    if not fraction.strip("0"):
        return whole + ".000Z"
    seconds = int(whole[17:])
    if seconds < 59:  # As nearly always; a page of a thousand rows costs a third less so.
        return f"{whole[:17]}{seconds + 1:02}.000Z"
    moment = datetime.fromisoformat(last_modified).replace(tzinfo=UTC)
    return iso(moment.timestamp())


def seconds_of_listing(last_modified: str) -> float:
    """Return the moment of a row of the store's listing, in seconds since 1970."""
    return datetime.fromisoformat(last_modified).replace(tzinfo=UTC).timestamp()


def iso_of_header(last_modified: str) -> str:
    """Return the moment of a Last-Modified header."""
    moment = datetime.strptime(last_modified, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
