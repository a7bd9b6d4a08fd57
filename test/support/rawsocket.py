r"""HTTP byte by byte: what no client library would send, and exactly what came back.

exchange(address, b"GET / HTTP/1.1\r\n…") ──▶ Raw(statuses, bytes, closed)
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

PATIENCE_SECONDS = 60
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n")


@dataclass(frozen=True, slots=True)
class Raw:
    """Everything that a server sent before it closed or fell silent."""

    content: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers on the connection, in order."""
        return [int(status) for status in _STATUS_LINE.findall(self.content)]

    @property
    def status(self) -> int:
        """The status of the first final answer; 0 where there was none."""
        return next((status for status in self.statuses if status >= 200), 0)


def exchange(
    address: tuple[str, int], *pieces: bytes, silence_seconds: float = 0.5, half_close: bool = False
) -> Raw:
    """Send the pieces, then read until the server closes or, once it has spoken, says nothing for a while."""
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
        _send(connection, pieces)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return _read(connection, silence_seconds)


def converse(address: tuple[str, int], head: bytes, body: bytes, silence_seconds: float = 0.5) -> Raw:
    """Send the head, wait for the first word of an answer, and only then send the body."""
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head)
        first = connection.recv(65536)
        connection.sendall(body)
        rest = _read(connection, silence_seconds)
        return Raw(first + rest.content, rest.closed)


def _send(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        try:
            connection.sendall(piece)
        except OSError:
            return  # It has closed already; what it said is read next.


def _read(connection: socket.socket, silence_seconds: float) -> Raw:
    received = bytearray()
    while True:
        connection.settimeout(silence_seconds if received else PATIENCE_SECONDS)
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            return Raw(bytes(received), closed=False)
        except OSError:
            return Raw(bytes(received), closed=True)
        if not piece:
            return Raw(bytes(received), closed=True)
        received += piece
