"""Users and groups.

    user ──member of──▶ groups          POST /v3/users/{id}/password: by the user, who knows the old one

A password that is changed, a user who is disabled or removed, a group that somebody leaves: the tokens end
at once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, NotFound, Unauthorized
from ..api.reply import empty
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection, base_of, filtered, found, inexact, listing
from .fields import FLAG, Field, Kind
from .grants import actor_condition, closure, implications_in, projects_of
from .lockout import confirmed
from .passwords import PASSWORD_CHARACTERS_MAX
from .places import Projects, exists, forget, home_of_new
from .world import Change, Record, World, record

USERS = Kind(
    "users",
    "user",
    tables.users,
    (
        Field("name", required=True, nullable=False),
        Field("description"),
        Field("enabled", FLAG, nullable=False),
        Field("domain_id", fixed=True),
        Field("default_project_id"),
    ),
    filters=("name", "enabled", "domain_id"),
    hidden=(
        "password",
        "original_password",
        "password_hash",
        "password_changed_at",
        "password_expires_at",
        "created_at",
        "failures",
        "failed_at",
    ),
)
GROUPS = Kind(
    "groups",
    "group",
    tables.groups,
    (
        Field("name", required=True, nullable=False),
        Field("description"),
        Field("domain_id", fixed=True),
    ),
    filters=("name", "domain_id"),
)


def checked_password(world: World, value: Any) -> str:
    """Return a new password.

    Raises:
        BadRequest: it is none, too short or too long.
    """
    length_min = world.config.password_length_min
    if not isinstance(value, str) or not length_min <= len(value) <= PASSWORD_CHARACTERS_MAX:
        raise BadRequest(f"A password has between {length_min} and {PASSWORD_CHARACTERS_MAX} characters.")
    return value


class Users(Collection):
    """/v3/users."""

    kind = USERS

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of users."""
        super().add_to(routes)
        routes.post("/v3/users/{thing_id}/password", open_to_all=True)(self.change_password)
        routes.get("/v3/users/{thing_id}/groups")(self.groups)
        routes.get("/v3/users/{thing_id}/projects")(self.projects)

    def domain_of(self, row: Record) -> str | None:
        """Return the user's domain."""
        return str(row["domain_id"])

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether it is within reach, or the caller."""
        return call.identity.user_id == row["id"] or policy.sees(call.identity, row["domain_id"])

    def demand_change(self, call: Call, row: Record) -> None:
        """Refuse who administers neither everything nor the user's domain.

        Trap: an administrator of a domain who sets the password of somebody there is that somebody from then
        on; so nobody is changed who has roles that the administrator could not give.
        """
        super().demand_change(call, row)
        if policy.administers_all(call.identity):
            return
        with self.world.read() as connection:
            held = held_roles(connection, row["id"], own_domain=row["domain_id"])
        policy.demand(held <= set(self.world.config.domain_admin_roles))

    def complete(self, call: Call, values: Record) -> None:
        """Settle the domain."""
        if values.get("domain_id") is None:
            values["domain_id"] = home_of_new(call, self.world.config.default_domain_id)

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the domain, and note when."""
        if before is None:
            values |= {"created_at": change.now, "enabled": values.get("enabled", True)}
            if not exists(change.connection, tables.domains, values["domain_id"]):
                raise NotFound(f"Could not find domain {values['domain_id']}.")

    def received(self, call: Call, given: Record) -> Record:
        """Return the document with the hash of a password in the password's place."""
        rest = {name: value for name, value in given.items() if name not in USERS.hidden}
        if given.get("password") is not None:
            # Who may not is refused before a hash is worked out for them.
            policy.demand(policy.administers(call.identity, call.identity.domain_id))
            rest["password_hash"] = self.world.passwords.hash(checked_password(self.world, given["password"]))
        return rest

    def made(self, change: Change, row: Record, given: Record) -> None:
        """Store the password of a new user."""
        self.changed(change, row, row, given)

    def changed(self, change: Change, before: Record, after: Record, given: Record) -> None:
        """End the tokens of a user who is disabled or gets another password."""
        if "password_hash" in given:
            store_hash(change, after["id"], given["password_hash"])
        elif before["enabled"] and not after["enabled"]:
            change.revoke(user_id=after["id"])

    def removing(self, change: Change, row: Record) -> None:
        """Remove what belongs to a user."""
        forget(change.connection, "users", row["id"])
        change.revoke(user_id=row["id"])

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return a user; passwords do not expire."""
        document = Collection.document(self, connection, row, base)
        if document["default_project_id"] is None:
            del document["default_project_id"]
        return {**document, "password_expires_at": None}

    def change_password(self, call: Call, thing_id: str) -> Response:
        """Let a user who knows the old password set a new one; a token is not needed."""
        given = call.member("user")
        fresh = checked_password(self.world, given.get("password"))
        old = given.get("original_password")
        if not isinstance(old, str):
            raise BadRequest("'original_password' is a required property")
        with self.world.read() as connection:
            row = connection.execute(select(tables.users).where(tables.users.c.id == thing_id)).first()
        if not confirmed(self.world, record(row) if row is not None else None, old):
            raise Unauthorized("The request you have made requires authentication.")
        hashed = self.world.passwords.hash(fresh)
        self.world.change(lambda change: store_hash(change, thing_id, hashed))
        return empty(204)

    def groups(self, call: Call, thing_id: str) -> Response:
        """List the groups that a user is in."""
        with self.world.read() as connection:
            self.visible(connection, call, thing_id)
            column = tables.memberships.c
            within = select(column.group_id).where(column.user_id == thing_id)
            wanted = filtered(select(tables.groups).where(tables.groups.c.id.in_(within)), GROUPS, call.query)
            base = base_of(self.world, call)
            collection = Groups(self.world)
            documents = [
                collection.document(connection, record(row), base) for row in connection.execute(wanted)
            ]
        return listing(self.world, call, "groups", inexact(documents, call.query))

    def projects(self, call: Call, thing_id: str) -> Response:
        """List the projects on which a user has a role."""
        with self.world.read() as connection:
            self.visible(connection, call, thing_id)
            documents = project_documents(self.world, connection, call, thing_id)
        return listing(self.world, call, "projects", documents)


def held_roles(connection: Connection, user_id: str, *, own_domain: str) -> set[str]:
    """Return the names of all roles that a user has anywhere but on the own domain itself."""
    column = tables.assignments.c
    administers = (column.target == "domain") & (column.target_id == own_domain) & column.inherited.is_(False)
    held = connection.scalars(
        select(column.role_id).where(actor_condition(connection, user_id), ~administers)
    )
    ids = closure(held, implications_in(connection))
    return set(connection.scalars(select(tables.roles.c.name).where(tables.roles.c.id.in_(ids))))


def store_hash(change: Change, user_id: str, hashed: str) -> None:
    """Give a user a new password, forget failures, and end the tokens."""
    table = tables.users
    change.connection.execute(
        table.update()
        .where(table.c.id == user_id)
        .values(password_hash=hashed, password_changed_at=change.now, failures=0, failed_at=0.0)
    )
    change.revoke(user_id=user_id)


class Groups(Collection):
    """/v3/groups, and who is in them."""

    kind = GROUPS

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of groups and members."""
        super().add_to(routes)
        members, member = "/v3/groups/{thing_id}/users", "/v3/groups/{thing_id}/users/{user_id}"
        routes.get(members)(self.members)
        routes.get(member)(self.has_member)
        routes.put(member)(self.add_member)
        routes.delete(member)(self.remove_member)

    def domain_of(self, row: Record) -> str | None:
        """Return the group's domain."""
        return str(row["domain_id"])

    def complete(self, call: Call, values: Record) -> None:
        """Settle the domain."""
        if values.get("domain_id") is None:
            values["domain_id"] = home_of_new(call, self.world.config.default_domain_id)

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the domain."""
        if before is None and not exists(change.connection, tables.domains, values["domain_id"]):
            raise NotFound(f"Could not find domain {values['domain_id']}.")

    def removing(self, change: Change, row: Record) -> None:
        """End the members' tokens, which may have had roles by the group."""
        for user_id in members_of(change.connection, row["id"]):
            change.revoke(user_id=user_id)
        forget(change.connection, "groups", row["id"])

    def members(self, call: Call, thing_id: str) -> Response:
        """List a group's members."""
        with self.world.read() as connection:
            self.visible(connection, call, thing_id)
            within = members_of(connection, thing_id)
            wanted = filtered(select(tables.users).where(tables.users.c.id.in_(within)), USERS, call.query)
            base, users = base_of(self.world, call), Users(self.world)
            documents = [users.document(connection, record(row), base) for row in connection.execute(wanted)]
        return listing(self.world, call, "users", inexact(documents, call.query))

    def has_member(self, call: Call, thing_id: str, user_id: str) -> Response:
        """Tell whether somebody is in a group."""
        with self.world.read() as connection:
            if call.identity.user_id != user_id:
                self.visible(connection, call, thing_id)
            if user_id not in members_of(connection, thing_id):
                raise NotFound(f"Could not find user {user_id} in group {thing_id}.")
        return empty(204)

    def add_member(self, call: Call, thing_id: str, user_id: str) -> Response:
        """Put somebody into a group."""

        def work(change: Change) -> None:
            self._members_changeable(call, change, thing_id, user_id)
            if user_id not in members_of(change.connection, thing_id):
                values = {"group_id": thing_id, "user_id": user_id}
                change.connection.execute(tables.memberships.insert().values(**values))

        self.world.change(work)
        return empty(204)

    def remove_member(self, call: Call, thing_id: str, user_id: str) -> Response:
        """Take somebody out of a group; tokens with roles by the group end."""

        def work(change: Change) -> None:
            self._members_changeable(call, change, thing_id, user_id)
            column = tables.memberships.c
            gone = change.connection.execute(
                delete(tables.memberships).where(column.group_id == thing_id, column.user_id == user_id)
            )
            if not gone.rowcount:
                raise NotFound(f"Could not find user {user_id} in group {thing_id}.")
            change.revoke(user_id=user_id)

        self.world.change(work)
        return empty(204)

    def _members_changeable(self, call: Call, change: Change, thing_id: str, user_id: str) -> None:
        """Refuse who does not administer both domains, or may not give the group's roles."""
        group = self.changeable(change.connection, call, thing_id)
        user = found(change.connection, USERS, user_id)
        if policy.administers_all(call.identity):
            return
        policy.demand(policy.administers(call.identity, user["domain_id"]))
        held = select(tables.assignments.c.role_id).where(
            tables.assignments.c.actor == "group", tables.assignments.c.actor_id == group["id"]
        )
        names = change.connection.scalars(select(tables.roles.c.name).where(tables.roles.c.id.in_(held)))
        policy.demand(set(names) <= set(self.world.config.domain_admin_roles))


def members_of(connection: Connection, group_id: str) -> list[str]:
    """Return the ids of a group's members."""
    column = tables.memberships.c
    return list(connection.scalars(select(column.user_id).where(column.group_id == group_id)))


def project_documents(world: World, connection: Connection, call: Call, user_id: str) -> list[Record]:
    """Return the projects on which somebody has a role, as they are shown."""
    projects, base = Projects(world), base_of(world, call)
    documents = [projects.document(connection, row, base) for row in projects_of(connection, user_id)]
    wanted = {name: text for name, text in call.query.items() if name in ("name", "domain_id")}
    return [each for each in documents if all(each[name] == text for name, text in wanted.items())]


__all__ = ["GROUPS", "USERS", "Groups", "Users", "checked_password", "project_documents", "store_hash"]
