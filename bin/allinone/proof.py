"""Uploads an object, reads it back and removes it: the proof that a cluster that is up also works.

    endpoint, user ──▶ auth ──▶ PUT container, PUT object ──▶ GET, compare ──▶ DELETE both

It uses the public API only, as anybody would.
"""

from __future__ import annotations

import http.client
import secrets
from urllib.parse import urlsplit

from ...common.errors import ApusError

CONTAINER = "apus-proof"
SIZE_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 120


class ProofFailed(ApusError):
    """The store answered, and not as it should."""


def prove(endpoint: str, user: str, key: str) -> int:
    """Return how many bytes came back as they were sent."""
    account, token = authenticate(endpoint, user, key)
    path = f"{account}/{CONTAINER}"
    name = f"{path}/{secrets.token_hex(8)}"
    content = secrets.token_bytes(SIZE_BYTES)
    _ask(endpoint, "PUT", path, token, expected=(201, 202))
    _ask(endpoint, "PUT", name, token, body=content, expected=(201,))
    returned = _ask(endpoint, "GET", name, token, expected=(200,))
    if returned != content:
        raise ProofFailed(f"{len(content)} bytes were stored and {len(returned)} other ones came back")
    _ask(endpoint, "DELETE", name, token, expected=(204, 404))
    _ask(endpoint, "DELETE", path, token, expected=(204, 404, 409))
    return len(content)


def authenticate(endpoint: str, user: str, key: str) -> tuple[str, str]:
    """Return the path of the user's account and a token."""
    connection = _connect(endpoint)
    try:
        connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 204):
            raise ProofFailed(f"user {user} could not log in: {answer.status} {answer.reason}")
        return urlsplit(answer.headers["X-Storage-Url"]).path, answer.headers["X-Auth-Token"]
    except (OSError, http.client.HTTPException) as problem:
        raise ProofFailed(f"logging in at {endpoint} failed: {problem}") from problem
    finally:
        connection.close()


def _ask(
    endpoint: str, method: str, path: str, token: str, *, expected: tuple[int, ...], body: bytes | None = None
) -> bytes:
    connection = _connect(endpoint)
    try:
        connection.request(method, path, body=body, headers={"X-Auth-Token": token})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise ProofFailed(f"{method} {path} failed: {problem}") from problem
    finally:
        connection.close()
    if answer.status not in expected:
        raise ProofFailed(f"{method} {path} was answered {answer.status} {answer.reason}: {content[:200]!r}")
    return content


def _connect(endpoint: str) -> http.client.HTTPConnection:
    place = urlsplit(endpoint)
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=_TIMEOUT_SECONDS)
