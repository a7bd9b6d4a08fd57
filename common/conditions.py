"""Whether a read goes ahead under its conditional headers.

    Conditions, ETag, moment ──▶ judge() ──▶ None   go on
                                         ├─▶ 304    the reader has it already
                                         └─▶ 412    the reader wants another one

The precedence is RFC 7232's: If-Match before If-Unmodified-Since, If-None-Match before If-Modified-Since.
Moments compare in whole seconds, rounded up, as Last-Modified shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from .timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditional headers of a read as they came, None where absent."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None


NONE = Conditions()


def judge(conditions: Conditions, etag: str, moment: Timestamp) -> int | None:
    """Return the status that ends the read, or None."""
    if conditions.if_match is not None:
        if not matches(conditions.if_match, etag):
            return 412
    elif (limit := seconds(conditions.if_unmodified_since)) is not None and moment.ceil_seconds > limit:
        return 412
    if conditions.if_none_match is not None:
        return 304 if matches(conditions.if_none_match, etag) else None
    limit = seconds(conditions.if_modified_since)
    return 304 if limit is not None and moment.ceil_seconds <= limit else None


def judge_absent(conditions: Conditions) -> int:
    """Return the status for an object that is not there: `If-Match: *` asks that it be."""
    return 412 if conditions.if_match is not None and "*" in tags(conditions.if_match) else 404


def range_holds(if_range: str | None, etag: str, moment: Timestamp) -> bool:
    """Whether a Range header counts under this If-Range."""
    if if_range is None:
        return True
    if (limit := seconds(if_range)) is not None:
        return moment.ceil_seconds == limit
    return not if_range.strip().startswith("W/") and normalized(if_range) == normalized(etag)


def matches(header: str, etag: str) -> bool:
    """Whether a list of tags names this one; quotes and weakness do not matter."""
    wanted = tags(header)
    return "*" in wanted or normalized(etag) in wanted


def tags(header: str) -> set[str]:
    """Return the tags of a list without their quotes."""
    return {normalized(tag) for tag in header.split(",") if tag.strip()}


def normalized(tag: str) -> str:
    """Return a tag without white space, weakness mark and quotes."""
    tag = tag.strip().removeprefix("W/")
    return tag[1:-1] if len(tag) > 1 and tag[0] == tag[-1] == '"' else tag


def seconds(date: str | None) -> int | None:
    """Return an HTTP date in seconds since the epoch; None when there is none or it is malformed."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError, IndexError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def from_headers(environ: Mapping[str, str]) -> Conditions:
    """Return the conditions in a WSGI environ; the common case, none at all, is cheap."""
    match, none_match = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    modified, unmodified = environ.get("HTTP_IF_MODIFIED_SINCE"), environ.get("HTTP_IF_UNMODIFIED_SINCE")
    if match is None and none_match is None and modified is None and unmodified is None:
        return NONE
    return Conditions(match, none_match, modified, unmodified)
