"""Asking other services over HTTP: with the service's own token, or with the caller's.

    Peer(name, url, own token).ask("GET", path) ──▶ document

It does not know what is asked; `images.py`, `networks.py` and `volumes.py` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from ...common.errors import Unavailable
from ...common.identity import OwnToken
from ...common.identity.own_token import UNAUTHORIZED
from ..api.faults import Fault

TIMEOUT_SECONDS = 60.0


class Peer:
    """One other service."""

    def __init__(self, name: str, url: str, own: OwnToken) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._own = own

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

        def send(shown: str) -> requests.Response:
            return requests.request(
                method,
                self._url + path,
                json=document,
                params=query,
                headers={"X-Auth-Token": shown, **(headers or {})},
                timeout=TIMEOUT_SECONDS,
            )

        try:
            answer = send(token) if token else self._own.used(send, lambda heard: heard.status_code)
        except requests.RequestException as problem:
            raise Unavailable(f"the {self._name} service does not answer: {problem}") from problem
        if answer.status_code == UNAUTHORIZED and not token:
            raise Unavailable(f"the {self._name} service does not take our own token")
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
