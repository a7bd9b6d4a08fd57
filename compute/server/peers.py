"""Asking other services over HTTP: with the service's own token, or with the caller's.

    Tokens (logs in at the identity service, once) ──▶ Peer(url, tokens).ask("GET", path) ──▶ document

It does not know what is asked; `images.py`, `networks.py` and `volumes.py` do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests

from ...common.errors import Unavailable
from ..api.faults import Fault
from ..api.times import seconds_of

TIMEOUT_SECONDS = 60.0
RENEWED_BEFORE_SECONDS = 120.0


class Tokens:
    """The service's own token, renewed before it ends."""

    def __init__(self, identity_url: str, *, user: str, password: str, project: str, domain: str) -> None:
        self._url = identity_url.rstrip("/").removesuffix("/v3") + "/v3/auth/tokens?nocatalog"
        scope = {"project": {"name": project, "domain": {"name": domain}}}
        person = {"user": {"name": user, "password": password, "domain": {"name": domain}}}
        self._document: dict[str, Any] = {
            "auth": {"identity": {"methods": ["password"], "password": person}, "scope": scope}
        }
        self._token = ""
        self._until = 0.0

    def token(self) -> str:
        """Return a token that is good for a while yet; raise Unavailable where none is to be had."""
        if self._token and time.time() < self._until - RENEWED_BEFORE_SECONDS:
            return self._token
        try:
            answer = requests.post(self._url, json=self._document, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as problem:
            raise Unavailable(f"the identity service does not answer: {problem}") from problem
        if answer.status_code != 201:
            raise Unavailable(f"the identity service refuses the service user: {answer.status_code}")
        self._until = seconds_of(answer.json()["token"]["expires_at"])
        self._token = answer.headers["X-Subject-Token"]
        return self._token


class Peer:
    """One other service."""

    def __init__(self, name: str, url: str, tokens: Tokens) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._tokens = tokens

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        token: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return what is answered; {} where nothing is.

        Raises:
            Fault: with the status and the sentence of a refusal.
            Unavailable: the service does not answer, or failed.
        """
        try:
            answer = requests.request(
                method,
                self._url + path,
                json=document,
                params=query,
                headers={"X-Auth-Token": token or self._tokens.token(), **(headers or {})},
                timeout=TIMEOUT_SECONDS,
            )
        except requests.RequestException as problem:
            raise Unavailable(f"the {self._name} service does not answer: {problem}") from problem
        if answer.status_code >= 500:
            raise Unavailable(f"the {self._name} service failed: {answer.status_code}")
        if answer.status_code >= 400:
            raise Fault(answer.status_code, _sentence(answer))
        try:
            found = answer.json() if answer.content else {}
        except ValueError:
            found = {}
        return found if isinstance(found, dict) else {"items": found}


def _sentence(answer: requests.Response) -> str:
    """Return what a refusal says to a person, whichever service's form it has."""
    try:
        document = answer.json()
    except ValueError:
        return answer.text[:200]
    inner = next(iter(document.values()), "") if isinstance(document, dict) else ""
    return str(inner.get("message", inner) if isinstance(inner, dict) else inner)[:500]
