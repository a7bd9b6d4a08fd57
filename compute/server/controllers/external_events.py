"""What other services tell of a server's ports and volumes.

POST /os-server-external-events ──▶ each event judged ──▶ 200 all taken, 207 some, 404 none
    network-changed ──▶ the port's addresses, read anew        network-vif-deleted ──▶ the port is unplugged

Events that nothing waits for here (a port is plugged, a volume has grown) are taken: hosts see to that
themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, update
from webob import Response

from ....common.errors import Missing
from ...api.call import Call
from ...api.faults import BadRequest, Fault
from ...api.reply import answer
from ...api.routing import served
from .. import fleet, tables
from ..healing import refresh
from ..records import Interface, Server
from ..world import World
from .rim import minor

log = logging.getLogger(__name__)

# Events by the microversion that brought them.
EVENTS: Mapping[str, int] = {
    "network-changed": 1,
    "network-vif-plugged": 1,
    "network-vif-unplugged": 1,
    "network-vif-deleted": 1,
    "volume-extended": 51,
    "power-update": 76,
    "accelerator-request-bound": 82,
    "volume-reimaged": 93,
}
TAGGED = ("network-vif-deleted", "volume-extended", "accelerator-request-bound", "volume-reimaged")
STATUSES = ("completed", "failed", "in-progress")
EVENTS_MAX = 1000


class ExternalEventController:
    """Serves os-server-external-events."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("POST", "/v2.1/os-server-external-events")
    def create(self, call: Call) -> Response:
        """Take events; each is answered with its own code."""
        call.require("admin", "service")
        events = call.json("events")["events"]
        if not isinstance(events, list) or not 0 < len(events) <= EVENTS_MAX:
            raise BadRequest(f"events must be a list of 1 to {EVENTS_MAX} events.")
        for event in events:
            _check(event, minor(call))
        judged = [{**event, **self._take(event)} for event in events]
        codes = {event["code"] for event in judged}
        if 200 not in codes:
            raise Fault(404, "No instances found for any event")
        return answer(200 if codes == {200} else 207, {"events": judged})

    def _take(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the event asks for; return its code and status."""
        status = event.get("status", "completed")
        try:
            with self._world.catalogue.read() as connection:
                server = fleet.server_of(connection, event["server_uuid"])
                ports = fleet.interfaces_of(connection, [server.id])[server.id]
        except Missing:
            return {"code": 404, "status": "failed"}
        if event["name"] in TAGGED and not event.get("tag"):
            return {"code": 400, "status": "failed"}
        if server.host is None:
            return {"code": 422, "status": "failed"}
        meant = [port for port in ports if event.get("tag") in (None, port.port_id)]
        if event["name"] == "network-changed":
            for port in meant:
                refresh(self._world, server, port)
        elif event["name"] == "network-vif-deleted":
            for port in meant:
                self._unplug(server, port)
        log.info("an event was taken", extra={"server": server.id, "event": event["name"]})
        return {"code": 200, "status": status}

    def _unplug(self, server: Server, port: Interface) -> None:
        table = tables.interfaces

        def write(connection: Connection) -> None:
            where = table.c.port_id == port.port_id
            connection.execute(update(table).where(where).values(state="detaching"))
            fleet.call_hosts(connection, [server.host])

        self._world.catalogue.transaction(write)


def _check(event: Any, version: int) -> None:
    """Refuse what is no event of this microversion."""
    if not isinstance(event, dict) or not isinstance(event.get("server_uuid"), str):
        raise BadRequest("Each event must have a name and a server_uuid.")
    if EVENTS.get(str(event.get("name")), version + 1) > version:
        raise BadRequest(f"Invalid input for field/attribute name. Value: {event.get('name')!r}.")
    if event.get("status", "completed") not in STATUSES:
        raise BadRequest(f"Invalid input for field/attribute status. Value: {event['status']!r}.")
    tag = event.get("tag")
    if tag is not None and (not isinstance(tag, str) or len(tag) > 255):
        raise BadRequest(f"Invalid input for field/attribute tag. Value: {tag!r}.")
