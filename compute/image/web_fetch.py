"""Fetching a file from the web, by the rules of `web_guard`.

    uri ──▶ judged ──▶ name resolved ──▶ addresses judged ──▶ connection to that address ──▶ pieces of bytes
              ▲                                                      │
              └────────────── Location, at most so often ◀───────────┘

No proxies from the environment, no credentials, no compression: the bytes are those of the file.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

from ...common.errors import Refused, Unavailable
from .web_guard import Target, WebRules, allowed_address, target_of

REDIRECTS_MAX = 5
PIECE_BYTES = 1 << 20
REDIRECTS = frozenset((301, 302, 303, 307, 308))
Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is being fetched."""

    length: int | None
    """Bytes that the server promised, None where it did not."""
    pieces: Iterator[bytes]


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise Refused("the host's name cannot be resolved") from problem
    return [str(entry[4][0]) for entry in found]


@contextmanager
def fetch(
    uri: str, rules: WebRules, *, timeout_seconds: float = 30.0, resolve: Resolve = resolve
) -> Iterator[Fetched]:
    """Open the file that a URI names, wherever it is redirected to.

    Raises:
        Refused: the rules forbid it, or the server does.
        Unavailable: the server doesn't answer, or breaks off.
    """
    for _ in range(REDIRECTS_MAX + 1):
        target = target_of(uri, rules)
        address = allowed_address(resolve(target.host, target.port), rules)
        connection = _connection(target, address, timeout_seconds)
        try:
            response = _asked(connection, target)
            location = response.getheader("Location")
            if response.status in REDIRECTS and location:
                uri = urljoin(uri, location)
                continue
            if response.status != 200:
                raise Refused(f"the server answered {response.status}")
            yield Fetched(response.length, _pieces(response))
            return
        finally:
            connection.close()
    raise Refused(f"it is redirected more than {REDIRECTS_MAX} times")


class _Plain(http.client.HTTPConnection):
    """A connection to an address that was judged, whatever its host is called."""

    def __init__(self, target: Target, address: str, timeout_seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_seconds)
        self._address = (address, target.port)

    def connect(self) -> None:
        self.sock = socket.create_connection(self._address, self.timeout)


class _Secure(_Plain):
    """The same by TLS: the certificate is the name's."""

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _connection(target: Target, address: str, timeout_seconds: float) -> http.client.HTTPConnection:
    kind = _Secure if target.scheme == "https" else _Plain
    return kind(target, address, timeout_seconds)


def _asked(connection: http.client.HTTPConnection, target: Target) -> http.client.HTTPResponse:
    headers = {"Host": target.authority, "Accept-Encoding": "identity", "User-Agent": "apus-image"}
    try:
        connection.request("GET", target.path, headers=headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"the server does not answer: {type(problem).__name__}") from problem


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := response.read(PIECE_BYTES):
            yield piece
        if response.length:
            raise Unavailable(f"the server broke off {response.length} bytes before the end")
    except (OSError, http.client.HTTPException) as problem:
        raise Unavailable(f"the server broke off: {type(problem).__name__}") from problem
