"""One line of the log: a request in the words of Amazon's server access log format.

    Entry ──line()──▶ account bucket [21/Nov/2026:17:38:56 +0000] 192.0.2.3 test:tester tx… REST.GET.OBJECT …

Twenty-six fields with a blank between them; what is not known is `-`. Fields that clients write are encoded
so that none of them ends a field or a line. Pure.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import quote

NOTHING = "-"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_unsafe_in_quotes = re.compile(r"[^ !#-~]")
_unsafe = re.compile(r"[^!#-~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A request that has been answered; the fields are in the line's order."""

    owner: str
    bucket: str
    moment: float
    """When it came, in seconds since 1970."""
    remote_address: str
    requester: str | None
    request_id: str
    operation: str
    key: str | None
    request_line: str | None
    """Method, path and query as they came, and the protocol."""
    status: int
    error_code: str | None
    bytes_sent: int
    object_size: int | None
    total_milliseconds: int
    turn_around_milliseconds: int | None
    referer: str | None
    user_agent: str | None
    version_id: str | None
    host_id: str
    signature_version: str | None
    cipher_suite: str | None = None
    authentication_type: str | None
    host: str | None
    tls_version: str | None = None
    access_point: str | None = None
    acl_required: bool = False


def line(entry: Entry) -> str:
    """Return the line, without a line feed; it is ASCII."""
    return " ".join(
        (
            _plain(entry.owner),
            _plain(entry.bucket),
            _time(entry.moment),
            _plain(entry.remote_address),
            _plain(entry.requester),
            _plain(entry.request_id),
            _plain(entry.operation),
            NOTHING if entry.key is None else quote(entry.key, safe="/", errors="surrogateescape"),
            NOTHING if entry.request_line is None else _quoted(entry.request_line),
            str(entry.status),
            _plain(entry.error_code),
            str(entry.bytes_sent or NOTHING),
            NOTHING if entry.object_size is None else str(entry.object_size),
            str(entry.total_milliseconds),
            NOTHING if entry.turn_around_milliseconds is None else str(entry.turn_around_milliseconds),
            _quoted(entry.referer or NOTHING),
            _quoted(entry.user_agent or NOTHING),
            _plain(entry.version_id),
            _plain(entry.host_id),
            _plain(entry.signature_version),
            _plain(entry.cipher_suite),
            _plain(entry.authentication_type),
            _plain(entry.host),
            _plain(entry.tls_version),
            _plain(entry.access_point),
            "Yes" if entry.acl_required else NOTHING,
        )
    )


def _time(moment: float) -> str:
    at = time.gmtime(moment)
    return (
        f"[{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year:04}"
        f":{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000]"
    )


def _plain(text: str | None) -> str:
    return _unsafe.sub(_encoded, text) if text else NOTHING


def _quoted(text: str) -> str:
    return f'"{_unsafe_in_quotes.sub(_encoded, text)}"'


def _encoded(match: re.Match[str]) -> str:
    return quote(match[0], safe="", errors="surrogateescape")
