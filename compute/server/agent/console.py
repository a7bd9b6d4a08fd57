"""The door for questions about machines of this host, and to their consoles.

GET /<server id> with the host's key ──▶ the end of its console's log
GET /<server id>/diagnostics with the host's key ──▶ what the hypervisor counts
POST /<server id>/interrupt with the host's key ──▶ an interrupt that nothing masks
GET /<server id>/serial or /vnc with a ticket, Upgrade: apus-console ──▶ 101, then bytes both ways
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ....common.errors import ApusError
from ..keys import is_ticket, matches
from .driver import Driver
from .settings import AgentConfig
from .tunnel import SerialLines, pass_on

log = logging.getLogger(__name__)

CONSOLE_BYTES_MAX = 102400
UPGRADE = "apus-console"
KEY_HEADER = "X-Apus-Host-Key"
TICKET_HEADER = "X-Apus-Console-Ticket"
PATIENCE_SECONDS = 30.0
_PATH = re.compile(r"/([0-9a-f-]{36})(?:/(serial|vnc|diagnostics))?")
_INTERRUPT = re.compile(r"/([0-9a-f-]{36})/interrupt")


class ConsoleDoor:
    """Serves the ends of console logs, counts, and consoles themselves."""

    def __init__(self, config: AgentConfig, driver: Driver, clock: Callable[[], float] = time.time) -> None:
        facts = {"key": config.key, "driver": driver, "lines": SerialLines(), "clock": staticmethod(clock)}
        handler = type("Handler", (_Handler,), facts)
        self._server = ThreadingHTTPServer((config.console_ip, config.console_port), handler)
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


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; a class made of it for each door has what stands below."""

    key: str
    driver: Driver
    lines: SerialLines
    clock: Callable[[], float]
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        """Send what is asked for, or become a tunnel."""
        found = _PATH.fullmatch(self.path)
        server_id, part = found.groups() if found else ("", None)
        if part in ("serial", "vnc"):
            self._console(server_id, part)
            return
        status, body = 404, b""
        if not self._is_service():
            status = 401
        elif part == "diagnostics":
            status, body = _diagnostics(self.driver, server_id)
        elif found and (printed := self.driver.console(server_id)) is not None:
            status, body = 200, tail(printed)
        self._answer(status, body)

    def do_POST(self) -> None:
        """Interrupt the machine."""
        found = _INTERRUPT.fullmatch(self.path)
        status, body = 404, b""
        if not self._is_service():
            status = 401
        elif found:
            status, body = _interrupted(self.driver, found[1])
        self._answer(status, body)

    def _is_service(self) -> bool:
        return matches(self.headers.get(KEY_HEADER, ""), self.key)

    def _console(self, server_id: str, kind: str) -> None:
        given = self.headers.get(TICKET_HEADER, "")
        if not is_ticket(given, self.key, self.path, self.clock()):
            log.warning("a console's ticket was refused", extra={"server": server_id})
            self._answer(401, b"")
            return
        place = self.driver.console_socket(server_id, kind)
        line = self.lines.take(server_id, place, alone=kind == "serial") if place else None
        if line is None:
            self._answer(404, b"")
            return
        with line:
            try:
                self._tunnel(server_id, kind, line)
            finally:
                self.lines.leave(server_id, line)

    def _tunnel(self, server_id: str, kind: str, line: socket.socket) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", UPGRADE)
        self.end_headers()
        self.close_connection = True
        self.connection.settimeout(None)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        log.info("a console was opened", extra={"server": server_id, "kind": kind})
        pass_on(self.connection, line)
        log.info("a console was closed", extra={"server": server_id, "kind": kind})

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: the service's own log has the request."""


def _interrupted(driver: Driver, server_id: str) -> tuple[int, bytes]:
    try:
        driver.interrupt(server_id)
    except ApusError as problem:
        return 409, str(problem).encode()
    return 200, b""


def _diagnostics(driver: Driver, server_id: str) -> tuple[int, bytes]:
    try:
        return 200, json.dumps(driver.diagnostics(server_id).to_json()).encode()
    except ApusError as problem:
        return 409, str(problem).encode()
