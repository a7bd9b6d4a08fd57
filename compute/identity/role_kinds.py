"""Roles, and which of them imply others.

    admin ──implies──▶ member ──implies──▶ reader

A token has the implied roles too. Nothing can imply admin: who may give a role would give that as well.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, delete, select
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, Forbidden, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection, base_of, found
from .fields import Field, Kind
from .grants import closure, implications_in
from .places import exists, forget
from .world import Change, Record, record

ROLES = Kind(
    "roles",
    "role",
    tables.roles,
    (Field("name", required=True, nullable=False), Field("description"), Field("domain_id", fixed=True)),
    filters=("name", "domain_id"),
    blank_as_none=("domain_id",),
)


class Roles(Collection):
    """/v3/roles and /v3/role_inferences."""

    kind = ROLES

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of roles and inferences."""
        super().add_to(routes)
        one = "/v3/roles/{prior_id}/implies/{implied_id}"
        routes.get("/v3/roles/{prior_id}/implies")(self.implied)
        routes.get(one)(self.show_inference)
        routes.put(one)(self.infer)
        routes.delete(one)(self.stop_inferring)
        routes.get("/v3/role_inferences")(self.inferences)

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether the caller administers or reads anything: who gives roles must find them."""
        del row
        return policy.sees(call.identity, call.identity.domain_id)

    def within_reach(self, call: Call) -> Select[Any]:
        """Return the roles of all domains, unless a domain is named."""
        policy.reach_of(call.identity)
        rows = select(tables.roles)
        return rows if "domain_id" in call.query else rows.where(tables.roles.c.domain_id == "")

    def complete(self, call: Call, values: Record) -> None:
        """A role counts everywhere, unless a domain is named."""
        del call
        values.setdefault("domain_id", "")

    def demand_change(self, call: Call, row: Record) -> None:
        """Only who administers everything makes roles."""
        del row
        policy.demand(policy.administers_all(call.identity))

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the domain."""
        del before
        domain_id = values.get("domain_id")
        if domain_id and not exists(change.connection, tables.domains, domain_id):
            raise NotFound(f"Could not find domain {domain_id}.")

    def removing(self, change: Change, row: Record) -> None:
        """End the tokens that have the role, and those that had others by it."""
        for role_id in closure([row["id"]], implications_in(change.connection)):
            change.revoke(role_id=role_id)
        forget(change.connection, "roles", row["id"])

    def implied(self, call: Call, prior_id: str) -> Response:
        """List what a role implies."""
        policy.reach_of(call.identity)
        with self.world.read() as connection:
            prior = found(connection, ROLES, prior_id)
            document = _inference(connection, prior, base_of(self.world, call))
        links = {"self": f"{base_of(self.world, call)}/roles/{prior_id}/implies"}
        return answer(200, {"role_inference": document, "links": links})

    def show_inference(self, call: Call, prior_id: str, implied_id: str) -> Response:
        """Show that a role implies another; 204 to a HEAD."""
        policy.reach_of(call.identity)
        with self.world.read() as connection:
            if implied_id not in implications_in(connection).get(prior_id, []):
                raise NotFound(f"Role {prior_id} does not imply {implied_id}.")
            document = self._pair(connection, call, prior_id, implied_id)
        return empty(204) if call.request.method == "HEAD" else answer(200, document)

    def infer(self, call: Call, prior_id: str, implied_id: str) -> Response:
        """Let a role imply another."""
        policy.demand(policy.administers_all(call.identity))

        def work(change: Change) -> Record:
            document = self._pair(change.connection, call, prior_id, implied_id)
            known = implications_in(change.connection)
            prior = found(change.connection, ROLES, prior_id)
            implied = found(change.connection, ROLES, implied_id)
            if implied["name"] == policy.ADMIN:
                raise Forbidden("No role can imply admin.")
            if implied["domain_id"] and not prior["domain_id"]:
                raise Forbidden("A role of all domains cannot imply one of a single domain.")
            if prior_id in closure([implied_id], known):
                raise BadRequest("A role cannot imply one that implies it.")
            if implied_id not in known.get(prior_id, []):
                values = {"prior_id": prior_id, "implied_id": implied_id}
                change.connection.execute(tables.implications.insert().values(**values))
            return document

        return answer(201, self.world.change(work))

    def stop_inferring(self, call: Call, prior_id: str, implied_id: str) -> Response:
        """Let a role imply another no more; tokens that have both end."""
        policy.demand(policy.administers_all(call.identity))

        def work(change: Change) -> None:
            column = tables.implications.c
            gone = change.connection.execute(
                delete(tables.implications).where(
                    column.prior_id == prior_id, column.implied_id == implied_id
                )
            )
            if not gone.rowcount:
                raise NotFound(f"Role {prior_id} does not imply {implied_id}.")
            change.revoke(role_id=prior_id)

        self.world.change(work)
        return empty(204)

    def inferences(self, call: Call) -> Response:
        """List all roles that imply others, and what."""
        policy.reach_of(call.identity)
        base = base_of(self.world, call)
        with self.world.read() as connection:
            priors = select(tables.implications.c.prior_id)
            rows = connection.execute(
                select(tables.roles).where(tables.roles.c.id.in_(priors)).order_by(tables.roles.c.id)
            ).all()
            documents = [_inference(connection, record(row), base) for row in rows]
        return answer(200, {"role_inferences": documents, "links": {"self": f"{base}/role_inferences"}})

    def _pair(self, connection: Connection, call: Call, prior_id: str, implied_id: str) -> Record:
        base = base_of(self.world, call)
        prior, implied = found(connection, ROLES, prior_id), found(connection, ROLES, implied_id)
        return {
            "role_inference": {"prior_role": _brief(prior, base), "implies": _brief(implied, base)},
            "links": {"self": f"{base}/roles/{prior_id}/implies/{implied_id}"},
        }


def _brief(role: Record, base: str) -> Record:
    return {"id": role["id"], "name": role["name"], "links": {"self": f"{base}/roles/{role['id']}"}}


def _inference(connection: Connection, prior: Record, base: str) -> Record:
    """Return what a role implies directly."""
    implied = implications_in(connection).get(prior["id"], [])
    rows = connection.execute(select(tables.roles).where(tables.roles.c.id.in_(implied)))
    return {"prior_role": _brief(prior, base), "implies": [_brief(record(row), base) for row in rows]}
