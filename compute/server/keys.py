"""Keys made of a secret: each host's own, the console server's, and marks on what others pass on.

    secret, host ──▶ host_key() ──▶ hex        secret, server ──▶ metadata_mark() ──▶ hex
    secret ──▶ console_key() ──▶ hex           host's key, path, end ──▶ ticket() ──▶ is_ticket()

A host's agent has the key of its host only, so it can speak for no other host. The console server has no
host's key at all: for each console that a token opens it is given a ticket.
"""

from __future__ import annotations

import hashlib
import hmac


def host_key(secret: str, host: str) -> str:
    """Return the key with which the agent of a host speaks."""
    return hmac.new(secret.encode(), f"host:{host}".encode(), hashlib.sha256).hexdigest()


def metadata_mark(secret: str, server_id: str) -> str:
    """Return what a network agent that knows the secret sends with a request for this server's metadata."""
    return hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()


def console_key(secret: str) -> str:
    """Return the key with which the console server asks what a token opens."""
    return hmac.new(secret.encode(), b"consoles", hashlib.sha256).hexdigest()


def ticket(key: str, path: str, expires_at: float) -> str:
    """Return what opens this path of the host that has the key, until then (unix seconds)."""
    end = str(int(expires_at))
    return f"{end}.{hmac.new(key.encode(), f'ticket:{end}:{path}'.encode(), hashlib.sha256).hexdigest()}"


def is_ticket(given: str, key: str, path: str, now: float) -> bool:
    """Whether this is a ticket for the path, and still good."""
    end = given.partition(".")[0]
    if not end.isascii() or not end.isdigit() or len(end) > 15:
        return False
    return now < int(end) and matches(given, ticket(key, path, int(end)))


def matches(given: str, right: str) -> bool:
    """Whether two keys are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), right.encode())
