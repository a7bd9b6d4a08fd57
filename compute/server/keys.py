"""Keys made of a secret: each host's own, and the mark on a metadata request.

    secret, host ──▶ host_key() ──▶ hex        secret, server ──▶ metadata_mark() ──▶ hex

A host's agent has the key of its host only, so it can speak for no other host.
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


def matches(given: str, right: str) -> bool:
    """Whether two keys are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), right.encode())
