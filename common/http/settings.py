"""How the engine's server behaves: built once at start, handed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config import parse, setting
from ..errors import Refused
from .head import HEADERS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Patience and limits of the server."""

    client_timeout_seconds: float = 60.0
    keepalive_timeout_seconds: float = 60.0
    connections_max: int = 1024
    headers_max: int = HEADERS_MAX
    drain_bytes_max: int = 65536  # An unread body up to this is skipped; behind a longer one we close.
    drain_seconds: float = 0.1  # So long an answer waits for the rest of such a body that is on its way.
    linger_seconds: float = 2.0
    linger_bytes_max: int = 16 << 20

    @classmethod
    def parse(cls, options: Mapping[str, str], *, headers_max: int = HEADERS_MAX) -> ServerConfig:
        """Build it from an ini section that has stock Swift's option names."""
        options_read = parse(ServerOptions, options)
        if options_read.client_timeout <= 0:
            raise Refused("client_timeout must be more than 0 seconds")
        return cls(
            client_timeout_seconds=options_read.client_timeout,
            keepalive_timeout_seconds=options_read.keepalive_timeout or options_read.client_timeout,
            connections_max=options_read.max_clients,
            headers_max=headers_max,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What an operator may set about a server process."""

    bind_ip: str = setting("0.0.0.0", help="Address to listen on.")
    bind_port: int = setting(0, help="Port to listen on.", minimum=0, maximum=65535)
    backlog: int = setting(4096, help="Connections that may wait to be accepted.", minimum=1)
    workers: str = setting(
        "auto",
        help="Worker processes: a number, or auto for one per core; 0 serves in the process itself.",
    )
    user: str = setting("", help="User to run as once the port is bound; empty for whoever starts it.")
    max_clients: int = setting(1024, help="Connections that one worker serves at a time.", minimum=1)
    client_timeout: float = setting(
        60.0, help="Seconds that a client may be silent in the middle of a request; then 408."
    )
    keepalive_timeout: float = setting(
        0.0,
        help="Seconds that a connection may be idle between requests; 0 for the same as client_timeout.",
        minimum=0,
    )
