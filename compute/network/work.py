"""One request's work on the catalogue: who asks, in which transaction, at what time.

    Work(connection, caller, settings, now) ──▶ rows by id, quotas, sharing, tags

A transaction may be run again from its beginning, so nothing outside of it is done in one.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, or_, select, update

from ...common.identity import Identity
from ..api.faults import Conflict, NotFound
from . import tables
from .addresses import mac_from
from .kinds import Kind
from .settings import NetworkSettings

Row = Mapping[str, Any]
ADMIN_ROLES = frozenset({"admin", "service"})
EVERYBODY = "*"
SHARED, EXTERNAL = "access_as_shared", "access_as_external"


@dataclass(slots=True)
class Work:
    """What handlers get."""

    connection: Connection
    identity: Identity
    settings: NetworkSettings
    now: float = field(default_factory=time.time)

    @property
    def is_admin(self) -> bool:
        """Whether the caller sees and sets everything: an administrator, or a service of the cloud."""
        return bool(ADMIN_ROLES & set(self.identity.roles))

    @property
    def project_id(self) -> str:
        """The caller's project, "" for none."""
        return self.identity.project_id or ""

    def new_id(self) -> str:
        """Return an id that nobody has."""
        return str(uuid.uuid4())

    def new_mac(self) -> str:
        """Return a MAC that probably nobody has."""
        return mac_from(self.settings.base_mac, secrets.randbits(24))

    def rows(self, table: Table, *conditions: Any) -> list[Row]:
        """Return the rows that meet all conditions."""
        found = self.connection.execute(select(table).where(*conditions)).mappings()
        return [dict(row) for row in found]

    def row(self, kind: Kind, resource_id: str, *, to_change: bool = False) -> Row:
        """Return the row that the caller may see, or change.

        Raises:
            NotFound: there is none, or it is not the caller's to see (or to change).
        """
        found = self.rows(kind.table, kind.table.c.id == resource_id)
        if found and (self.owns(found[0]) or (not to_change and self.sees(kind, found[0]))):
            return found[0]
        raise NotFound(f"{kind.title} {resource_id} could not be found.", f"{kind.title}NotFound")

    def one(self, table: Table, resource_id: str) -> Row | None:
        """Return the row, whosever it is."""
        return next(iter(self.rows(table, table.c.id == resource_id)), None)

    def owns(self, row: Row) -> bool:
        """Whether the caller may do what it likes with it."""
        return self.is_admin or (bool(self.project_id) and row["project_id"] == self.project_id)

    def sees(self, kind: Kind, row: Row) -> bool:
        """Whether it is shared with the caller."""
        return bool(kind.shared_as) and row["id"] in self.shared_ids(kind.shared_as)

    def shared_ids(self, object_type: str, actions: Iterable[str] = (SHARED, EXTERNAL)) -> set[str]:
        """Return what of this type is shared with the caller's project."""
        policies = tables.rbac_policies
        found = self.connection.execute(
            select(policies.c.object_id).where(
                policies.c.object_type == object_type,
                policies.c.action.in_([*actions]),
                policies.c.target_tenant.in_([EVERYBODY, self.project_id]),
            )
        )
        return set(found.scalars())

    def visible(self, kind: Kind) -> Any:
        """Return the condition that a row is one that the caller may see."""
        if self.is_admin:
            return True
        own = kind.table.c.project_id == self.project_id
        if not kind.shared_as:
            return own
        return or_(own, kind.table.c.id.in_(self.shared_ids(kind.shared_as)))

    def add(self, kind: Kind, values: Mapping[str, Any]) -> Row:
        """Write a new row with what all kinds have; `values` are by column."""
        row = {
            "id": self.new_id(),
            "project_id": self.project_id,
            "name": "",
            "description": "",
            "revision_number": 1,
            "created_at": self.now,
            "updated_at": self.now,
            **values,
        }
        self.connection.execute(insert(kind.table).values(row))
        self.note_change()
        return row

    def change(self, table: Table, row: Row, **values: Any) -> Row:
        """Write what is different, with the next revision; nothing where nothing is."""
        new = {name: value for name, value in values.items() if row[name] != value}
        if not new:
            return row
        new |= {"revision_number": row["revision_number"] + 1, "updated_at": self.now}
        self.connection.execute(update(table).where(table.c.id == row["id"]).values(new))
        self.note_change()
        return {**row, **new}

    def remove(self, kind: Kind, resource_id: str) -> None:
        """Remove a row, its tags, and the policies that share it."""
        self.connection.execute(delete(kind.table).where(kind.table.c.id == resource_id))
        self.connection.execute(delete(tables.tags).where(tables.tags.c.resource_id == resource_id))
        policies = tables.rbac_policies
        self.connection.execute(delete(policies).where(policies.c.object_id == resource_id))
        self.note_change()

    def note_change(self) -> None:
        """Let every host's agent know that it may have something to do."""
        counter = tables.generations
        done = self.connection.execute(update(counter).values(value=counter.c.value + 1))
        if not done.rowcount:
            self.connection.execute(insert(counter).values(id=1, value=1))

    def generation(self) -> int:
        """Return how many changes there have been."""
        return self.connection.execute(select(tables.generations.c.value)).scalar() or 0

    def share(self, kind: Kind, resource_id: str, project_id: str, action: str = SHARED) -> None:
        """Let everybody see it."""
        policies = tables.rbac_policies
        values = {"object_type": kind.shared_as, "object_id": resource_id, "action": action}
        found = self.rows(policies, *(policies.c[name] == value for name, value in values.items()))
        if any(row["target_tenant"] == EVERYBODY for row in found):
            return
        row = {"id": self.new_id(), "project_id": project_id, "target_tenant": EVERYBODY, **values}
        common = {"name": "", "description": "", "revision_number": 1}
        moments = {"created_at": self.now, "updated_at": self.now}
        self.connection.execute(insert(policies).values({**row, **common, **moments}))
        self.note_change()

    def unshare(self, resource_id: str, action: str = SHARED) -> None:
        """Take back what lets everybody see it; projects that were named keep it."""
        policies = tables.rbac_policies
        self.connection.execute(
            delete(policies).where(
                and_(
                    policies.c.object_id == resource_id,
                    policies.c.action == action,
                    policies.c.target_tenant == EVERYBODY,
                )
            )
        )
        self.note_change()

    def tags_of(self, ids: Collection[str]) -> dict[str, list[str]]:
        """Return the tags of these resources."""
        found: dict[str, list[str]] = {}
        for row in self.rows(tables.tags, tables.tags.c.resource_id.in_(ids)):
            found.setdefault(row["resource_id"], []).append(row["tag"])
        return {key: sorted(value) for key, value in found.items()}

    def limit(self, project_id: str, resource: str) -> int:
        """Return how many of them the project may have, -1 for any number."""
        quotas = tables.quotas
        found = self.rows(quotas, quotas.c.project_id == project_id, quotas.c.resource == resource)
        return found[0]["limit"] if found else self.settings.quotas[resource]

    def used(self, kind: Kind, project_id: str) -> int:
        """Return how many of them the project has."""
        counted = select(func.count()).select_from(kind.table).where(kind.table.c.project_id == project_id)
        return self.connection.execute(counted).scalar() or 0

    def reserve(self, kind: Kind, project_id: str, count: int = 1) -> None:
        """Refuse what would be too many.

        Raises:
            Conflict: OverQuota.
        """
        if kind.quota is None:
            return
        limit = self.limit(project_id, kind.quota)
        if 0 <= limit < self.used(kind, project_id) + count:
            raise Conflict(f"Quota exceeded for resources: ['{kind.quota}'].", "OverQuota")
