"""How an auth filter says no.

    path ──account_in()──▶ realm ──▶ 401 with WWW-Authenticate, to nobody known
    environ ──denied()──▶ that, or 403 to somebody known

Whether to say no is decided elsewhere.
"""

from __future__ import annotations

from urllib.parse import quote

from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, from_wsgi


def denied(environ: Environ) -> Answer:
    """Return the refusal: 403 to somebody known, 401 to anybody else."""
    if environ.get("REMOTE_USER"):
        return Answer.text(403, "Access was denied to this resource.")
    return unauthorized(environ["PATH_INFO"])


def unauthorized(path: str) -> Answer:
    """Return the 401 whose realm is the account in the path."""
    return unauthorized_for(account_in(path) or "unknown")


def unauthorized_for(realm: str) -> Answer:
    """Return the 401 of a realm."""
    headers = {"WWW-Authenticate": f'Swift realm="{quote(realm, errors="surrogateescape")}"'}
    return Answer.text(
        401,
        "This server could not verify that you are authorized to access the document you requested.",
        headers,
    )


def account_in(path: str) -> str | None:
    """Return the account that a path names, if any."""
    parts = path.split("/", 3)
    return from_wsgi(parts[2]) if len(parts) > 2 and not parts[0] and parts[1] and parts[2] else None


def names_in(path: str) -> tuple[str | None, str | None, str | None] | None:
    """Return account, container and object of a path; None for a path that can be no resource's."""
    parts = (path if path.isascii() else from_wsgi(path)).split("/", 4)
    depth = len(parts)
    if parts[0] or depth < 2 or not all(parts[1:-1]):
        return None
    account = (parts[2] or None) if depth > 2 else None
    container = (parts[3] or None) if depth > 3 else None
    return account, container, (parts[4] or None) if depth > 4 else None
