"""Asking the other services: whose token is shown, and what refusals of it mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from apus.common.errors import Unavailable
from apus.common.identity import Login, OwnToken
from apus.common.identity.asking import Heard
from apus.compute.api.faults import Fault
from apus.compute.server.peers import Peer


class Quiet(WSGIRequestHandler):
    """Does not write what it serves."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the library
        """Say nothing."""


class Service:
    """A peer that takes one token, and an identity service that gives out the next one at each log-in."""

    def __init__(self) -> None:
        self.logins = 0
        self.taken = "token-1"
        self.server = make_server("127.0.0.1", 0, self._answer, handler_class=Quiet)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        login = Login(identity_url="http://identity", user="cloud", password="k", project="service")
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.peer = Peer("volume", url, OwnToken(login, asking=self._log_in))

    def _log_in(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Heard:
        self.logins += 1
        lasts = {"issued_at": "2030-01-01T00:00:00.000000Z", "expires_at": "2030-01-01T01:00:00.000000Z"}
        token = {"x-subject-token": f"token-{self.logins}"}
        return Heard(201, token, json.dumps({"token": lasts}).encode())

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        good = environ["HTTP_X_AUTH_TOKEN"] == self.taken
        start_response("200 OK" if good else "401 Unauthorized", [("Content-Type", "application/json")])
        return [b'{"volume": {}}' if good else b'{"error": {"message": "who are you?"}}']


@pytest.fixture
def service() -> Iterator[Service]:
    """One peer."""
    made = Service()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_our_own_token_is_renewed_when_it_is_refused(service: Service) -> None:
    """One log-in serves many requests; a 401 brings one more, and nobody notices."""
    assert service.peer.ask("GET", "/") == service.peer.ask("GET", "/") == {"volume": {}}
    assert service.logins == 1
    service.taken = "token-2"
    assert service.peer.ask("GET", "/") == {"volume": {}}
    assert service.logins == 2


def test_a_log_in_that_nobody_takes_is_our_trouble(service: Service) -> None:
    """The user's request was good: it is to be tried again, and is no 401."""
    service.taken = "none"
    with pytest.raises(Unavailable, match="volume service does not take"):
        service.peer.ask("GET", "/")


def test_the_users_token_is_shown_as_it_is(service: Service) -> None:
    """Its refusal is the user's: no log-in of ours opens what it does not."""
    with pytest.raises(Fault, match="who are you") as caught:
        service.peer.ask("GET", "/", token="the user's")
    assert (caught.value.status, service.logins) == (401, 0)
