"""The agent's side of the network service: logs in, tells how the host is, fetches what it shall have.

report (JSON) ──PUT /v2.0/hosts/HOST──▶ network service ──▶ Wanted, or None: nothing new
"""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from ....common.errors import Unavailable
from ....common.identity import OwnToken
from .wanted import Wanted

TIMEOUT_SECONDS = 30.0


class NetworkService:
    """Where the networks are kept."""

    def __init__(self, url: str, own: OwnToken) -> None:
        self._url = url
        self._own = own

    def exchange(self, host: str, report: dict[str, Any]) -> Wanted | None:
        """Tell the service how the host is; return what it shall have, None where it knows that already.

        Raises:
            Unavailable: the service, or the identity service, does not answer as it should.
        """
        path = f"/v2.0/hosts/{quote(host, safe='')}"
        status, document = self._own.used(
            lambda token: _asked(self._url, "PUT", path, {"host": report}, token), lambda heard: heard[0]
        )
        if status == 204:
            return None
        if status != 200:
            raise Unavailable(f"the network service answers {status}: {document}")
        return Wanted.of(document["wanted"])


def _asked(url: str, method: str, path: str, document: Any, token: str) -> tuple[int, Any]:
    """Return status and document of the answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            method,
            parts.path.rstrip("/") + path,
            orjson.dumps(document),
            {"Content-Type": "application/json", "X-Auth-Token": token},
        )
        response = connection.getresponse()
        body = response.read()
        return response.status, orjson.loads(body) if body else None
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as problem:
        raise Unavailable(f"{url} does not answer: {problem}") from problem
    finally:
        connection.close()
