"""Recording that somebody wants something of a server: the task that begins, and who asked.

undertake(world, call, server, rule, recorded, **values) ──▶ the task stands, its doer is told      or
WrongState
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ...api.call import Call
from .. import fleet
from ..records import Server
from ..states import begin
from ..world import World, record_action


def record(connection: Connection, call: Call, server: Server, action: str, now: float) -> None:
    """Note who asked for what."""
    record_action(
        connection,
        server_id=server.id,
        action=action,
        request_id=call.request_id,
        user_id=call.identity.user_id,
        project_id=call.identity.project_id or "",
        now=now,
    )


def undertake(world: World, call: Call, server: Server, rule: str, recorded: str, **values: Any) -> None:
    """Record the task that the action begins, if it is allowed now; let whoever does it know.

    Raises:
        WrongState: it is not allowed now.
    """

    def write(connection: Connection) -> None:
        current = fleet.server_of(connection, server.id)
        task = begin(rule, current.standing, server_id=server.id, is_admin=call.is_admin)
        now = world.clock()
        fleet.change(connection, current, now, **{"task_state": task, "task": {}, **values})
        record(connection, call, current, recorded, now)

    world.catalogue.transaction(write)
    world.wake(server.id)
