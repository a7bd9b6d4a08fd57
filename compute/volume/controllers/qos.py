"""QoS specs and the types they hold for: kept and told, but nothing here slows a disk down.

GET POST /qos-specs   GET PUT DELETE /qos-specs/{id}   associations   associate   disassociate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, update
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..asking import truth
from ..office import Office
from ..reading import required_text, string_map, text
from ..tables import qos_specs, types
from ..views import type as view
from ..views.viewer import Row, Viewer
from .doors import at
from .volume_making import type_by

CONSUMERS = ("front-end", "back-end", "both")


@dataclass(frozen=True, slots=True)
class QosController:
    """Serves /qos-specs."""

    office: Office

    @at("GET HEAD", "/qos-specs")
    def index(self, call: Call) -> Response:
        """List them."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            listed = rows.where(connection, qos_specs)
        return answer(200, {"qos_specs": [view.qos(row) for row in listed]})

    @at("POST", "/qos-specs")
    def create(self, call: Call) -> Response:
        """Make one."""
        call.require("admin")
        document = dict(call.member("qos_specs"))
        name, consumer = required_text(document, "name"), text(document, "consumer") or "back-end"
        if consumer not in CONSUMERS:
            raise BadRequest(f"Valid consumer of QoS specs are: {', '.join(CONSUMERS)}.")
        specs = string_map({key: value for key, value in document.items() if key not in ("name", "consumer")})
        row = {"id": rows.new_id(), "name": name, "consumer": consumer, "specs": specs}

        def work(connection: Connection) -> None:
            if rows.where(connection, qos_specs, qos_specs.c.name == name):
                raise Conflict(f"QoS specs {name} already exists.")
            rows.add(connection, qos_specs, {**row, "created_at": self.office.clock()})

        self.office.catalogue.transaction(work)
        return answer(200, view.qos_alone(Viewer.of(call), row))

    @at("GET HEAD", "/qos-specs/{qos_id}")
    def show(self, call: Call, qos_id: str) -> Response:
        """Show one."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            row = _found(connection, qos_id)
        return answer(200, view.qos_alone(Viewer.of(call), row))

    @at("PUT", "/qos-specs/{qos_id}")
    def update(self, call: Call, qos_id: str) -> Response:
        """Set keys; "consumer" among them is the consumer."""
        call.require("admin")
        new = dict(call.member("qos_specs"))
        consumer = text(new, "consumer")
        if consumer is not None and consumer not in CONSUMERS:
            raise BadRequest(f"Valid consumer of QoS specs are: {', '.join(CONSUMERS)}.")
        specs = string_map({key: value for key, value in new.items() if key != "consumer"})
        with self.office.catalogue.write() as connection:
            row = _found(connection, qos_id)
            kept = {**row["specs"], **specs}
            rows.change(connection, qos_specs, qos_id, specs=kept, consumer=consumer or row["consumer"])
        return answer(200, {"qos_specs": new})

    @at("PUT", "/qos-specs/{qos_id}/delete_keys")
    def delete_keys(self, call: Call, qos_id: str) -> Response:
        """Remove keys."""
        call.require("admin")
        keys = call.json("keys")["keys"]
        if not isinstance(keys, list):
            raise BadRequest("'keys' must be a list.")
        with self.office.catalogue.write() as connection:
            row = _found(connection, qos_id)
            lacking = [key for key in keys if key not in row["specs"]]
            if lacking:
                raise BadRequest(f"QoS spec {qos_id} has no spec with key {lacking[0]}.")
            left = {key: value for key, value in row["specs"].items() if key not in keys}
            rows.change(connection, qos_specs, qos_id, specs=left)
        return empty(202)

    @at("DELETE", "/qos-specs/{qos_id}")
    def delete(self, call: Call, qos_id: str) -> Response:
        """Delete one that no type has; with ?force also one that types have."""
        call.require("admin")
        force = truth("force", call.query.get("force", "false"))

        def work(connection: Connection) -> None:
            _found(connection, qos_id)
            used = rows.counted(connection, types, [types.c.qos_specs_id == qos_id])
            if used and not force:
                raise BadRequest(f"QoS Specs {qos_id} is still associated with entities.")
            connection.execute(update(types).where(types.c.qos_specs_id == qos_id).values(qos_specs_id=None))
            rows.drop(connection, qos_specs, qos_specs.c.id == qos_id)

        self.office.catalogue.transaction(work)
        return empty(202)

    @at("GET HEAD", "/qos-specs/{qos_id}/associations")
    def associations(self, call: Call, qos_id: str) -> Response:
        """List the types that have it."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            _found(connection, qos_id)
            having = rows.where(connection, types, types.c.qos_specs_id == qos_id)
        listed = [{"association_type": "volume_type", "name": row["name"], "id": row["id"]} for row in having]
        return answer(200, {"qos_associations": listed})

    @at("GET HEAD", "/qos-specs/{qos_id}/associate")
    def associate(self, call: Call, qos_id: str) -> Response:
        """Give it to a type (a GET that changes something, as Cinder has it)."""
        return self._set(call, qos_id, to=qos_id)

    @at("GET HEAD", "/qos-specs/{qos_id}/disassociate")
    def disassociate(self, call: Call, qos_id: str) -> Response:
        """Take it from a type."""
        return self._set(call, qos_id, to=None)

    @at("GET HEAD", "/qos-specs/{qos_id}/disassociate_all")
    def disassociate_all(self, call: Call, qos_id: str) -> Response:
        """Take it from all types."""
        call.require("admin")
        with self.office.catalogue.write() as connection:
            _found(connection, qos_id)
            connection.execute(update(types).where(types.c.qos_specs_id == qos_id).values(qos_specs_id=None))
        return empty(202)

    def _set(self, call: Call, qos_id: str, *, to: str | None) -> Response:
        call.require("admin")
        wanted = call.query.get("vol_type_id")
        if not wanted:
            raise BadRequest("Volume Type id must not be None.")
        with self.office.catalogue.write() as connection:
            _found(connection, qos_id)
            changes: dict[str, Any] = {"qos_specs_id": to}
            rows.change(connection, types, type_by(connection, call, wanted)["id"], **changes)
        return empty(202)


def _found(connection: Connection, qos_id: str) -> Row:
    row = rows.one(connection, qos_specs, qos_id)
    if row is None:
        raise NotFound(f"No such QoS spec {qos_id}.")
    return row
