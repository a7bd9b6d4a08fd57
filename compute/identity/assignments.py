"""Who has which role where: given, taken, asked for.

    PUT /v3/{projects,domains}/{id}/{users,groups}/{id}/roles/{id}, /v3/system/…
    …/OS-INHERIT/…/inherited_to_projects: for all projects below, and not for the place itself
    GET /v3/role_assignments: everything that is within reach (effective_assignments.py works it out)

Who loses a role loses the tokens that have it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.sql import ColumnElement
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, NotFound
from ..api.reply import empty
from ..api.routing import Routes
from . import policy, tables
from .collection import base_of, found, listing
from .fields import shown
from .grants import SYSTEM
from .people import GROUPS, USERS, members_of
from .places import DOMAINS, PROJECTS
from .role_kinds import ROLES
from .world import Change, Record, World, record


@dataclass(frozen=True, slots=True)
class Place:
    """Whom an assignment is for and where, as a path says it."""

    actor: str
    actor_id: str
    target: str
    target_id: str
    inherited: bool

    @property
    def condition(self) -> ColumnElement[bool]:
        """What is true of the assignments of this actor in this place."""
        column = tables.assignments.c
        return (
            (column.actor == self.actor)
            & (column.actor_id == self.actor_id)
            & (column.target == self.target)
            & (column.target_id == self.target_id)
            & column.inherited.is_(self.inherited)
        )


class Assignments:
    """The paths on which roles are given."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve them."""
        for target in ("project", "domain"):
            for actor in ("user", "group"):
                plain = f"/v3/{target}s/{{target_id}}/{actor}s/{{actor_id}}/roles"
                inherited = f"/v3/OS-INHERIT{plain[3:]}"
                self._serve(routes, plain, "/{role_id}", Maker(actor, target, inherited=False))
                ending = "/inherited_to_projects"
                self._serve(
                    routes, inherited, "/{role_id}" + ending, Maker(actor, target, inherited=True), ending
                )
        for actor in ("user", "group"):
            plain = f"/v3/system/{actor}s/{{actor_id}}/roles"
            self._serve(routes, plain, "/{role_id}", Maker(actor, "system", inherited=False))

    def _serve(self, routes: Routes, path: str, one: str, maker: Maker, list_ending: str = "") -> None:
        def index(call: Call, actor_id: str, target_id: str = SYSTEM) -> Response:
            return self.index(call, maker.place(actor_id, target_id))

        def has(call: Call, actor_id: str, role_id: str, target_id: str = SYSTEM) -> Response:
            return self.has(call, maker.place(actor_id, target_id), role_id)

        def give(call: Call, actor_id: str, role_id: str, target_id: str = SYSTEM) -> Response:
            return self.give(call, maker.place(actor_id, target_id), role_id)

        def take(call: Call, actor_id: str, role_id: str, target_id: str = SYSTEM) -> Response:
            return self.take(call, maker.place(actor_id, target_id), role_id)

        routes.get(path + list_ending)(index)
        routes.get(path + one)(has)
        routes.put(path + one)(give)
        routes.delete(path + one)(take)

    def index(self, call: Call, place: Place) -> Response:
        """List the roles that somebody was given in a place."""
        with self.world.read() as connection:
            self._demand_sight(connection, call, place)
            held = select(tables.assignments.c.role_id).where(place.condition)
            rows = connection.execute(
                select(tables.roles).where(tables.roles.c.id.in_(held)).order_by(tables.roles.c.name)
            ).all()
        base = base_of(self.world, call)
        return listing(self.world, call, "roles", [shown(ROLES, record(row), base) for row in rows])

    def has(self, call: Call, place: Place, role_id: str) -> Response:
        """Tell whether somebody was given a role in a place."""
        with self.world.read() as connection:
            self._demand_sight(connection, call, place)
            held = select(tables.assignments.c.role_id).where(
                place.condition, tables.assignments.c.role_id == role_id
            )
            if connection.scalar(held) is None:
                raise NotFound(f"Could not find role assignment with role: {role_id}.")
        return empty(204)

    def give(self, call: Call, place: Place, role_id: str) -> Response:
        """Give a role; who has it already keeps it."""

        def work(change: Change) -> None:
            role = self._demand_right(change.connection, call, place, role_id)
            column = tables.assignments.c
            held = select(column.role_id).where(place.condition, column.role_id == role_id)
            if change.connection.scalar(held) is None:
                if role["domain_id"] and role["domain_id"] != _domain_of(change.connection, place):
                    raise BadRequest("A role of one domain can be given within that domain only.")
                change.connection.execute(
                    tables.assignments.insert().values(
                        actor=place.actor,
                        actor_id=place.actor_id,
                        target=place.target,
                        target_id=place.target_id,
                        role_id=role_id,
                        inherited=place.inherited,
                    )
                )

        self.world.change(work)
        return empty(204)

    def take(self, call: Call, place: Place, role_id: str) -> Response:
        """Take a role away; tokens of whoever had it there end."""

        def work(change: Change) -> None:
            self._demand_right(change.connection, call, place, role_id)
            gone = change.connection.execute(
                delete(tables.assignments).where(place.condition, tables.assignments.c.role_id == role_id)
            )
            if not gone.rowcount:
                raise NotFound(f"Could not find role assignment with role: {role_id}.")
            is_user = place.actor == "user"
            losers = [place.actor_id] if is_user else members_of(change.connection, place.actor_id)
            for user_id in losers:
                end_tokens(change, user_id, place)

        self.world.change(work)
        return empty(204)

    def _demand_sight(self, connection: Connection, call: Call, place: Place) -> None:
        policy.reach_of(call.identity)
        actor_domain, target_domain = _homes_known(connection, call, place)
        policy.demand(policy.sees(call.identity, target_domain) and policy.sees(call.identity, actor_domain))

    def _demand_right(self, connection: Connection, call: Call, place: Place, role_id: str) -> Record:
        """Return the role, if the caller may give and take it there."""
        policy.demand(policy.administers(call.identity, call.identity.domain_id))
        role = found(connection, ROLES, role_id)
        actor_domain, target_domain = _homes_known(connection, call, place)
        policy.demand(
            policy.may_give(
                call.identity,
                role=role["name"],
                target_domain=target_domain,
                actor_domain=actor_domain,
                domain_admin_roles=self.world.config.domain_admin_roles,
            )
        )
        return role


