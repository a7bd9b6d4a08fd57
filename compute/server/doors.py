"""Asking the host of a server about its machine, at the door that the host's agent keeps open.

host_of(server) ──▶ Host ──▶ ask_host(host, "/<server id>/diagnostics") ──▶ the answer's bytes
"""

from __future__ import annotations

import requests

from ...common.errors import Unavailable
from ..api.faults import Conflict, NotFound
from . import fleet
from .keys import host_key
from .records import Server
from .world import World

HOST_KEY_HEADER = "X-Apus-Host-Key"
TIMEOUT_SECONDS = 20


def ask_host(world: World, server: Server, path: str = "", *, method: str = "GET") -> bytes:
    """Return what the host of a server says of it, or to what it is told (POST).

    Raises:
        Conflict: the server is on no host, or its host has no such thing of it now.
        NotFound: the host answers no questions.
        Unavailable: it does not answer this one.
    """
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready")
    with world.catalogue.read() as connection:
        host = fleet.host_named(connection, server.host)
    door = host.resources.get("console_url")
    if not door:
        raise NotFound(f"The host of instance {server.id} answers no questions about it.")
    key = host_key(world.settings.agent_secret, host.name)
    try:
        found = requests.request(
            method, f"{door}/{server.id}{path}", headers={HOST_KEY_HEADER: key}, timeout=TIMEOUT_SECONDS
        )
    except requests.RequestException as problem:
        raise Unavailable(f"The host {host.name} does not answer.") from problem
    if found.status_code != 200:
        raise Conflict(f"Instance {server.id} is not ready")
    return found.content
