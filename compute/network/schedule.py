"""Which host serves a network's DHCP, and on which a router runs.

    thing, where it is, hosts alive ──▶ placed() ──▶ the host that it stays on, or moves to

Nothing moves while its host lives. What must move spreads over the others by rendezvous hashing, so that any
number of services that decide this at one time decide the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection


def placed(thing: str, current: str, alive: Collection[str]) -> str:
    """Return the host for a thing; the current one, dead or not, where none is alive."""
    if current in alive or not alive:
        return current
    return max(sorted(alive), key=lambda host: hashlib.sha256(f"{thing} {host}".encode()).digest())
