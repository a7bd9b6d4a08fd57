"""Other services as peers of the one under test, all in this process.

Neighbour(app, token, prefix) ──▶ .ask(…) as `compute.server.peers.Peer` has it, answered by a real service
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cloud import call

from apus.common.http.wsgi import WSGIApp
from apus.compute.api.faults import Fault


class Neighbour:
    """A service that is asked by a person's token, known to it by another."""

    def __init__(self, app: WSGIApp, tokens: Mapping[str, str], prefix: str = "") -> None:
        self._app = app
        self._tokens = tokens
        self._prefix = prefix

    def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        token: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return what is answered; raise Fault for a refusal."""
        where = f"{self._prefix}{path}" + (f"?{urlencode(query)}" if query else "")
        reply = call(self._app, method, where, document, token=self._tokens[token], headers=headers)
        found = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        if reply.status >= 400:
            inner: Any = next(iter(found.values()), {})
            raise Fault(reply.status, str(inner.get("message", "")) if isinstance(inner, dict) else "")
        return dict(found)
