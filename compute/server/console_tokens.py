"""Tokens that open the console of one server, for a while.

    issue(server, kind) ──▶ a token, for its owner's URL      redeem(token) ──▶ which server's, of which kind

Whoever has the URL has the console, as often as he likes until the token ends; then, or when the server is
gone, it is as if there had never been one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from ...common.errors import Missing
from . import fleet, tables
from .records import Server


class Kind(StrEnum):
    """What a console is of; the word is the one in a host's paths."""

    SERIAL = "serial"
    VNC = "vnc"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a token opens."""

    server: Server
    kind: Kind


def issue(connection: Connection, server: Server, kind: Kind, *, now: float, seconds: float) -> str:
    """Return a new token; those that have ended are forgotten meanwhile."""
    table = tables.console_tokens
    token = secrets.token_urlsafe(32)
    connection.execute(delete(table).where(table.c.expires_at <= now))
    connection.execute(
        insert(table).values(
            token_hash=_hash(token), server_id=server.id, kind=kind.value, expires_at=now + seconds
        )
    )
    return token


def redeem(connection: Connection, token: str, now: float) -> Opening:
    """Return what the token opens; raise Missing where it opens nothing, for whatever reason."""
    table = tables.console_tokens
    query = select(table).where(table.c.token_hash == _hash(token), table.c.expires_at > now)
    row = connection.execute(query).first()
    if row is None:
        raise Missing("Token not found")
    try:
        return Opening(fleet.server_of(connection, row.server_id), Kind(row.kind))
    except Missing as problem:
        raise Missing("Token not found") from problem


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
