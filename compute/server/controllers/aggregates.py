"""Aggregates: named sets of hosts, with facts that the scheduler reads; one of them makes a zone.

POST os-aggregates, actions add_host, remove_host, set_metadata ──▶ the catalogue        administrators only
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import plain
from .. import fleet, tables
from ..world import World
from .rim import minor, text

ZONE = "availability_zone"
_NOT_YET = ("hosts", "metadata")  # A new aggregate is shown without; clients validate that.


class AggregateController:
    """Serves /os-aggregates."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("GET HEAD", "/v2.1/os-aggregates")
    def index(self, call: Call) -> Response:
        """List all."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            rows = list(connection.execute(select(tables.aggregates).order_by(tables.aggregates.c.id)))
        return answer(200, {"aggregates": [_written(row, call) for row in rows]})

    def _row(self, connection: Connection, aggregate_id: str) -> Any:
        table = tables.aggregates
        number = int(aggregate_id) if aggregate_id.isascii() and aggregate_id.isdigit() else -1
        row = connection.execute(select(table).where(table.c.id == number)).first()
        if row is None:
            raise NotFound(f"Aggregate {aggregate_id} could not be found.")
        return row

    @served("GET HEAD", "/v2.1/os-aggregates/{aggregate_id}")
    def show(self, call: Call, aggregate_id: str) -> Response:
        """Show one."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            row = self._row(connection, aggregate_id)
        return answer(200, {"aggregate": _written(row, call)})

    @served("POST", "/v2.1/os-aggregates")
    def create(self, call: Call) -> Response:
        """Make one."""
        call.require("admin")
        asked = call.member("aggregate")
        zone = asked.get(ZONE)
        values = {
            "uuid": str(uuid.uuid4()),
            "name": text(asked, "name"),
            "metadata": {ZONE: zone} if zone else {},
            "hosts": [],
            "created_at": self._world.clock(),
        }
        try:
            with self._world.catalogue.write() as connection:
                made = connection.execute(insert(tables.aggregates).values(**values))
                key = made.inserted_primary_key
                assert key is not None
                row = self._row(connection, str(key[0]))
        except IntegrityError as problem:
            raise Conflict(f"Aggregate {values['name']} already exists.") from problem
        written = _written(row, call)
        return answer(200, {"aggregate": {key: written[key] for key in written if key not in _NOT_YET}})

    def _change(self, call: Call, aggregate_id: str, **values: Any) -> Response:
        table = tables.aggregates
        with self._world.catalogue.write() as connection:
            row = self._row(connection, aggregate_id)
            connection.execute(
                update(table).where(table.c.id == row.id).values(updated_at=self._world.clock(), **values)
            )
            row = self._row(connection, aggregate_id)
        return answer(200, {"aggregate": _written(row, call)})

    @served("PUT", "/v2.1/os-aggregates/{aggregate_id}")
    def change(self, call: Call, aggregate_id: str) -> Response:
        """Change name or zone."""
        call.require("admin")
        asked = call.member("aggregate")
        values: dict[str, Any] = {}
        if "name" in asked:
            values["name"] = text(asked, "name")
        if ZONE in asked:
            with self._world.catalogue.read() as connection:
                row = self._row(connection, aggregate_id)
            values["metadata"] = _merged(row.metadata, {ZONE: asked[ZONE]})
        return self._change(call, aggregate_id, **values)

    @served("DELETE", "/v2.1/os-aggregates/{aggregate_id}")
    def remove(self, call: Call, aggregate_id: str) -> Response:
        """Remove one that has no hosts."""
        call.require("admin")
        with self._world.catalogue.write() as connection:
            row = self._row(connection, aggregate_id)
            if row.hosts:
                raise BadRequest(f"Cannot remove aggregate {aggregate_id}: it has hosts.")
            connection.execute(delete(tables.aggregates).where(tables.aggregates.c.id == row.id))
        return empty(200)

    @served("POST", "/v2.1/os-aggregates/{aggregate_id}/action")
    def act(self, call: Call, aggregate_id: str) -> Response:
        """Add or remove a host, or set metadata."""
        call.require("admin")
        document = call.json()
        name, asked = next(iter(document.items()), ("", None))
        if len(document) != 1 or not isinstance(asked, dict):
            raise BadRequest("The body must name one action.")
        with self._world.catalogue.read() as connection:
            row = self._row(connection, aggregate_id)
            if name in ("add_host", "remove_host"):
                fleet.host_named(connection, text(asked, "host"))
        if name == "set_metadata":
            return self._change(
                call, aggregate_id, metadata=_merged(row.metadata, asked.get("metadata") or {})
            )
        if name == "add_host":
            if asked["host"] in row.hosts:
                raise Conflict(f"Host {asked['host']} is in the aggregate already.")
            return self._change(call, aggregate_id, hosts=[*row.hosts, asked["host"]])
        if name == "remove_host":
            if asked["host"] not in row.hosts:
                raise NotFound(f"Host {asked['host']} is not in the aggregate.")
            left = [host for host in row.hosts if host != asked["host"]]
            return self._change(call, aggregate_id, hosts=left)
        raise BadRequest(f"There is no such action: {name}")


def _merged(old: Mapping[str, str], new: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata with changes; null removes."""
    merged = {**old, **new}
    return {key: str(value) for key, value in merged.items() if value is not None}


def _written(row: Any, call: Call) -> dict[str, Any]:
    written = {
        "id": row.id,
        "name": row.name,
        "hosts": list(row.hosts),
        "metadata": dict(row.metadata),
        ZONE: row.metadata.get(ZONE),
        "created_at": plain(row.created_at),
        "updated_at": plain(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    if minor(call) >= 41:
        written["uuid"] = row.uuid
    return written
