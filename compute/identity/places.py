"""Domains and projects: where roles are held.

    domain ◀── projects, which may stand in projects        tags: words on a project

Who disables or removes one ends all tokens that are scoped to it, or whose user is at home there.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, delete, or_, select
from sqlalchemy.sql import ColumnElement
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, Forbidden, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection, base_of, found
from .fields import FLAG, Field, Kind
from .grants import ancestors, groups_of
from .world import Change, Record, record

DOMAINS = Kind(
    "domains",
    "domain",
    tables.domains,
    (
        Field("name", required=True, nullable=False),
        Field("description"),
        Field("enabled", FLAG, nullable=False),
    ),
    filters=("name", "enabled"),
    name_characters_max=64,
)
PROJECTS = Kind(
    "projects",
    "project",
    tables.projects,
    (
        Field("name", required=True, nullable=False),
        Field("description"),
        Field("enabled", FLAG, nullable=False),
        Field("domain_id", fixed=True),
        Field("parent_id", fixed=True),
    ),
    filters=("name", "enabled", "domain_id", "parent_id"),
    hidden=("is_domain", "tags", "subtree", "parents"),
    name_characters_max=64,
)
TAG_CHARACTERS_MAX = 255
TAGS_MAX = 80
_TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")


def home_of_new(call: Call, default: str) -> str:
    """Return the domain in which the caller makes what is said to be in none."""
    return call.identity.domain_id or call.identity.project_domain_id or default


class Domains(Collection):
    """/v3/domains."""

    kind = DOMAINS

    def domain_of(self, row: Record) -> str | None:
        """Return its own id: its administrators may see it."""
        return str(row["id"])

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether it is within reach, or the caller is at home or at work there."""
        who = call.identity
        return policy.sees(who, row["id"]) or row["id"] in (who.user_domain_id, who.project_domain_id)

    def within_reach(self, call: Call) -> Select[Any]:
        """Return all domains, or the caller's."""
        reach = policy.reach_of(call.identity)
        rows = select(tables.domains)
        return rows if reach.is_all else rows.where(tables.domains.c.id == reach.domain_id)

    def demand_change(self, call: Call, row: Record) -> None:
        """Only who administers everything makes and changes domains."""
        del row
        policy.demand(policy.administers_all(call.identity))

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return a domain, with the list that clients expect."""
        return {"tags": [], **Collection.document(self, connection, row, base)}

    def changed(self, change: Change, before: Record, after: Record, given: Record) -> None:
        """End the tokens of a domain that is disabled."""
        del given
        if before["enabled"] and not after["enabled"]:
            change.revoke(domain_id=after["id"])

    def removing(self, change: Change, row: Record) -> None:
        """Remove everything that belongs to a domain; it must have been disabled."""
        if row["id"] == self.world.config.default_domain_id:
            raise Forbidden("The default domain cannot be deleted.")
        if row["enabled"]:
            raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
        connection, domain_id = change.connection, row["id"]
        for table in (tables.projects, tables.users, tables.groups, tables.roles):
            for thing_id in list(
                connection.scalars(select(table.c.id).where(table.c.domain_id == domain_id))
            ):
                forget(connection, table.name, thing_id)
            connection.execute(delete(table).where(table.c.domain_id == domain_id))
        column = tables.assignments.c
        connection.execute(
            delete(tables.assignments).where(column.target == "domain", column.target_id == domain_id)
        )
        change.revoke(domain_id=domain_id)


def forget(connection: Connection, kind: str, thing_id: str) -> None:
    """Remove what speaks of a project, user, group or role that goes."""
    column = tables.assignments.c
    conditions: dict[str, list[tuple[Any, ColumnElement[bool]]]] = {
        "projects": [
            (tables.assignments, (column.target == "project") & (column.target_id == thing_id)),
            (tables.tags, tables.tags.c.project_id == thing_id),
            (tables.credentials, tables.credentials.c.project_id == thing_id),
            (tables.application_credentials, tables.application_credentials.c.project_id == thing_id),
            (tables.limits, tables.limits.c.project_id == thing_id),
        ],
        "users": [
            (tables.assignments, (column.actor == "user") & (column.actor_id == thing_id)),
            (tables.memberships, tables.memberships.c.user_id == thing_id),
            (tables.credentials, tables.credentials.c.user_id == thing_id),
            (tables.application_credentials, tables.application_credentials.c.user_id == thing_id),
            (tables.access_rules, tables.access_rules.c.user_id == thing_id),
        ],
        "groups": [
            (tables.assignments, (column.actor == "group") & (column.actor_id == thing_id)),
            (tables.memberships, tables.memberships.c.group_id == thing_id),
        ],
        "roles": [
            (tables.assignments, column.role_id == thing_id),
            (
                tables.implications,
                or_(tables.implications.c.prior_id == thing_id, tables.implications.c.implied_id == thing_id),
            ),
        ],
    }
    for table, condition in conditions[kind]:
        connection.execute(delete(table).where(condition))


class Projects(Collection):
    """/v3/projects, and their tags."""

    kind = PROJECTS

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of projects and tags."""
        super().add_to(routes)
        tags, tag = "/v3/projects/{thing_id}/tags", "/v3/projects/{thing_id}/tags/{name}"
        routes.get(tags)(self.tags)
        routes.put(tags)(self.set_tags)
        routes.delete(tags)(self.remove_tags)
        routes.get(tag)(self.has_tag)
        routes.put(tag)(self.add_tag)
        routes.delete(tag)(self.remove_tag)

    def domain_of(self, row: Record) -> str | None:
        """Return the project's domain."""
        return str(row["domain_id"])

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether it is within reach, or the caller has a role on it."""
        if policy.sees(call.identity, row["domain_id"]) or call.identity.project_id == row["id"]:
            return True
        with self.world.read() as connection:
            return holds(connection, call.identity.user_id, row)

    def complete(self, call: Call, values: Record) -> None:
        """Settle the domain."""
        if values.get("domain_id") is None:
            values["domain_id"] = home_of_new(call, self.world.config.default_domain_id)
        if values.get("parent_id") is None:
            values["parent_id"] = values["domain_id"]

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check that domain and parent are there."""
        if before is not None:
            return
        if "domain_id" in values and not exists(change.connection, tables.domains, values["domain_id"]):
            raise NotFound(f"Could not find domain {values['domain_id']}.")
        if values["parent_id"] != values["domain_id"]:
            parent = found(change.connection, PROJECTS, values["parent_id"])
            if parent["domain_id"] != values["domain_id"]:
                raise BadRequest("A project is in the domain of the project above it.")

    def made(self, change: Change, row: Record, given: Record) -> None:
        """Store the tags that a new project is said to have."""
        store_tags(change.connection, row["id"], given.get("tags", []))

    def changed(self, change: Change, before: Record, after: Record, given: Record) -> None:
        """End the tokens of a project that is disabled."""
        del given
        if before["enabled"] and not after["enabled"]:
            change.revoke(project_id=after["id"])

    def removing(self, change: Change, row: Record) -> None:
        """Remove what belongs to a project, which must have none below it."""
        below = select(tables.projects.c.id).where(tables.projects.c.parent_id == row["id"])
        if change.connection.scalar(below.limit(1)):
            raise Forbidden("Cannot delete a project that has projects below it.")
        forget(change.connection, "projects", row["id"])
        change.revoke(project_id=row["id"])

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return a project with its tags."""
        document = Collection.document(self, connection, row, base)
        return {**document, "is_domain": False, "tags": tags_of(connection, row["id"])}

    def selected(self, connection: Connection, call: Call, rows: list[Record]) -> list[Record]:
        """Return the projects that have the tags which the query asks for."""
        query = call.query
        if query.get("is_domain", "").lower() in ("true", "1"):
            return []
        if not any(name in query for name in _TAG_FILTERS):
            return rows
        held = {row["id"]: set(tags_of(connection, row["id"])) for row in rows}
        return [row for row in rows if tags_fit(held[row["id"]], query)]

    def tags(self, call: Call, thing_id: str) -> Response:
        """List a project's tags."""
        with self.world.read() as connection:
            row = self.visible(connection, call, thing_id)
            names = tags_of(connection, row["id"])
        url = f"{base_of(self.world, call)}/projects/{thing_id}/tags"
        return answer(200, {"tags": names, "links": {"self": url, "previous": None, "next": None}})

    def set_tags(self, call: Call, thing_id: str) -> Response:
        """Replace a project's tags."""
        names = call.json("tags")["tags"]

        def work(change: Change) -> list[str]:
            self.changeable(change.connection, call, thing_id)
            change.connection.execute(delete(tables.tags).where(tables.tags.c.project_id == thing_id))
            store_tags(change.connection, thing_id, names)
            return tags_of(change.connection, thing_id)

        url = f"{base_of(self.world, call)}/projects/{thing_id}/tags"
        links = {"self": url, "previous": None, "next": None}
        return answer(200, {"tags": self.world.change(work), "links": links})

    def remove_tags(self, call: Call, thing_id: str) -> Response:
        """Remove a project's tags."""

        def work(change: Change) -> None:
            self.changeable(change.connection, call, thing_id)
            change.connection.execute(delete(tables.tags).where(tables.tags.c.project_id == thing_id))

        self.world.change(work)
        return empty(204)

    def has_tag(self, call: Call, thing_id: str, name: str) -> Response:
        """Tell whether a project has a tag."""
        with self.world.read() as connection:
            self.visible(connection, call, thing_id)
            if name not in tags_of(connection, thing_id):
                raise NotFound(f"Could not find project tag: {name}.")
        return empty(204)

    def add_tag(self, call: Call, thing_id: str, name: str) -> Response:
        """Add one tag."""

        def work(change: Change) -> None:
            self.changeable(change.connection, call, thing_id)
            if name not in tags_of(change.connection, thing_id):
                store_tags(change.connection, thing_id, [name])

        self.world.change(work)
        return empty(201)

    def remove_tag(self, call: Call, thing_id: str, name: str) -> Response:
        """Remove one tag."""

        def work(change: Change) -> None:
            self.changeable(change.connection, call, thing_id)
            column = tables.tags.c
            gone = change.connection.execute(
                delete(tables.tags).where(column.project_id == thing_id, column.name == name)
            )
            if not gone.rowcount:
                raise NotFound(f"Could not find project tag: {name}.")

        self.world.change(work)
        return empty(204)


