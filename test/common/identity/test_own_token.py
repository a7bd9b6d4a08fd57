"""A service's own token: one log-in serves until it ends, and everybody who waits for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as some

from apus.common.errors import Unavailable
from apus.common.identity import Login, OwnToken
from apus.common.identity.asking import Heard
from apus.common.identity.own_token import MARGIN_SECONDS

LIFE_SECONDS = 3600.0
TIMES = {"issued_at": "2030-01-01T00:00:00.000000Z", "expires_at": "2030-01-01T01:00:00.000000Z"}


class Door:
    """An identity service, and a peer that takes its newest token only."""

    def __init__(self, times: Mapping[str, str] | None = None) -> None:
        self.logins = 0
        self.sent: list[str] = []
        self.asked: list[tuple[str, object]] = []
        self.now = 0.0
        self.status = 201
        self.reachable = True
        self.newest = ""
        self._times = TIMES if times is None else times
        login = Login(identity_url="http://identity/v3/", user="cloud", password="k", project="service")
        self.own = OwnToken(login, asking=self._log_in, clock=lambda: self.now)

    def _log_in(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Heard:
        if not self.reachable:
            raise Unavailable("nobody there")
        self.logins += 1
        self.asked.append((f"{method} {url}", json.loads(body or b"")))
        self.newest = f"token-{self.logins}"
        return Heard(
            self.status, {"x-subject-token": self.newest}, json.dumps({"token": self._times}).encode()
        )

    def send(self, token: str) -> int:
        """Ask the peer."""
        self.sent.append(token)
        return 200 if token == self.newest else 401

    def use(self) -> int:
        """Ask the peer as services do."""
        return self.own.used(self.send, lambda status: status)


def test_one_log_in_serves_until_the_token_ends() -> None:
    """Nothing is asked meanwhile; a little before the end, by its length, there is a new one."""
    door = Door()
    for door.now in (0.0, 10.0, LIFE_SECONDS - MARGIN_SECONDS - 1):
        assert door.use() == 200
    assert door.logins == 1
    door.now = LIFE_SECONDS - MARGIN_SECONDS
    assert door.use() == 200
    assert (door.logins, door.sent[-1]) == (2, "token-2")


def test_what_is_asked_for() -> None:
    """A password's log-in, scoped to the project; user and project are of one domain."""
    door = Door()
    door.own.token()
    ((line, document),) = door.asked
    domain = {"name": "Default"}
    user = {"name": "cloud", "domain": domain, "password": "k"}
    assert line == "POST http://identity/v3/auth/tokens?nocatalog"
    assert document == {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "service", "domain": domain}},
        }
    }
    by_id = Login(identity_url="http://identity", user="u", password="k", project="p", domain_id="default")
    assert json.loads(by_id.body())["auth"]["scope"]["project"]["domain"] == {"id": "default"}


def test_a_refused_token_is_replaced_once() -> None:
    """A 401 brings one log-in and one repetition; the second refusal is the answer."""
    door = Door()
    assert door.use() == 200
    door.newest = "another's"
    door.sent.clear()
    assert door.use() == 200
    assert (door.sent, door.logins) == (["token-1", "token-2"], 2)
    door.sent.clear()
    assert door.own.used(lambda token: door.send(token) and 401, lambda status: status) == 401
    assert (len(door.sent), door.logins) == (2, 3)


def test_a_token_that_was_replaced_already_is_kept() -> None:
    """Whoever hears late that the old token is refused does not throw the new one away."""
    door = Door()
    old = door.own.token()
    door.own.ended(old)
    new = door.own.token()
    door.own.ended(old)
    assert door.own.token() == new
    assert door.logins == 2


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_refused_log_in_is_unavailable(status: int) -> None:
    """The caller's request may be tried again; nothing crashes, and nothing is kept."""
    door = Door()
    door.status = status
    with pytest.raises(Unavailable, match=f"{status} to the log-in of cloud"):
        door.use()
    door.status = 201
    assert door.use() == 200


def test_an_identity_service_that_is_away_is_unavailable() -> None:
    """A token that is good yet serves all the same; without one the request is to be tried again."""
    door = Door()
    assert door.use() == 200
    door.reachable = False
    assert door.use() == 200
    door.now = LIFE_SECONDS
    with pytest.raises(Unavailable):
        door.use()
    door.reachable = True
    assert door.use() == 200


def test_a_herd_makes_one_log_in() -> None:
    """However many come at once, with no token or with one that was just refused."""
    door, herd = Door(), 16
    for number in (1, 2):
        together = threading.Barrier(herd, timeout=30)

        def come(together: threading.Barrier = together) -> int:
            together.wait()
            return door.use()

        with ThreadPoolExecutor(herd) as crew:
            answers = [crew.submit(come) for _ in range(herd)]
            assert [each.result(30) for each in answers] == [200] * herd
        assert door.logins == number
        door.newest = "another's" if number == 1 else door.newest


@given(some.dictionaries(some.sampled_from(["issued_at", "expires_at", "x"]), some.text() | some.none()))
def test_times_that_nobody_understands_cost_only_log_ins(times: dict[str, str]) -> None:
    """A token of unknown length is used once."""
    door = Door(times)
    assert [door.use(), door.use()] == [200, 200]
    assert door.logins == 2
