"""What a webhook is sent: AWS's document of one event, and the headers that go with it.

    Happening ──document()──▶ {"Records": [{"eventName": "ObjectCreated:Put", …}]}
              ──headers()──▶ X-Apus-Event-Id, Authorization, X-Apus-Signature: sha256=HMAC of the body

A message may come twice, with the same id. Sequencers of one key sort as text, in the order of its changes.
Pure.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import orjson

from .....common.timestamp import Timestamp
from .happenings import Happening
from .targets import Target

EVENT_VERSION = "2.1"
SIGNATURE = "X-Apus-Signature"
EVENT_ID = "X-Apus-Event-Id"
_WITHOUT_CONTENT = frozenset(("ObjectRemoved", "LifecycleExpiration"))


def document(happening: Happening, region: str) -> bytes:
    """Return the document that tells of one event."""
    record = {
        "eventVersion": EVENT_VERSION,
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": _time(happening.moment),
        "eventName": happening.event,
        "userIdentity": {"principalId": happening.user},
        "requestParameters": {"sourceIPAddress": happening.address},
        "responseElements": {
            "x-amz-request-id": happening.request_id,
            "x-amz-id-2": happening.request_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": happening.rule,
            "bucket": {
                "name": happening.bucket,
                "ownerIdentity": {"principalId": happening.account},
                "arn": f"arn:aws:s3:::{happening.bucket}",
            },
            "object": _object(happening),
        },
    }
    return orjson.dumps({"Records": [record]})


def headers(target: Target, event_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of a message."""
    said = {
        "Content-Type": "application/json",
        "User-Agent": "apus-container-notifier",
        EVENT_ID: event_id,
    }
    if target.authorization:
        said["Authorization"] = target.authorization
    if target.secret:
        digest = hmac.new(target.secret.encode(), body, hashlib.sha256).hexdigest()
        said[SIGNATURE] = f"sha256={digest}"
    return said


def sequencer(moment: Timestamp) -> str:
    """Return what sorts the events of one key, as text: its moment in sixteen digits, and an offset."""
    return f"{moment.ticks:016X}" + (f"{moment.offset:016X}" if moment.offset else "")


def _object(happening: Happening) -> dict[str, Any]:
    said: dict[str, Any] = {"key": quote_plus(happening.key, safe="/", errors="surrogateescape")}
    if happening.family not in _WITHOUT_CONTENT:
        if happening.size is not None:
            said["size"] = happening.size
        if happening.etag:
            said["eTag"] = happening.etag
    if happening.version_id:
        said["versionId"] = happening.version_id
    return {**said, "sequencer": sequencer(happening.moment)}


def _time(moment: Timestamp) -> str:
    said = datetime.fromtimestamp(float(moment), UTC)
    return f"{said:%Y-%m-%dT%H:%M:%S}.{said.microsecond // 1000:03d}Z"
