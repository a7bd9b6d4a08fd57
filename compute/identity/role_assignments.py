"""GET /v3/role_assignments: who has which role where, as it was given or as it counts.

    rows ──▶ entries ──effective──▶ members for groups, each project for what is handed down, implied roles
                     ──include_names──▶ names beside ids

Without `effective` what was given is told; with it, what a token would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest
from ..api.routing import Routes
from . import policy, tables
from .collection import base_of, flag_in, listing
from .grants import ancestors, closure, implications_in
from .people import members_of
from .world import Record, World, record

_FILTERS = ("user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.system")


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment, and where it came from."""

    actor: str
    actor_id: str
    target: str
    target_id: str
    role_id: str
    inherited: bool
    group_id: str | None = None
    prior_id: str | None = None


class RoleAssignments:
    """The list."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve its path."""
        routes.get("/v3/role_assignments")(self.index)

    def index(self, call: Call) -> Response:
        """Answer the list; somebody may always ask about themselves."""
        query = call.query
        own = query.get("user.id") == call.identity.user_id
        reach = policy.Reach() if own else policy.reach_of(call.identity)
        if "user.id" in query and "group.id" in query:
            raise BadRequest("Ask for a user or for a group.")
        effective = "effective" in query and flag_in(query["effective"])
        if effective and "group.id" in query:
            raise BadRequest("What counts, counts for users: group.id does not go with effective.")
        with self.world.read() as connection:
            entries = [_entry(record(row)) for row in connection.execute(select(tables.assignments))]
            if effective:
                entries = list(_effective(connection, entries))
            entries = [entry for entry in entries if _fits(entry, query)]
            if query.get("include_subtree", "").lower() in ("true", "1") and "scope.project.id" in query:
                raise BadRequest("include_subtree is not served; ask for each project.")
            names = Names(connection)
            if not reach.is_all:
                entries = [each for each in entries if names.domain_of(each) == reach.domain_id]
            with_names = "include_names" in query and flag_in(query["include_names"])
            base = base_of(self.world, call)
            documents = [names.document(each, base, with_names=with_names) for each in entries]
        return listing(self.world, call, "role_assignments", documents)


def _entry(row: Record) -> Entry:
    return Entry(**row)


def _effective(connection: Connection, entries: list[Entry]) -> Iterator[Entry]:
    """Yield what counts."""
    projects = [record(row) for row in connection.execute(select(tables.projects))]
    above = {row["id"]: [row["domain_id"], *ancestors(connection, row)] for row in projects}
    implications = implications_in(connection)
    local = set(connection.scalars(select(tables.roles.c.id).where(tables.roles.c.domain_id != "")))
    members: dict[str, list[str]] = {}
    seen = set()
    for entry in entries:
        targets = [entry]
        if entry.inherited:
            targets = [
                replace(entry, target="project", target_id=project, inherited=False)
                for project, parents in above.items()
                if entry.target_id in parents
            ]
        actors: list[tuple[str, str | None]] = [(entry.actor_id, None)]
        if entry.actor == "group":
            if entry.actor_id not in members:
                members[entry.actor_id] = members_of(connection, entry.actor_id)
            actors = [(user_id, entry.actor_id) for user_id in members[entry.actor_id]]
        for target in targets:
            for user_id, group_id in actors:
                for role_id in sorted(closure([entry.role_id], implications) - local):
                    found = replace(
                        target,
                        actor="user",
                        actor_id=user_id,
                        role_id=role_id,
                        group_id=group_id,
                        prior_id=entry.role_id if role_id != entry.role_id else None,
                    )
                    if found not in seen:
                        seen.add(found)
                        yield found


def _fits(entry: Entry, query: dict[str, str]) -> bool:
    """Whether an assignment is what the query asks for."""
    facts = {
        "user.id": entry.actor_id if entry.actor == "user" else None,
        "group.id": entry.actor_id if entry.actor == "group" else None,
        "role.id": entry.role_id,
        "scope.project.id": entry.target_id if entry.target == "project" else None,
        "scope.domain.id": entry.target_id if entry.target == "domain" else None,
        "scope.system": entry.target_id if entry.target == "system" else None,
    }
    if "scope.OS-INHERIT:inherited_to" in query and not entry.inherited:
        return False
    return all(facts[name] == query[name] for name in _FILTERS if name in query)


class Names:
    """What ids are called, read once for a whole list."""

    def __init__(self, connection: Connection) -> None:
        self._rows = {
            word: {row.id: record(row) for row in connection.execute(select(table))}
            for word, table in (
                ("user", tables.users),
                ("group", tables.groups),
                ("project", tables.projects),
                ("domain", tables.domains),
                ("role", tables.roles),
            )
        }

    def domain_of(self, entry: Entry) -> str | None:
        """Return the domain in which an assignment is, None for the system's."""
        if entry.target == "system":
            return None
        if entry.target == "domain":
            return entry.target_id
        project = self._rows["project"].get(entry.target_id)
        return str(project["domain_id"]) if project is not None else None

    def document(self, entry: Entry, base: str, *, with_names: bool) -> Record:
        """Return what is shown of an assignment."""
        scope: Record
        if entry.target == "system":
            scope = {"system": {"all": True}}
        else:
            scope = {entry.target: self._named(entry.target, entry.target_id, with_names=with_names)}
        if entry.inherited:
            scope["OS-INHERIT:inherited_to"] = "projects"
        place = "system" if entry.target == "system" else f"{entry.target}s/{entry.target_id}"
        actor = "group" if entry.group_id else entry.actor
        who, role_id = entry.group_id or entry.actor_id, entry.prior_id or entry.role_id
        url = f"{base}/{place}/{actor}s/{who}/roles/{role_id}"
        links = {"assignment": url}
        if entry.group_id:
            links["membership"] = f"{base}/groups/{entry.group_id}/users/{entry.actor_id}"
        if entry.prior_id:
            links["prior_role"] = f"{base}/prior_roles/{entry.prior_id}/implies/{entry.role_id}"
        return {
            "role": self._named("role", entry.role_id, with_names=with_names),
            entry.actor: self._named(entry.actor, entry.actor_id, with_names=with_names),
            "scope": scope,
            "links": links,
        }

    def _named(self, word: str, thing_id: str, *, with_names: bool) -> Record:
        row = self._rows[word].get(thing_id)
        if not with_names or row is None:
            return {"id": thing_id}
        document: Record = {"id": thing_id, "name": row["name"]}
        domain = self._rows["domain"].get(row.get("domain_id", ""))
        if domain is not None:
            document["domain"] = {"id": domain["id"], "name": domain["name"]}
        return document