def exists(connection: Connection, table: Any, thing_id: str | None) -> bool:
    """Whether a table has a row of that id."""
    return connection.scalar(select(table.c.id).where(table.c.id == thing_id)) is not None


def holds(connection: Connection, user_id: str, project: Record) -> bool:
    """Whether a user has any role on a project."""
    column = tables.assignments.c
    actors = [user_id, *groups_of(connection, user_id)]
    places = (column.target_id == project["id"]) | (
        column.inherited.is_(True)
        & column.target_id.in_([project["domain_id"], *ancestors(connection, project)])
    )
    return (
        connection.scalar(select(column.role_id).where(column.actor_id.in_(actors), places).limit(1))
        is not None
    )


def tags_of(connection: Connection, project_id: str) -> list[str]:
    """Return a project's tags."""
    column = tables.tags.c
    return sorted(connection.scalars(select(column.name).where(column.project_id == project_id)))


def store_tags(connection: Connection, project_id: str, names: Any) -> None:
    """Add tags to a project.

    Raises:
        BadRequest: what is given is no list of words.
    """
    if not isinstance(names, list) or not all(
        isinstance(name, str) and 0 < len(name) <= TAG_CHARACTERS_MAX and not {",", "/"} & set(name)
        for name in names
    ):
        raise BadRequest(f"Tags are words of at most {TAG_CHARACTERS_MAX} characters without , and /.")
    if len(set(names)) > TAGS_MAX or len(set(names)) < len(names):
        raise BadRequest(f"A project has at most {TAGS_MAX} tags, each once.")
    for name in names:
        connection.execute(tables.tags.insert().values(project_id=project_id, name=name))


def tags_fit(held: set[str], query: dict[str, str]) -> bool:
    """Whether a project's tags fit the query's four filters."""
    asked = {name: set(query[name].split(",")) for name in _TAG_FILTERS if name in query}
    return (
        asked.get("tags", set()) <= held
        and ("tags-any" not in asked or bool(asked["tags-any"] & held))
        and ("not-tags" not in asked or not asked["not-tags"] <= held)
        and not asked.get("not-tags-any", set()) & held
    )


def named_project(connection: Connection, name: str, domain_id: str) -> Record | None:
    """Return the project of that name in a domain."""
    column = tables.projects.c
    row = connection.execute(
        select(tables.projects).where(column.name == name, column.domain_id == domain_id)
    ).first()
    return record(row) if row is not None else None
