"""The door at which the service asks for what a machine of this host has printed.

GET /<server id> with the host's key ──▶ the end of its console's log
"""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ..keys import matches
from .driver import Driver
from .settings import AgentConfig

CONSOLE_BYTES_MAX = 102400
_ID = re.compile(r"/([0-9a-f-]{36})")


class ConsoleDoor:
    """Serves the ends of console logs."""

    def __init__(self, config: AgentConfig, driver: Driver) -> None:
        self._server = ThreadingHTTPServer(
            (config.console_ip, config.console_port), _handler(config.key, driver)
        )
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> None:
        """Serve, in a thread."""
        threading.Thread(target=self._server.serve_forever, name="consoles", daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()


def tail(path: Path, length: int = CONSOLE_BYTES_MAX) -> bytes:
    """Return the last bytes of a file; b"" where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - length))
            return file.read(length)
    except FileNotFoundError:
        return b""


def _handler(key: str, driver: Driver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_GET(self) -> None:
            """Send the end of a log."""
            found = _ID.fullmatch(self.path)
            status, body = 404, b""
            if not matches(self.headers.get("X-Apus-Host-Key", ""), key):
                status = 401
            elif found and (log := driver.console(found[1])) is not None:
                status, body = 200, tail(log)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing: the service's own log has the request."""

    return Handler
