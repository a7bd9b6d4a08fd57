"""The lock of one version: GET and PUT of ?retention and ?legal-hold.

    PUT ──▶ may it become that? ──▶ a POST that says all of the version's metadata again, with another lock

What a lock forbids is locks.py's to say, and locking.py's to enforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from .....common.http.answer import Answer
from .. import tagging
from ..answers import xml_answer
from ..errors import S3Error, from_swift
from ..request import Request
from ..xml import element
from . import leave, locks
from .bucket_facts import Operation
from .locking import BYTES_MAX, bypasses, is_locking
from .locks import Lock


def get_retention(request: Request) -> Answer:
    """GetObjectRetention."""
    lock = _lock_shown(request)
    if lock.until is None:
        raise S3Error("NoSuchObjectLockConfiguration")
    until = element("RetainUntilDate", locks.iso(lock.until))
    return xml_answer(element("Retention", element("Mode", lock.mode), until))


def put_retention(request: Request) -> Answer:
    """PutObjectRetention."""
    now = datetime.now(UTC)
    mode, until = locks.retention_of(request.xml("Retention", BYTES_MAX), now)
    _require_locking(request)
    leave.require(request, "POST")
    assert request.key is not None
    may_bypass = bypasses(request, request.key)

    def decide(headers: Mapping[str, str]) -> Mapping[str, str]:
        lock = locks.stored(headers)
        if lock.refuses_change(mode, until, now, bypasses=may_bypass):
            raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")
        return locks.kept(Lock(mode, until, lock.is_held))

    tagging.changed(request, decide)
    return Answer(200)


def get_legal_hold(request: Request) -> Answer:
    """GetObjectLegalHold."""
    _require_locking(request)
    headers = tagging.found(request, trusted=False).headers
    if locks.HOLD not in headers:
        raise S3Error("NoSuchObjectLockConfiguration")
    return xml_answer(element("LegalHold", element("Status", headers[locks.HOLD])))


def put_legal_hold(request: Request) -> Answer:
    """PutObjectLegalHold."""
    is_held = locks.hold_of(request.xml("LegalHold", BYTES_MAX))
    _require_locking(request)
    leave.require(request, "POST")

    def decide(headers: Mapping[str, str]) -> Mapping[str, str]:
        lock = locks.stored(headers)
        return locks.kept(Lock(lock.mode, lock.until, is_held))

    tagging.changed(request, decide)
    return Answer(200)


def _lock_shown(request: Request) -> Lock:
    _require_locking(request)
    return locks.stored(tagging.found(request, trusted=False).headers)


def _require_locking(request: Request) -> None:
    info = request.container()
    if not info.exists:
        raise from_swift(info.status or 503, request)
    if not is_locking(info):
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("object", "GET", "retention"): get_retention,
    ("object", "PUT", "retention"): put_retention,
    ("object", "GET", "legal-hold"): get_legal_hold,
    ("object", "PUT", "legal-hold"): put_legal_hold,
}
