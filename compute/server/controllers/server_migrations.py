"""Live migrations of a server that are under way.

GET …/migrations ──▶ rows of `migrations` that run        DELETE, force_complete ──▶ there is nothing to hurry

A guest that moves stands still and goes through the store: it can neither lag behind the guest's writes, so
that somebody would have to force it, nor be called back halfway.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet, tables
from ..views.migration import facts_of
from ..world import World
from .rim import minor, since

FORCED_SINCE, LISTED_SINCE, ABORTED_SINCE = 22, 23, 24
# Nothing counts the bytes; what is under way is whole or not there.
UNCOUNTED = tuple(
    f"{what}_{which}_bytes" for what in ("memory", "disk") for which in ("total", "processed", "remaining")
)


class ServerMigrationController:
    """Serves servers' migrations."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _running(self, connection: Connection, server_id: str) -> list[Any]:
        fleet.server_of(connection, server_id)
        table = tables.migrations
        query = select(table).where(table.c.server_id == server_id, table.c.kind == "live-migration")
        return list(connection.execute(query.where(table.c.status == "running").order_by(table.c.id)))

    def _one(self, server_id: str, migration_id: str) -> Any:
        with self._world.catalogue.read() as connection:
            rows = self._running(connection, server_id)
        row = next((row for row in rows if str(row.id) == migration_id), None)
        if row is None:
            raise NotFound(f"In-progress live migration {migration_id} is not found for server {server_id}.")
        return row

    @served("GET HEAD", "/v2.1/servers/{server_id}/migrations")
    def index(self, call: Call, server_id: str) -> Response:
        """List them."""
        since(call, LISTED_SINCE)
        call.require("admin")
        with self._world.catalogue.read() as connection:
            rows = self._running(connection, server_id)
        return answer(200, {"migrations": [_written(row, minor(call)) for row in rows]})

    @served("GET HEAD", "/v2.1/servers/{server_id}/migrations/{migration_id}")
    def show(self, call: Call, server_id: str, migration_id: str) -> Response:
        """Show one."""
        since(call, LISTED_SINCE)
        call.require("admin")
        return answer(200, {"migration": _written(self._one(server_id, migration_id), minor(call))})

    @served("POST", "/v2.1/servers/{server_id}/migrations/{migration_id}/action")
    def act(self, call: Call, server_id: str, migration_id: str) -> Response:
        """Take force_complete: the guest stands still already, which is all that it could ask for."""
        since(call, FORCED_SINCE)
        call.require("admin")
        if list(call.json()) != ["force_complete"]:
            raise BadRequest("The one action on a migration is force_complete.")
        self._one(server_id, migration_id)
        return empty(202)

    @served("DELETE", "/v2.1/servers/{server_id}/migrations/{migration_id}")
    def abort(self, call: Call, server_id: str, migration_id: str) -> Response:
        """Refuse: what has left cannot be called back, and takes no longer to arrive."""
        since(call, ABORTED_SINCE)
        call.require("admin")
        row = self._one(server_id, migration_id)
        raise BadRequest(
            f"Migration {row.id} state of instance {server_id} is {row.status}. Cannot abort while the "
            "migration is in this state."
        )


def _written(row: Any, version: int) -> dict[str, Any]:
    return {**facts_of(row, version), "server_uuid": row.server_id, **dict.fromkeys(UNCOUNTED)}
