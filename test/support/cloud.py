"""The cloud's services called in this process, and callers to call them as.

    call(app, "GET", "/v2/images", as_=identity_of("p1")) ──▶ Reply(status, headers, body)

A FakeVerifier takes tokens that say who they are from; the real ones have tests of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from store import Reply
from webob import Request

from apus.common.http.wsgi import WSGIApp
from apus.common.identity import Identity, TokenRefused

HOUR = 3600.0


def identity_of(
    project: str | None = "p1", roles: tuple[str, ...] = ("member",), user: str = "u1", **other: Any
) -> Identity:
    """Somebody with these roles in the project."""
    now = time.time()
    known: dict[str, Any] = {
        "user_id": user,
        "user_name": f"{user}-name",
        "user_domain_id": "default",
        "user_domain_name": "Default",
        "project_id": project,
        "project_name": f"{project}-name" if project else None,
        "project_domain_id": "default" if project else None,
        "project_domain_name": "Default" if project else None,
        "domain_id": None,
        "system_scope": False,
        "roles": roles,
        "audit_id": "audit",
        "issued_at": now,
        "expires_at": now + HOUR,
        "methods": ("password",),
        "application_credential_id": None,
    }
    return Identity(**{**known, **other})


class FakeVerifier:
    """Knows tokens by heart; `token_of` makes one for whoever is to call."""

    def __init__(self) -> None:
        self._known: dict[str, Identity] = {}

    def token_of(self, identity: Identity) -> str:
        """Return a token that says so."""
        token = f"token-{len(self._known)}"
        self._known[token] = identity
        return token

    def forget(self, token: str) -> None:
        """Refuse it from now on."""
        del self._known[token]

    def verify(self, token: str, *, method: str = "", path: str = "") -> Identity:
        """Return whose it is."""
        try:
            return self._known[token]
        except KeyError:
            raise TokenRefused("unknown") from None


def call(
    app: WSGIApp,
    method: str,
    path: str,
    document: Any = None,
    *,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    """Send one request to an application of this process; a document goes as JSON."""
    request = Request.blank(path, method=method, headers=dict(headers or {}))
    if token:
        request.headers["X-Auth-Token"] = token
    if document is not None:
        body = json.dumps(document).encode()
        request.headers.setdefault("Content-Type", "application/json")
    if body is not None:
        request.body = body
    response = request.get_response(app)
    return Reply(
        response.status_int,
        {name.lower(): value for name, value in response.headers.items()},
        bytes(response.body),
    )
