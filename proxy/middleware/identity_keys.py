"""Access keys, as the identity service knows them.

    access key ──▶ remembered for at most a minute, unless revoked ──▶ Known(secret, whom it speaks for)
                └─▶ GET /v3/apus/access_keys/KEY with a service's token ──▶ remembered, also where none is

The user whom the proxy logs in as must have the role service. It does not know requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from ...common.errors import Unavailable
from ...common.identity import Identity, Login, OwnToken
from ...common.identity.asking import ask
from ...common.identity.claims import Unreadable, identity_in
from ...common.identity.own_token import Asking

REMEMBERED_SECONDS = 60.0
REMEMBERED_MAX = 10000


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an access key."""

    secret: str
    identity: Identity


class AccessKeys:
    """Asks, and remembers."""

    def __init__(
        self, login: Login, *, asking: Asking = ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = login.root
        self._asking = asking
        self._clock = clock
        self._known: dict[str, tuple[float, Known | None]] = {}
        self._own = OwnToken(login, asking=asking, clock=clock)

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
        url = f"{self._url}/v3/apus/access_keys/{quote(access, safe='')}"
        heard = self._own.used(
            lambda token: self._asking("GET", url, {"X-Auth-Token": token}, None), lambda heard: heard.status
        )
        if heard.status in (401, 404):
            return None
        if heard.status != 200:
            raise Unavailable(f"the identity service answered {heard.status} when asked about an access key")
        try:
            said = json.loads(heard.body)["access_key"]
            return Known(str(said["secret"]), identity_in(said["identity"]))
        except (ValueError, KeyError, TypeError, Unreadable) as problem:
            raise Unavailable("the identity service's answer cannot be understood") from problem
