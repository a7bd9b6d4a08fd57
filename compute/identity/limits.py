"""Unified limits, as services read them: what a project may have of a resource.

    registered_limits: the default of each resource        limits: what one project has instead

Both are made by whole lists, as the API has it; they are kept and told here, and held by the services.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest
from ..api.reply import answer
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection, base_of, found
from .fields import NUMBER, Field, Kind, stored
from .places import PROJECTS, exists
from .world import Change, Record, new_id

_COMMON = (
    Field("service_id", required=True, nullable=False, fixed=True),
    Field("region_id", fixed=True),
    Field("resource_name", required=True, nullable=False, fixed=True),
    Field("description"),
)
REGISTERED = Kind(
    "registered_limits",
    "registered_limit",
    tables.registered_limits,
    (*_COMMON, Field("default_limit", NUMBER, required=True, nullable=False)),
    filters=("service_id", "region_id", "resource_name"),
    blank_as_none=("region_id",),
    keeps_extra=False,
)
LIMITS = Kind(
    "limits",
    "limit",
    tables.limits,
    (
        *_COMMON,
        Field("project_id", required=True, nullable=False, fixed=True),
        Field("resource_limit", NUMBER, required=True, nullable=False),
    ),
    filters=("service_id", "region_id", "resource_name", "project_id"),
    blank_as_none=("region_id",),
    keeps_extra=False,
)


class RegisteredLimits(Collection):
    """/v3/registered_limits; anybody with a token may read them."""

    kind = REGISTERED

    def may_see(self, call: Call, row: Record) -> bool:
        """Return True: they say nothing about anybody."""
        del row
        return bool(call.identity)

    def within_reach(self, call: Call) -> Select[Any]:
        """Return all of them."""
        assert call.identity
        return select(self.kind.table)

    def create(self, call: Call) -> Response:
        """Make several."""
        wanted = call.json(self.kind.plural)[self.kind.plural]
        if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted) or not wanted:
            raise BadRequest(f"{self.kind.plural!r} must be a list of objects")
        policy.demand(policy.administers_all(call.identity))

        def work(change: Change) -> list[Record]:
            made = []
            for each in wanted:
                values = {"id": new_id(), "region_id": "", **stored(self.kind, each)}
                self.prepare(change, values, None)
                change.connection.execute(self.kind.table.insert().values(**values))
                row = found(change.connection, self.kind, values["id"])
                made.append(self.document(change.connection, row, base_of(self.world, call)))
            return made

        return answer(201, {self.kind.plural: self.world.change(work)})

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the service."""
        if before is None and not exists(change.connection, tables.services, values["service_id"]):
            raise BadRequest(f"There is no service {values['service_id']}.")


class Limits(RegisteredLimits):
    """/v3/limits; each project reads its own."""

    kind = LIMITS

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of limits, and of the model that they follow."""
        super().add_to(routes)
        routes.get("/v3/limits/model")(self.model)

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether it is of the caller's project."""
        return policy.sees_all(call.identity) or call.identity.project_id == row["project_id"]

    def within_reach(self, call: Call) -> Select[Any]:
        """Return those of the caller's project, or all."""
        rows = select(tables.limits)
        if policy.sees_all(call.identity):
            return rows
        return rows.where(tables.limits.c.project_id == (call.identity.project_id or ""))

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check service, project, and that the resource is registered."""
        super().prepare(change, values, before)
        if before is None:
            found(change.connection, PROJECTS, values["project_id"])

    def model(self, call: Call) -> Response:
        """Tell how limits of projects hang together: not at all."""
        assert call.identity
        words = "Limits of a project are its own; those of projects above and below say nothing about it."
        return answer(200, {"model": {"name": "flat", "description": words}})
