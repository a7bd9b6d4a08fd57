"""What hypervisor and host know of a server, and having the guest write down what it knows.

GET …/diagnostics ──▶ the agent's door ──▶ old_form() before 2.48, new_form() since
{"trigger_crash_dump": null} ──▶ the agent's door ──▶ an interrupt
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from webob import Response

from ...api.call import Call
from ...api.faults import Conflict
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet
from ..diagnosis import Diagnostics, new_form, old_form
from ..doors import ask_host
from ..records import Server
from ..states import Power, begin
from ..world import World
from .rim import minor, scope_of, since
from .wishes import record

CRASH_SINCE = 17
ONE_FORM_SINCE = 48
TOPOLOGY_SINCE = 78
STATES = {Power.RUNNING: "running", Power.PAUSED: "paused"}


class DiagnosticsController:
    """Serves diagnostics and topology."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _server(self, call: Call, server_id: str) -> Server:
        with self._world.catalogue.read() as connection:
            return fleet.server_of(connection, server_id, scope_of(call))

    @served("GET HEAD", "/v2.1/servers/{server_id}/diagnostics")
    def diagnostics(self, call: Call, server_id: str) -> Response:
        """Show an administrator what was counted of a machine that runs."""
        call.require("admin")
        server = self._server(call, server_id)
        state = STATES.get(Power(server.power_state))
        if state is None:
            raise Conflict(
                f"Instance {server.id} in power state {Power(server.power_state).name.lower()}. Cannot "
                "get_diagnostics while the instance is in this state."
            )
        found = Diagnostics.of_json(orjson.loads(ask_host(self._world, server, "/diagnostics")))
        if minor(call) < ONE_FORM_SINCE:
            return answer(200, old_form(found))
        began = server.launched_at or server.created_at
        uptime = max(0, int(self._world.clock() - began))
        return answer(200, new_form(found, state=state, config_drive=server.config_drive, uptime=uptime))

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {"trigger_crash_dump": self._crash}

    def _crash(self, call: Call, server: Server, argument: Any) -> Response:
        """Send the guest an interrupt that nothing masks; what it does then is its kernel's affair."""
        since(call, CRASH_SINCE)
        del argument
        begin("trigger_crash_dump", server.standing, server_id=server.id, is_admin=call.is_admin)
        ask_host(self._world, server, "/interrupt", method="POST")
        with self._world.catalogue.write() as connection:
            record(connection, call, server, "trigger_crash_dump", self._world.clock())
        return empty(202)

    @served("GET HEAD", "/v2.1/servers/{server_id}/topology")
    def topology(self, call: Call, server_id: str) -> Response:
        """Show how processors and memory are spread over nodes: they are not, whatever the flavor says."""
        since(call, TOPOLOGY_SINCE)
        self._server(call, server_id)
        return answer(200, {"nodes": [], "pagesize_kb": None})
