"""Signed S3 requests as bytes, and what comes back: for what no client library would send.

head(s3, "PUT", "/b/k", payload=sha256(body)) ──▶ headers, signed ──raw(…)──▶ bytes ──sent(…)──▶ Raw
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rawsocket import Raw, exchange
from s3 import REGION, S3Front
from store import KEYS

USER = "test:tester"
PROBE = b"GET /healthcheck HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def sha256(body: bytes) -> str:
    """Return the digest that a header says."""
    return hashlib.sha256(body).hexdigest()


def md5(body: bytes) -> str:
    """Return what Content-MD5 says of a body."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def head(
    s3: S3Front, method: str, target: str, *, payload: str, headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers of a signed request, whatever its body will be."""
    request = AWSRequest(method, f"{s3.endpoint}{target}", headers=dict(headers or {}))
    request.headers["Host"] = s3.endpoint.removeprefix("http://")
    request.headers["X-Amz-Content-SHA256"] = payload
    request.context["payload_signing_enabled"] = True
    signer = S3SigV4Auth(Credentials(USER, KEYS[USER]), "s3", REGION)
    signer.payload = lambda _request: payload
    signer.add_auth(request)
    return {
        name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }


def raw(
    method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, length: int | None = None
) -> bytes:
    """Return a request; `length` is what it says of its body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    size = len(body) if length is None else length
    return f"{method} {target} HTTP/1.1\r\n{lines}Content-Length: {size}\r\n\r\n".encode() + body


def signed(
    s3: S3Front,
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    length: int | None = None,
) -> bytes:
    """Return a request that is right, with the digest of its body."""
    made = head(s3, method, target, payload=sha256(body), headers=headers)
    return raw(method, target, made, body, length=length)


def code(answer: Raw) -> str:
    """Return the code of the first error that was answered."""
    found = re.search(rb"<Code>(\w+)</Code>", answer.content)
    return found[1].decode() if found else ""


def refused(s3: S3Front, *requests: bytes) -> Raw:
    """Send requests that must be refused, and a last one that must not be taken for anything else.

    The connection is in order: the last request is answered as itself, or the answer before says that it ends.
    """
    answer = exchange(s3.store.address, *requests, PROBE, silence_seconds=5)
    finals = [status for status in answer.statuses if status >= 200]
    assert finals, answer
    assert answer.closed, answer
    assert all(400 <= status < 500 or status == 501 for status in finals[: len(requests)]), answer.content
    if len(finals) == len(requests) + 1:
        assert finals[-1] == 200, answer.content
    else:
        assert len(finals) <= len(requests), answer.content
        assert b"\r\nconnection: close\r\n" in answer.content.lower(), answer.content
    return answer
