"""The agent's side of the network service: logs in, tells how the host is, fetches what it shall have.

report (JSON) ──PUT /v2.0/hosts/HOST──▶ network service ──▶ Wanted, or None: nothing new
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from ....common.errors import Unavailable
from .wanted import Wanted

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the agent is, to the identity service; `url` is that of the v3 API without /v3."""

    url: str
    user: str
    password: str
    project: str
    domain: str


class NetworkService:
    """Where the networks are kept."""

    def __init__(self, url: str, account: Account) -> None:
        self._url = url
        self._account = account
        self._token = ""

    def exchange(self, host: str, report: dict[str, Any]) -> Wanted | None:
        """Tell the service how the host is; return what it shall have, None where it knows that already.

        Raises:
            Unavailable: the service, or the identity service, does not answer as it should.
        """
        path = f"/v2.0/hosts/{quote(host, safe='')}"
        for _ in range(2):  # A token that is over is noticed by its refusal.
            status, document, _ = _asked(
                self._url, "PUT", path, {"host": report}, {"X-Auth-Token": self._token}
            )
            if status == 401:
                self._token = self._new_token()
                continue
            if status == 204:
                return None
            if status != 200:
                raise Unavailable(f"the network service answers {status}: {document}")
            return Wanted.of(document["wanted"])
        raise Unavailable("the network service does not take the agent's token")

    def _new_token(self) -> str:
        account = self._account
        domain = {"name": account.domain}
        user = {"name": account.user, "password": account.password, "domain": domain}
        said = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": account.project, "domain": domain}},
            }
        }
        status, _, token = _asked(account.url, "POST", "/v3/auth/tokens", said, {})
        if status != 201 or not token:
            raise Unavailable(f"the identity service refuses the agent: {status}")
        return token


def _asked(url: str, method: str, path: str, document: Any, headers: dict[str, str]) -> tuple[int, Any, str]:
    """Return status, document and X-Subject-Token of the answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            method,
            parts.path.rstrip("/") + path,
            orjson.dumps(document),
            {"Content-Type": "application/json", **headers},
        )
        response = connection.getresponse()
        body = response.read()
        return (
            response.status,
            orjson.loads(body) if body else None,
            response.getheader("X-Subject-Token") or "",
        )
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as problem:
        raise Unavailable(f"{url} does not answer: {problem}") from problem
    finally:
        connection.close()
