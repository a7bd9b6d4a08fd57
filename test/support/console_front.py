"""A console server in this process, before a server service in this process.

with ConsoleFront(cloud, pages) as front: ──▶ front.at(url) is the URL at which it really listens
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from cloud import call
from object_nodes import free_ports
from servers import SECRET, Cloud
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from apus.common.errors import Missing
from apus.compute.server.console.gateway import Gateway, Opening
from apus.compute.server.console.settings import ConsoleConfig
from apus.compute.server.keys import console_key

DEADLINE_SECONDS = 60


class ConsoleFront:
    """The gateway with its event loop in a thread; what it asks the service needs no wire."""

    def __init__(self, cloud: Cloud, pages: Path) -> None:
        self._cloud = cloud
        config = ConsoleConfig(
            bind_ip="127.0.0.1",
            bind_port=0,
            key=console_key(SECRET),
            novnc_folder=str(pages),
            allowed_origins=("dashboard.example",),
        )
        self._gateway = Gateway(config)
        self._gateway._ask = self._ask  # type: ignore[method-assign]  # without a wire
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )
        self.base = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()

    async def _run(self) -> None:
        server = await self._gateway.start()
        port = next(iter(server.sockets)).getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    def _ask(self, token: str) -> Opening:
        status, found = opened_by(self._cloud, token)
        if status != 200:
            raise Missing(str(status))
        return Opening(**found)

    def at(self, url: str) -> str:
        """Return a URL of the service with the port that was free here."""
        return url.replace(urlsplit(url).netloc, urlsplit(self.base).netloc)

    def refuses(self, url: str, **headers: str) -> None:
        """Assert that a websocket there is refused, without a word."""
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(url, additional_headers=headers, open_timeout=DEADLINE_SECONDS),
        ):
            pass
        assert refused.value.response.status_code == 403
        assert not refused.value.response.body


@contextlib.contextmanager
def program(api_url: str, folder: Path) -> Iterator[str]:
    """Run apus-console-server before the service at that URL; give the host and port at which it listens."""
    pages, notices = folder / "pages", folder / "notices"
    pages.mkdir()
    (pages / "vnc_lite.html").write_text("<html>noVNC</html>")
    port = free_ports(1)[0]
    conf = folder / "console-server.conf"
    conf.write_text(
        f"[console-server]\nbind_ip = 127.0.0.1\nbind_port = {port}\napi_url = {api_url}\n"
        f"key = {console_key(SECRET)}\nnovnc_folder = {pages}\nlog_file = {folder / 'log'}\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(notices))
        listener.settimeout(DEADLINE_SECONDS)
        command = [sys.executable, "-m", "apus.bin.console_server", str(conf)]
        with subprocess.Popen(command, env={**os.environ, "NOTIFY_SOCKET": str(notices)}) as process:
            try:
                assert listener.recv(100).startswith(b"READY=1")
                yield f"127.0.0.1:{port}"
                process.terminate()
                assert process.wait(DEADLINE_SECONDS) == 0
            finally:
                process.kill()


def opened_by(cloud: Cloud, token: str) -> tuple[int, Any]:
    """Ask the service what a token opens, with the console server's key; return status and document."""
    headers = {"X-Apus-Console-Key": console_key(SECRET)}
    reply = call(cloud.app, "POST", "/internal/consoles", {"token": token}, headers=headers)
    return reply.status, json.loads(reply.body)


def heard(client: ClientConnection, until: bytes) -> bytes:
    """Return what comes, up to and with these bytes."""
    text = b""
    while until not in text:
        piece: Any = client.recv(timeout=DEADLINE_SECONDS)
        text += piece
    return text
