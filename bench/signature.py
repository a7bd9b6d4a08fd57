"""Signatures of version 4, made with few cycles: the load client's own work is not to be measured.

    Signer(host, access key, secret) ──lines("GET", "/bucket/key", sha256)──▶ the header lines of one request

It does not know what it signs; paths and names are plain ASCII.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

REGION = "us-east-1"
EMPTY = sha256().hexdigest()
_NAMES = "host;x-amz-content-sha256;x-amz-date"


class Signer:
    """One user's; good for as long as the servers accept a date, which is a quarter of an hour."""

    def __init__(self, host: str, access_key: str, secret: str) -> None:
        self._host = host
        self._date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._scope = f"{self._date[:8]}/{REGION}/s3/aws4_request"
        key = b"AWS4" + secret.encode()
        for word in self._scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        self._key = key
        self._start = (
            f"Authorization: AWS4-HMAC-SHA256 Credential={access_key}/{self._scope}, SignedHeaders={_NAMES}"
        )

    def lines(self, method: str, path: str, payload: str = EMPTY) -> str:
        """Return what a request says besides its Host."""
        headers = f"host:{self._host}\nx-amz-content-sha256:{payload}\nx-amz-date:{self._date}\n"
        request = f"{method}\n{path}\n\n{headers}\n{_NAMES}\n{payload}"
        text = f"AWS4-HMAC-SHA256\n{self._date}\n{self._scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        return (
            f"{self._start}, Signature={signature}\r\n"
            f"x-amz-content-sha256: {payload}\r\nx-amz-date: {self._date}\r\n"
        )
