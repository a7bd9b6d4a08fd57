"""The first domain, roles, projects, users and endpoints; whatever of it is there already stays as it is.

    Founding ──bootstrap()──▶ domain default; roles, admin ⇒ manager ⇒ member ⇒ reader
                              projects admin, demo and service with the users admin, demo and cloud
                              a service with endpoints for each URL

A password that is given is set, also for a user who was there: so a lost one is replaced. Nothing is ever
removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from . import tables
from .catalog import endpoint_there
from .grants import SYSTEM
from .people import store_hash
from .world import Change, World, new_id

ROLES = ("admin", "manager", "member", "reader", "service", "swiftoperator", "ResellerAdmin")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
ADMIN_ROLES = ("admin", "ResellerAdmin", "swiftoperator")
DEMO_ROLES = ("member", "swiftoperator")
CLOUD_ROLES = ("service", "swiftoperator", "member")
PASSWORD_BYTES = 18
SERVICE_NAMES: Mapping[str, str] = {
    "identity": "keystone",
    "object-store": "swift",
    "image": "glance",
    "volumev3": "cinderv3",
    "block-storage": "cinder",
    "compute": "nova",
    "network": "neutron",
    "placement": "placement",
}
"""By type; the names that people's scripts look for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What there shall be."""

    passwords: Mapping[str, str] = field(default_factory=dict)
    """Of admin, demo and cloud; one that is missing is made up for a user who is new."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """URLs by the service's type; $(project_id)s stands for the token's project."""
    region: str = "RegionOne"
    with_demo: bool = True


@dataclass(frozen=True, slots=True)
class Founded:
    """What has come of it."""

    passwords: Mapping[str, str]
    """Of the users whose password was set now."""
    projects: Mapping[str, str]
    """Ids by name."""
    changes: int


def bootstrap(world: World, founding: Founding) -> Founded:
    """Make what is missing."""
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {
        "admin": ("admin", ADMIN_ROLES),
        "cloud": ("service", CLOUD_ROLES),
    }
    if founding.with_demo:
        wanted["demo"] = ("demo", DEMO_ROLES)
    domain = world.config.default_domain_id
    with world.read() as connection:
        known = {name for name in wanted if _id_of(connection, tables.users, name, domain) is not None}
    fresh = {
        name: founding.passwords.get(name) or secrets.token_urlsafe(PASSWORD_BYTES)
        for name in wanted
        if name not in known or founding.passwords.get(name)
    }
    fresh = {name: password for name, password in fresh.items() if not _is_set(world, name, password)}
    hashes = {name: world.passwords.hash(password) for name, password in fresh.items()}

    def work(change: Change) -> Founded:
        founder = _Founder(change, domain)
        founder.roles()
        for user, (project, roles) in wanted.items():
            founder.member(user, project, roles, hashes.get(user))
        founder.system_admin("admin")
        for kind, url in founding.endpoints.items():
            name = SERVICE_NAMES.get(kind, kind)
            founder.changes += endpoint_there(
                change.connection, kind=kind, name=name, region=founding.region, url=url
            )
        return Founded(fresh, founder.projects, founder.changes)

    founded = world.change(work)
    world.publisher.publish()
    return founded


def _is_set(world: World, user: str, password: str) -> bool:
    """Whether a user has this password already: then the tokens need not end."""
    column = tables.users.c
    with world.read() as connection:
        stored = connection.scalar(
            select(column.password_hash).where(
                column.name == user, column.domain_id == world.config.default_domain_id
            )
        )
    return stored is not None and world.passwords.is_right(password, stored)


class _Founder:
    """Makes things unless they are there, and counts what it has made."""

    def __init__(self, change: Change, domain_id: str) -> None:
        self.change = change
        self.connection = change.connection
        self.domain_id = domain_id
        self.changes = 0
        self.projects: dict[str, str] = {}
        if (
            self.connection.scalar(select(tables.domains.c.id).where(tables.domains.c.id == domain_id))
            is None
        ):
            self._insert(
                tables.domains,
                id=domain_id,
                name="Default" if domain_id == "default" else domain_id,
                description="The default domain",
            )

    def roles(self) -> None:
        for name in ROLES:
            self._there(tables.roles, name, "")
        for prior, implied in IMPLIED:
            values = {"prior_id": self._role(prior), "implied_id": self._role(implied)}
            self._row_there(tables.implications, values)

    def member(self, user: str, project: str, roles: tuple[str, ...], hashed: str | None) -> None:
        project_id = self._there(tables.projects, project, self.domain_id, parent_id=self.domain_id)
        self.projects[project] = project_id
        user_id = self._there(
            tables.users,
            user,
            self.domain_id,
            default_project_id=project_id,
            created_at=self.change.now,
        )
        if hashed is not None:
            store_hash(self.change, user_id, hashed)
            self.changes += 1
        for role in roles:
            self._give(user_id, "project", project_id, role)

    def system_admin(self, user: str) -> None:
        user_id = _id_of(self.connection, tables.users, user, self.domain_id)
        assert user_id is not None
        self._give(user_id, "system", SYSTEM, "admin")
        self._give(user_id, "domain", self.domain_id, "admin")

    def _give(self, user_id: str, target: str, target_id: str, role: str) -> None:
        values = {
            "actor": "user",
            "actor_id": user_id,
            "target": target,
            "target_id": target_id,
            "role_id": self._role(role),
            "inherited": False,
        }
        self._row_there(tables.assignments, values)

    def _role(self, name: str) -> str:
        found = _id_of(self.connection, tables.roles, name, "")
        assert found is not None
        return found

    def _there(self, table: Any, name: str, domain_id: str, **more: Any) -> str:
        found = _id_of(self.connection, table, name, domain_id)
        if found is None:
            found = new_id()
            self._insert(table, id=found, name=name, domain_id=domain_id, **more)
        return found

    def _row_there(self, table: Any, values: Mapping[str, Any]) -> None:
        where = [table.c[name] == value for name, value in values.items()]
        if self.connection.execute(select(table).where(*where)).first() is None:
            self._insert(table, **values)

    def _insert(self, table: Any, **values: Any) -> None:
        self.connection.execute(table.insert().values(**values))
        self.changes += 1


def _id_of(connection: Connection, table: Any, name: str, domain_id: str) -> str | None:
    found: str | None = connection.scalar(
        select(table.c.id).where(table.c.name == name, table.c.domain_id == domain_id)
    )
    return found
