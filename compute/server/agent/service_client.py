"""The agent's side of the service's door for hosts.

ServiceClient(url, host, key) ──▶ register(resources), work(since, wait), report(server, …),
whereabouts(server), leases(), commit(volume, …)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from ....common.errors import Missing, Refused, Unavailable
from .driver import DriverFailed

KEY_HEADER = "X-Apus-Host-Key"
PATIENCE_SECONDS = 30


class ServiceClient:
    """Speaks for one host."""

    def __init__(self, api_url: str, host: str, key: str) -> None:
        self._url = f"{api_url.rstrip('/')}/internal/hosts/{host}"
        self._key = key

    def register(self, resources: Mapping[str, Any]) -> None:
        """Say that the host lives, and what it has."""
        self._ask("PUT", "", {"resources": dict(resources)})

    def work(self, since: int, wait_seconds: int) -> tuple[int, list[dict[str, Any]]]:
        """Return the number of this answer, and the host's servers; wait while nothing has changed."""
        found = self._ask("GET", f"/work?since={since}&wait={wait_seconds}", timeout=wait_seconds)
        return int(found["sequence"]), list(found["servers"])

    def report(self, server_id: str, document: Mapping[str, Any]) -> None:
        """Tell how something went."""
        self._ask("POST", f"/servers/{server_id}", dict(document))

    def is_elsewhere(self, server_id: str) -> bool:
        """Whether the service knows for certain that the server is deleted, or on another host."""
        try:
            return bool(self._ask("GET", f"/servers/{server_id}")["elsewhere"])
        except Missing:
            return False

    def leases(self) -> list[dict[str, Any]]:
        """Return the volumes that the host may write to, as the volume service lists them."""
        return list(self._ask("GET", "/leases")["leases"])

    def commit(self, project_id: str, volume_id: str, facts: Mapping[str, Any]) -> None:
        """Hand a volume's new map to the volume service.

        Raises:
            Refused: it does not take it.
        """
        self._ask("POST", f"/volumes/{volume_id}", {"project_id": project_id, "commit": dict(facts)})

    def _ask(self, method: str, path: str, document: Any = None, *, timeout: int = 0) -> dict[str, Any]:
        try:
            answer = requests.request(
                method,
                self._url + path,
                json=document,
                headers={KEY_HEADER: self._key},
                timeout=PATIENCE_SECONDS + timeout,
            )
        except requests.RequestException as problem:
            raise Unavailable(f"the server service does not answer: {problem}") from problem
        if answer.status_code == 404:
            raise Missing(path)
        if answer.status_code == 401:
            raise DriverFailed("the server service refuses this host's key")
        if answer.status_code == 409:
            raise Refused(answer.text[:200], 409)
        if answer.status_code >= 400:
            raise Unavailable(f"the server service answers {answer.status_code}: {answer.text[:200]}")
        return dict(answer.json()) if answer.content else {}
