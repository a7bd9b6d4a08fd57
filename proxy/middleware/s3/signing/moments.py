"""When a request says that it was signed.

    x-amz-date, else Date ──▶ signed_at() ──▶ seconds since 1970 ──▶ require_recent()

No clock here: what time it is comes in.
"""

from __future__ import annotations

import calendar
import re
import time
from email.utils import parsedate_tz
from functools import lru_cache

from .....common.http.wsgi import Environ
from ..errors import S3Error

_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)


@lru_cache(maxsize=256)
def compact_moment(text: str) -> int | None:
    """Return the second that `20261121T145500Z` is; None where it is none, or before 1970."""
    match = _COMPACT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    if not (
        year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61
    ):
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


@lru_cache(maxsize=256)
def compact(moment: int) -> str:
    """Return the second as `20261121T145500Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def readable(moment: float) -> str:
    """Return the second as `2026-11-21T14:55:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


@lru_cache(maxsize=256)
def _moment(text: str) -> int | None:
    known = compact_moment(text)
    if known is not None:
        return known
    try:
        parsed = parsedate_tz(text)
        if parsed is None:
            return None
        moment = calendar.timegm((*parsed[:6], 0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):  # It is less careful than it seems.
        return None
    return moment if moment >= 0 else None


def signed_at(environ: Environ) -> int:
    """Return when a request with a signature in its header was signed.

    Raises:
        S3Error: AccessDenied where it does not say so.
    """
    text = environ.get("HTTP_X_AMZ_DATE") or environ.get("HTTP_DATE")
    moment = _moment(text) if text else None
    if moment is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return moment


def require_recent(moment: int, now: float, skew_seconds_max: int) -> None:
    """Refuse a request that was signed too long ago, or is yet to be signed."""
    if abs(now - moment) > skew_seconds_max:
        raise S3Error(
            "RequestTimeTooSkewed",
            RequestTime=compact(moment),
            ServerTime=readable(now),
            MaxAllowedSkewMilliseconds=skew_seconds_max * 1000,
        )


def require_running(
    begins: int, ends: float, now: float, *, skew_seconds_max: int, lasts: int | None = None
) -> None:
    """Refuse a signature that is good for some time, before and after that."""
    if now > ends:
        said = {} if lasts is None else {"X-Amz-Expires": str(lasts)}
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            headers=None,
            **said,
            Expires=readable(ends),
            ServerTime=readable(now),
        )
    if begins > now + skew_seconds_max:
        raise S3Error("AccessDenied", "Request is not valid yet", ServerTime=readable(now))