@dataclass(frozen=True, slots=True)
class Maker:
    """What a path's form says of a place."""

    actor: str
    target: str
    inherited: bool

    def place(self, actor_id: str, target_id: str) -> Place:
        """Return the place of a path."""
        return Place(self.actor, actor_id, self.target, target_id, self.inherited)


def end_tokens(change: Change, user_id: str, place: Place) -> None:
    """End a user's tokens for a place, and for all projects below where the role was handed down."""
    if place.target == "system":
        change.revoke(user_id=user_id, system=True)
    elif place.inherited:
        change.revoke(user_id=user_id)
    elif place.target == "project":
        change.revoke(user_id=user_id, project_id=place.target_id)
    else:
        change.revoke(user_id=user_id, scope_domain_id=place.target_id)


def _homes_known(connection: Connection, call: Call, place: Place) -> tuple[str, str | None]:
    """Return the domains of actor and target; who does not see everything is not told what is not there."""
    try:
        return _homes(connection, place)
    except NotFound:
        policy.demand(policy.sees_all(call.identity))
        raise


def _homes(connection: Connection, place: Place) -> tuple[str, str | None]:
    """Return the domains of actor and target.

    Raises:
        NotFound: one of them is not there.
    """
    kind = USERS if place.actor == "user" else GROUPS
    return found(connection, kind, place.actor_id)["domain_id"], _domain_of(connection, place)


def _domain_of(connection: Connection, place: Place) -> str | None:
    if place.target == "system":
        return None
    if place.target == "domain":
        return str(found(connection, DOMAINS, place.target_id)["id"])
    return str(found(connection, PROJECTS, place.target_id)["domain_id"])
