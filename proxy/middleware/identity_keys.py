"""Access keys, as the identity service knows them.

    access key ──▶ remembered for at most a minute, unless revoked ──▶ Known(secret, whom it speaks for)
                └─▶ GET /v3/apus/access_keys/KEY with a service's token ──▶ remembered, also where none is

The service's own token comes of its password, and is asked for anew when it ends. It does not know requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ...common.errors import Unavailable
from ...common.identity import Identity
from ...common.identity.asking import Heard, ask
from ...common.identity.claims import Unreadable, identity_in

REMEMBERED_SECONDS = 60.0
REMEMBERED_MAX = 10000
TOKEN_MARGIN_SECONDS = 60.0
Asking = Callable[[str, str, Mapping[str, str], bytes | None], Heard]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the proxy logs in as; it must have the role service."""

    auth_url: str
    user: str
    password: str
    project: str
    domain_id: str

    def request(self) -> bytes:
        """Return the body that asks for a token."""
        user = {"name": self.user, "domain": {"id": self.domain_id}, "password": self.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": self.project, "domain": {"id": self.domain_id}}}
        return json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an access key."""

    secret: str
    identity: Identity


class AccessKeys:
    """Asks, and remembers."""

    def __init__(
        self, account: Account, *, asking: Asking = ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._account = account
        self._asking = asking
        self._clock = clock
        self._known: dict[str, tuple[float, Known | None]] = {}
        self._token: tuple[float, str] | None = None

    def find(self, access: str) -> Known | None:
        """Return what belongs to an access key, None when nobody has it.

        Raises:
            Unavailable: the identity service does not tell.
        """
        remembered = self._known.get(access)
        if remembered is not None and self._clock() < remembered[0]:
            return remembered[1]
        found = self._asked(access)
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        self._known[access] = (self._clock() + REMEMBERED_SECONDS, found)
        return found

    def forget(self, access: str) -> None:
        """Ask again the next time."""
        self._known.pop(access, None)

    def _asked(self, access: str) -> Known | None:
        url = f"{self._account.auth_url}/v3/apus/access_keys/{quote(access, safe='')}"
        heard = self._asking("GET", url, {"X-Auth-Token": self._own_token()}, None)
        if heard.status == 401:  # Ended before its time: passwords are changed, and keys retired.
            self._token = None
            heard = self._asking("GET", url, {"X-Auth-Token": self._own_token()}, None)
        if heard.status in (401, 404):
            return None
        if heard.status != 200:
            raise Unavailable(f"the identity service answered {heard.status} when asked about an access key")
        try:
            said = json.loads(heard.body)["access_key"]
            return Known(str(said["secret"]), identity_in(said["identity"]))
        except (ValueError, KeyError, TypeError, Unreadable) as problem:
            raise Unavailable("the identity service's answer cannot be understood") from problem

    def _own_token(self) -> str:
        """Return the service's token, a new one where the old one ends soon."""
        if self._token is None or self._clock() >= self._token[0]:
            url = f"{self._account.auth_url}/v3/auth/tokens?nocatalog"
            headers = {"Content-Type": "application/json"}
            heard = self._asking("POST", url, headers, self._account.request())
            token = heard.headers.get("x-subject-token")
            if heard.status != 201 or not token:
                raise Unavailable(f"the identity service answered {heard.status} to our own log-in")
            self._token = (self._clock() + _life_seconds(heard.body) - TOKEN_MARGIN_SECONDS, token)
        return self._token[1]


def _life_seconds(body: bytes) -> float:
    """Return for how long a token is good; none that lasts less than the margin is kept."""
    try:
        said: Any = json.loads(body)["token"]
        ends, begins = (datetime.fromisoformat(said[name]) for name in ("expires_at", "issued_at"))
        return (ends - begins).total_seconds()
    except (ValueError, KeyError, TypeError):
        return 0.0
