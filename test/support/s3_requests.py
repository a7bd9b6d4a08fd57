"""S3 requests that have come through the door, for tests of single operations.

request(app, "GET", "bucket", "key", {"versionId": "null"}) ──▶ Request, its caller in account `a`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from one_request import environ_for

from apus.common.config import parse
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.settings import S3Config

ACCOUNT = "a"


def request(
    app: Any,
    method: str,
    bucket: str | None = None,
    key: str | None = None,
    query: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    **settings: str,
) -> Request:
    """Return a request; `settings` are the filter's."""
    return Request(
        environ_for(method, "/", headers=headers, body=body),
        app,
        parse(S3Config, settings),
        account=ACCOUNT,
        bucket=bucket,
        key=key,
        query=dict(query or {}),
    )
