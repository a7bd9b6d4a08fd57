"""Consoles by websocket: who may come in, and his bytes.

    request ──▶ admit(): token, origin, the service's word ──▶ handle(): host's door ◀──bytes──▶ websocket
            └─▶ pages of noVNC, /healthcheck, /metrics

One process and one event loop carry all consoles: what passes is little, and mostly there is nothing. Whoever
is refused hears 403 and nothing else: neither whether there is such a token, nor what is wrong with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import requests
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import CollectorRegistry
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ....common import metrics
from ....common.errors import Missing, Refused, Unavailable
from .admission import is_own_page, token_of, wants_websocket
from .pages import MISSING, page_at
from .settings import ConsoleConfig

log = logging.getLogger(__name__)

OPENED = metrics.counter("apus_consoles_total", "Consoles that somebody asked for.", "kind", "result")
OPEN = metrics.gauge("apus_consoles_open", "Consoles that are open.", "kind")
PIECE_BYTES = 65536
PATIENCE_SECONDS = 20.0
HEAD_BYTES_MAX = 8192
# The one that noVNC and clients of serial consoles know; without any, messages are bytes all the same.
SUBPROTOCOL = Subprotocol("binary")
UPGRADE = "apus-console"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a token opens: a host's door, and the ticket for it."""

    kind: str
    server_id: str
    door: str
    ticket: str
    scheme: str


class Gateway:
    """Lets clients in and carries their bytes."""

    def __init__(self, config: ConsoleConfig) -> None:
        self._config = config
        self._openings: WeakKeyDictionary[ServerConnection, Opening] = WeakKeyDictionary()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(metrics.SharedCells())

    async def start(self) -> Server:
        """Listen."""
        return await serve(
            self.handle,
            self._config.bind_ip,
            self._config.bind_port,
            process_request=self.admit,
            subprotocols=[SUBPROTOCOL],
            select_subprotocol=_subprotocol,
            compression=None,
            open_timeout=2 * PATIENCE_SECONDS,
            server_header="apus-console-server",
        )

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what asks for no websocket; let a websocket in, or refuse it."""
        headers = request.headers
        connects, upgrades = headers.get_all("Connection"), headers.get_all("Upgrade")
        if not wants_websocket(", ".join(connects), ", ".join(upgrades)):
            return await self._page(request.path)
        try:
            opening = await asyncio.to_thread(self._ask, token_of(request.path, headers.get("Cookie", "")))
            own = is_own_page(
                headers.get("Origin"),
                headers.get("Host", ""),
                scheme=opening.scheme,
                allowed=self._config.allowed_origins,
            )
            if not own:
                raise Refused("its page is another host's")
        except (Missing, Refused) as problem:
            log.info("a console was refused", extra={"reason": str(problem)})
            OPENED.labels("none", "refused").inc()
            return _response(403, "Forbidden", b"")
        except Unavailable as problem:
            log.warning("the server service does not answer", extra={"reason": str(problem)})
            OPENED.labels("none", "failed").inc()
            return _response(503, "Service Unavailable", b"")
        self._openings[connection] = opening
        return None

    async def handle(self, connection: ServerConnection) -> None:
        """Carry bytes both ways until either side ends."""
        opening = self._openings.pop(connection)
        fields = {"server": opening.server_id, "kind": opening.kind}
        try:
            reader, writer = await asyncio.wait_for(_open(opening), PATIENCE_SECONDS)
        except (OSError, Unavailable, TimeoutError, asyncio.IncompleteReadError) as problem:
            log.warning("a host does not open a console", extra={**fields, "reason": repr(problem)})
            OPENED.labels(opening.kind, "failed").inc()
            await connection.close(CloseCode.TRY_AGAIN_LATER, "the server's host does not open its console")
            return
        log.info("a console was opened", extra=fields)
        OPENED.labels(opening.kind, "opened").inc()
        OPEN.labels(opening.kind).inc()
        try:
            await _carry(connection, reader, writer)
        finally:
            OPEN.labels(opening.kind).dec()
            log.info("a console was closed", extra=fields)
            writer.close()

    async def _page(self, path: str) -> Response:
        place = path.partition("?")[0]
        if place == "/healthcheck":
            return _response(200, "OK", b"OK", "text/plain")
        if place == metrics.PATH:
            return _response(200, "OK", generate_latest(self._registry), CONTENT_TYPE_LATEST)
        folder = Path(self._config.novnc_folder)
        page = await asyncio.to_thread(page_at, folder, place)
        if page is None:
            return _response(404, "Not Found", b"" if folder.is_dir() else MISSING, "text/plain")
        return _response(200, "OK", page.body, page.content_type)

    def _ask(self, token: str) -> Opening:
        """Return what a token opens; raise Missing for nothing, Unavailable where nobody says."""
        if not token:
            raise Missing("there is no token")
        try:
            answer = requests.post(
                f"{self._config.api_url.rstrip('/')}/internal/consoles",
                json={"token": token},
                headers={"X-Apus-Console-Key": self._config.key},
                timeout=PATIENCE_SECONDS,
            )
        except requests.RequestException as problem:
            raise Unavailable(str(problem)) from problem
        if answer.status_code == 404:
            raise Missing("the token opens nothing")
        if answer.status_code != 200:
            raise Unavailable(f"it answers {answer.status_code}: {answer.text[:200]}")
        return Opening(**answer.json())


async def _open(opening: Opening) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the console; raise Unavailable where the host refuses."""
    place = urlsplit(opening.door)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=PIECE_BYTES)
    try:
        lines = (
            f"GET {place.path} HTTP/1.1",
            f"Host: {place.netloc}",
            "Connection: Upgrade",
            f"Upgrade: {UPGRADE}",
            f"X-Apus-Console-Ticket: {opening.ticket}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        if status != [b"101"]:
            raise Unavailable(f"it answers {head[:HEAD_BYTES_MAX].splitlines()[0]!r}")
    except BaseException:
        writer.close()
        raise
    return reader, writer


async def _carry(
    connection: ServerConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    ways = (
        asyncio.create_task(_to_client(connection, reader)),
        asyncio.create_task(_to_console(connection, writer)),
    )
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _to_client(connection: ServerConnection, reader: asyncio.StreamReader) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            await connection.send(piece)
    except (OSError, ConnectionClosed):
        pass  # Either side went away: that is how consoles end.


async def _to_console(connection: ServerConnection, writer: asyncio.StreamWriter) -> None:
    try:
        async for message in connection:
            writer.write(message.encode() if isinstance(message, str) else message)
            await writer.drain()
    except (OSError, ConnectionClosed):
        pass


def _subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    del connection
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _response(status: int, reason: str, body: bytes, content_type: str = "text/plain") -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            # The page's own address has the token in it.
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
    )
    return Response(status, reason, headers, body)
