"""Requests as Amazon's own library signs them, and as our HTTP engine then hands them to a filter."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from apus.common.http.environ import environ_of
from apus.proxy.middleware.access_keys import Secret

ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
HOST = "store.example:8080"


class KnownSecrets:
    """One user, or those given."""

    def __init__(self, secrets: Mapping[str, Secret] | None = None) -> None:
        self.secrets = secrets or {ACCESS_KEY: Secret(SECRET_KEY, "AUTH_test", "tester")}

    def s3_secret(self, access_key: str) -> Secret | None:
        return self.secrets.get(access_key)


def _signer(kind: str, credentials: Credentials, region: str, expires: int) -> Any:
    if kind == "v4":
        return S3SigV4Auth(credentials, "s3", region)
    if kind == "v4-query":
        return S3SigV4QueryAuth(credentials, "s3", region, expires=expires)
    if kind == "v2":
        return HmacV1Auth(credentials)
    assert kind == "v2-query"
    return HmacV1QueryAuth(credentials, expires=expires)


def signed(
    kind: str,
    method: str = "GET",
    target: str = "/bkt/key",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    token: str | None = None,
    region: str = "us-east-1",
    expires: int = 900,
    host: str = HOST,
    auth_path: str | None = None,
) -> dict[str, Any]:
    """Return the environ of a signed request; `target` is percent-encoded, as it is sent."""
    request = AWSRequest(method=method, url=f"http://{host}{target}", data=body, headers=dict(headers or {}))
    if auth_path is not None:
        request.auth_path = auth_path
    request.context["client_config"] = None
    _signer(kind, Credentials(access_key, secret_key, token), region, expires).add_auth(request)
    parts = urlsplit(request.url)
    sent = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return received(method, sent, {"Host": host, **dict(request.headers.items())}, body)


def received(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> dict[str, Any]:
    """Return what the engine makes of a request."""
    if body and "Transfer-Encoding" not in headers:
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    base: dict[str, Any] = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080"}
    environ, _ = environ_of("\r\n".join(lines).encode("utf-8"), base, 100)
    environ["wsgi.input"] = io.BytesIO(body)
    return environ
