"""Bytes between the console server and a console's unix socket.

    SerialLines.take(server, socket) ──▶ a connection to qemu      pass_on(left, right) until one of them ends

qemu serves one reader of a serial line at a time and lets others wait without a word. So whoever comes
last has the line: a browser that went away without saying so keeps nobody out.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

PIECE_BYTES = 65536
PATIENCE_SECONDS = 10.0


class SerialLines:
    """Connections to consoles, one for each serial line."""

    def __init__(self) -> None:
        self._holders: dict[str, socket.socket] = {}
        self._lock = threading.Lock()

    def take(self, server_id: str, path: Path, *, alone: bool) -> socket.socket | None:
        """Return a connection to the console; None while nobody listens there.

        Where one may have it `alone`, whoever had it before has it no more.
        """
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(PATIENCE_SECONDS)
        try:
            line.connect(str(path))
        except OSError:
            line.close()
            return None
        line.settimeout(None)
        if alone:
            with self._lock:
                before = self._holders.get(server_id)
                self._holders[server_id] = line
            if before is not None:
                end(before)
        return line

    def leave(self, server_id: str, line: socket.socket) -> None:
        """Note that the connection has ended."""
        with self._lock:
            if self._holders.get(server_id) is line:
                del self._holders[server_id]


def pass_on(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until either side ends; then both have ended."""
    back = threading.Thread(target=_carry, args=(right, left), name="console", daemon=True)
    back.start()
    _carry(left, right)
    back.join()


def end(sock: socket.socket) -> None:
    """End a connection that another thread may be reading from."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # It has ended already.


def _carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(PIECE_BYTES):
            sink.sendall(piece)
    except OSError:
        pass  # Either side went away: that is how consoles end.
    finally:
        end(source)
        end(sink)
