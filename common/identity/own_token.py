"""The token of a service's own user: logged in for when it is needed, kept, and given up when it is refused.

    used(send) ──▶ token() ──▶ send(token) ──▶ answer
                      └ POST /v3/auth/tokens, by one of those who wait for it
    401: ended(token), one new log-in, send() once more

How long a token is good is told by the answer that brings it, as a length of time: the two clocks need not
agree. It does not know what the token is shown for.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from ..errors import Unavailable
from .asking import Heard, ask

LOG_IN_SECONDS_MAX = 30.0  # A password's hash is slow on purpose, and slower on a machine with other work.
MARGIN_SECONDS = 60.0  # So long before its end a token is no longer begun with.
UNAUTHORIZED = 401
JSON = {"Content-Type": "application/json"}

Asking = Callable[[str, str, Mapping[str, str], bytes | None], Heard]
Answer = TypeVar("Answer")


patiently: Asking = functools.partial(ask, seconds=LOG_IN_SECONDS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Whom a service logs in as, and where; user and project are of one domain, named or by its id."""

    identity_url: str
    user: str
    password: str
    project: str
    domain: str = "Default"
    domain_id: str = ""

    @property
    def root(self) -> str:
        """Where the identity service is, without the /v3 in which `identity_url` may end."""
        return self.identity_url.rstrip("/").removesuffix("/v3")

    def body(self) -> bytes:
        """Return the request for a token."""
        domain = {"id": self.domain_id} if self.domain_id else {"name": self.domain}
        user = {"name": self.user, "domain": domain, "password": self.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": self.project, "domain": domain}}
        return json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()


class OwnToken:
    """One user's token; threads and green threads share it."""

    def __init__(
        self,
        login: Login,
        *,
        asking: Asking = patiently,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._login = login
        self._asking = asking
        self._clock = clock
        self._turn = threading.Lock()
        self._kept: tuple[str, float] | None = None

    def token(self) -> str:
        """Return a token that is good for a while yet.

        Raises:
            Unavailable: the identity service does not answer, or refuses the log-in.
        """
        kept = self._good()
        if kept is None:
            with self._turn:
                kept = self._good() or self._logged_in()
        return kept

    def ended(self, token: str) -> None:
        """Give up a token that was refused, unless it has been replaced meanwhile."""
        kept = self._kept
        if kept is not None and kept[0] == token:
            self._kept = None

    def used(self, send: Callable[[str], Answer], status: Callable[[Answer], int]) -> Answer:
        """Return what is answered to a request with the token; where it is refused, with a new one.

        A token can end before its time: passwords are changed, keys retired. The second answer is returned
        whatever it is.

        Raises:
            Unavailable: as `token` does.
        """
        token = self.token()
        answer = send(token)
        if status(answer) != UNAUTHORIZED:
            return answer
        self.ended(token)
        return send(self.token())

    def _good(self) -> str | None:
        kept = self._kept
        return kept[0] if kept is not None and self._clock() < kept[1] else None

    def _logged_in(self) -> str:
        login = self._login
        begun = self._clock()
        heard = self._asking("POST", f"{login.root}/v3/auth/tokens?nocatalog", JSON, login.body())
        token = heard.headers.get("x-subject-token")
        if heard.status != 201 or not token:
            raise Unavailable(f"the identity service answers {heard.status} to the log-in of {login.user}")
        self._kept = (token, begun + _life_seconds(heard.body) - MARGIN_SECONDS)
        return token


def _life_seconds(body: bytes) -> float:
    """Return for how long a token is good; 0, so that it is used but once, where the answer doesn't tell."""
    try:
        said: Any = json.loads(body)["token"]
        ends, begins = (datetime.fromisoformat(said[name]) for name in ("expires_at", "issued_at"))
        return (ends - begins).total_seconds()
    except (ValueError, KeyError, TypeError):
        return 0.0
