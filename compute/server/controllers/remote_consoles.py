"""Interactive consoles: a URL for whoever may reach the server, and what the console server may know.

POST …/remote-consoles ──▶ a token ──▶ {"url": "ws://…/?token=…"} or the page of noVNC
console server: POST /internal/consoles {"token"} ──▶ which door of which host, and the ticket for it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound, Unauthorized
from ...api.reply import answer
from ...api.routing import served
from .. import fleet
from ..console_tokens import Kind, Opening, issue, redeem
from ..keys import console_key, host_key, matches, ticket
from ..records import Server
from ..states import Power
from ..world import World
from .rim import minor, scope_of, since, text, until

CONSOLE_KEY_HEADER = "X-Apus-Console-Key"
# Long enough for the clocks of two hosts to differ by a little; a ticket is used within a second.
TICKET_SECONDS = 300
KINDS: Mapping[tuple[str, str], Kind] = {("serial", "serial"): Kind.SERIAL, ("vnc", "novnc"): Kind.VNC}
PROTOCOLS = ("vnc", "spice", "rdp", "serial")
TYPES = ("novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial")
MKS_SINCE = 8
SHOWN_SINCE = 31


class RemoteConsoleController:
    """Serves remote-consoles, their older actions, os-console-auth-tokens, and the console server."""

    def __init__(self, world: World) -> None:
        self._world = world

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {
            "os-getVNCConsole": lambda call, server, asked: self._old(call, server, "vnc", asked),
            "os-getSerialConsole": lambda call, server, asked: self._old(call, server, "serial", asked),
            "os-getSPICEConsole": lambda call, server, asked: self._old(call, server, "spice", asked),
            "os-getRDPConsole": lambda call, server, asked: self._old(call, server, "rdp", asked),
        }

    @served("POST", "/v2.1/servers/{server_id}/remote-consoles")
    def create(self, call: Call, server_id: str) -> Response:
        """Return the URL of a console."""
        since(call, 6)
        asked = call.member("remote_console")
        newer = minor(call) >= MKS_SINCE
        protocol = _one_of(asked, "protocol", (*PROTOCOLS, "mks") if newer else PROTOCOLS)
        kind = _one_of(asked, "type", (*TYPES, "webmks") if newer else TYPES)
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
        url = self._url(server, protocol, kind)
        return answer(200, {"remote_console": {"protocol": protocol, "type": kind, "url": url}})

    def _old(self, call: Call, server: Server, protocol: str, asked: Any) -> Response:
        until(call, 5)
        kind = text(asked if isinstance(asked, dict) else {}, "type")
        return answer(200, {"console": {"type": kind, "url": self._url(server, protocol, kind)}})

    def _url(self, server: Server, protocol: str, wanted: str) -> str:
        kind = KINDS.get((protocol, wanted))
        base = self._world.settings.console_url
        if kind is None or not base:
            raise BadRequest(f"Unavailable console type {wanted}.")
        if server.host is None or server.power_state not in (Power.RUNNING, Power.PAUSED):
            raise Conflict(f"Instance {server.id} is not ready")
        with self._world.catalogue.write() as connection:
            seconds = self._world.settings.console_seconds
            token = issue(connection, server, kind, now=self._world.clock(), seconds=seconds)
        return console_url(base, kind, token)

    @served("GET", "/v2.1/os-console-auth-tokens/{token}")
    def show(self, call: Call, token: str) -> Response:
        """Tell an administrator where the console is that a token opens."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            opening = redeem(connection, token, self._world.clock())
            door = self._door(connection, opening)
        if minor(call) < SHOWN_SINCE:
            raise Unauthorized("The requested console type details are not accessible")
        place = urlsplit(door)
        console = {
            "instance_uuid": opening.server.id,
            "host": place.hostname,
            "port": place.port,
            "internal_access_path": place.path,
        }
        return answer(200, {"console": console})

    @served("POST", "/internal/consoles", open_to_all=True)
    def opened(self, call: Call) -> Response:
        """Tell the console server what a token opens, and give it the ticket for that door."""
        settings = self._world.settings
        given = call.request.headers.get(CONSOLE_KEY_HEADER, "")
        if not settings.agent_secret or not matches(given, console_key(settings.agent_secret)):
            raise Unauthorized("The console server's key is needed.")
        now = self._world.clock()
        with self._world.catalogue.read() as connection:
            opening = redeem(connection, text(call.json(), "token"), now)
            door = self._door(connection, opening)
        key = host_key(settings.agent_secret, str(opening.server.host))
        document = {
            "kind": opening.kind.value,
            "server_id": opening.server.id,
            "door": door,
            "ticket": ticket(key, urlsplit(door).path, now + TICKET_SECONDS),
            "scheme": urlsplit(settings.console_url).scheme,
        }
        return answer(200, document)

    def _door(self, connection: Any, opening: Opening) -> str:
        """Return the URL at which the host of the server, wherever that is now, passes its console on."""
        server = opening.server
        if server.host is None:
            raise NotFound("Token not found")
        base = fleet.host_named(connection, server.host).resources.get("console_url")
        if not base:
            raise NotFound("Token not found")
        return f"{base}/{server.id}/{opening.kind.value}"


def console_url(base: str, kind: Kind, token: str) -> str:
    """Return what a person opens, noVNC's page, or what a program connects to, the websocket itself."""
    place = urlsplit(base)
    folder = place.path.rstrip("/")
    if kind is Kind.VNC:
        # noVNC puts the path behind its page's host, not behind its folder.
        path = f"{folder.lstrip('/')}/" if folder else ""
        query = f"path={quote(f'{path}?token={token}', safe='')}"
        return urlunsplit((place.scheme, place.netloc, f"{folder}/vnc_lite.html", query, ""))
    scheme = "wss" if place.scheme == "https" else "ws"
    return urlunsplit((scheme, place.netloc, f"{folder}/", f"token={token}", ""))


def _one_of(document: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = document.get(name)
    if value not in allowed:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {value!r}. {value!r} is not one of "
            f"{', '.join(allowed)}"
        )
    return str(value)
