"""Requests to the identity service, over a connection of their own each.

ask("GET", "http://HOST:5000/v3", headers) ──▶ Heard(status, headers, body), or Unavailable
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import Unavailable

ANSWER_BYTES_MAX = 64 << 20
ANSWER_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    seconds: float = ANSWER_SECONDS_MAX,
) -> Heard:
    """Return what is answered, whatever that is.

    Raises:
        Unavailable: when nothing is.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.netloc, timeout=seconds, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
        try:
            connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Heard(answer.status, said, answer.read(ANSWER_BYTES_MAX))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"the identity service cannot be asked: {problem}") from problem
