"""Which roles somebody has where.

    assignments to the user and to the user's groups ──closure() over implications──▶ roles on a target

    on a project: those on itself, and those that its domain or a project above hands down
    on a domain:  those on itself        on the system: those on it

A role of one domain counts only for what it implies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select
from sqlalchemy.sql import ColumnElement

from . import tables
from .world import Record, record

SYSTEM = "all"
DEPTH_MAX = 64  # Of projects within projects: more than anyone nests, and an end for a circle.


@dataclass(frozen=True, slots=True, order=True)
class Role:
    """A role that counts."""

    name: str
    id: str


def closure(roles: Iterable[str], implications: Mapping[str, Collection[str]]) -> set[str]:
    """Return the roles and all that they imply, however indirectly."""
    found: set[str] = set()
    waiting = list(roles)
    while waiting:
        role = waiting.pop()
        if role not in found:
            found.add(role)
            waiting.extend(implications.get(role, ()))
    return found


def implications_in(connection: Connection) -> dict[str, list[str]]:
    """Return what each role implies directly."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(tables.implications)):
        found.setdefault(row.prior_id, []).append(row.implied_id)
    return found


def groups_of(connection: Connection, user_id: str) -> list[str]:
    """Return the ids of the groups that a user is in."""
    column = tables.memberships.c
    return list(connection.scalars(select(column.group_id).where(column.user_id == user_id)))


def ancestors(connection: Connection, project: Record) -> list[str]:
    """Return the ids of the projects above, nearest first."""
    found: list[str] = []
    parent = project["parent_id"]
    while parent != project["domain_id"] and len(found) < DEPTH_MAX:
        found.append(parent)
        next_parent = connection.scalar(
            select(tables.projects.c.parent_id).where(tables.projects.c.id == parent)
        )
        if next_parent is None:
            break
        parent = next_parent
    return found


def project_condition(connection: Connection, project: Record) -> ColumnElement[bool]:
    """Return what is true of the assignments that count on a project."""
    column = tables.assignments.c
    above = ancestors(connection, project)
    return or_(
        and_(column.target == "project", column.target_id == project["id"], column.inherited.is_(False)),
        and_(column.target == "domain", column.target_id == project["domain_id"], column.inherited.is_(True)),
        and_(column.target == "project", column.target_id.in_(above), column.inherited.is_(True)),
    )


def place_condition(target: str, target_id: str) -> ColumnElement[bool]:
    """Return what is true of the assignments that count on a domain, or on the system."""
    column = tables.assignments.c
    return and_(column.target == target, column.target_id == target_id, column.inherited.is_(False))


def actor_condition(connection: Connection, user_id: str) -> ColumnElement[bool]:
    """Return what is true of the assignments that a user has, also by groups."""
    column = tables.assignments.c
    return or_(
        and_(column.actor == "user", column.actor_id == user_id),
        and_(column.actor == "group", column.actor_id.in_(groups_of(connection, user_id))),
    )


def _roles(connection: Connection, user_id: str, place: ColumnElement[bool]) -> list[Role]:
    held = connection.scalars(
        select(tables.assignments.c.role_id).where(actor_condition(connection, user_id), place)
    )
    return effective(connection, held)


def effective(connection: Connection, held: Iterable[str]) -> list[Role]:
    """Return the roles that count of those that are held, and what they imply, in the order of names."""
    wanted = closure(held, implications_in(connection))
    column = tables.roles.c
    rows = connection.execute(
        select(column.id, column.name).where(column.id.in_(wanted), column.domain_id == "")
    )
    return sorted(Role(row.name, row.id) for row in rows)


def roles_on_project(connection: Connection, user_id: str, project: Record) -> list[Role]:
    """Return a user's roles on a project."""
    return _roles(connection, user_id, project_condition(connection, project))


def roles_on_domain(connection: Connection, user_id: str, domain_id: str) -> list[Role]:
    """Return a user's roles on a domain itself."""
    return _roles(connection, user_id, place_condition("domain", domain_id))


def roles_on_system(connection: Connection, user_id: str) -> list[Role]:
    """Return a user's roles on the whole installation."""
    return _roles(connection, user_id, place_condition("system", SYSTEM))


def projects_of(connection: Connection, user_id: str) -> list[Record]:
    """Return the enabled projects, in enabled domains, on which a user has a role."""
    found = []
    enabled = select(tables.domains.c.id).where(tables.domains.c.enabled.is_(True))
    candidates = connection.execute(
        select(tables.projects)
        .where(tables.projects.c.enabled.is_(True), tables.projects.c.domain_id.in_(enabled))
        .order_by(tables.projects.c.name)
    ).all()
    column = tables.assignments.c
    held = connection.execute(
        select(column.target, column.target_id, column.inherited).where(actor_condition(connection, user_id))
    ).all()
    direct = {row.target_id for row in held if row.target == "project" and not row.inherited}
    below = {row.target_id for row in held if row.inherited}
    for row in candidates:
        project = record(row)
        if (
            project["id"] in direct
            or project["domain_id"] in below
            or (below and not below.isdisjoint(ancestors(connection, project)))
        ):
            found.append(project)
    return found


def domains_of(connection: Connection, user_id: str) -> list[Record]:
    """Return the enabled domains on which a user has a role."""
    column = tables.assignments.c
    held = select(column.target_id).where(
        actor_condition(connection, user_id), column.target == "domain", column.inherited.is_(False)
    )
    rows = connection.execute(
        select(tables.domains)
        .where(tables.domains.c.id.in_(held), tables.domains.c.enabled.is_(True))
        .order_by(tables.domains.c.name)
    )
    return [record(row) for row in rows]
