"""Whether one more fits into the project's quota, asked in the transaction that adds it.

check(connection, project, {"volumes": 1, "gigabytes": 5}, type_name) ──▶ nothing, or OverLimit

On SQLite a write transaction is alone; on PostgreSQL and MariaDB the project's row in `quotas` is locked
first, so that two requests at once are counted one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import IntegrityError

from .. import quota, rows
from ..tables import backups, quotas, snapshots, types, volumes
from .doors import over_quota

TURNSTILE = "(turnstile)"
"""Name of the row that writers of one project's resources lock; it limits nothing."""
DEFAULT_CLASS = "default"


def check(
    connection: Connection, project_id: str, wanted: Mapping[str, int], *, type_name: str | None = None
) -> None:
    """Refuse what would exceed the project's quota.

    Raises:
        OverLimit: naming the limit.
    """
    pass_turnstile(connection, project_id)
    if type_name is not None:
        by_type = {f"{name}_{type_name}": n for name, n in wanted.items() if name in _BY_TYPE}
        wanted = {**wanted, **by_type}
    used = usage(connection, project_id)
    limits = limits_of(connection, project_id, wanted)
    for name in quota.over(wanted, used, limits):
        raise over_quota(quota.sentence(name, wanted, used, limits))


_BY_TYPE = frozenset(("volumes", "snapshots", "gigabytes"))


def check_size(connection: Connection, project_id: str, size: int) -> None:
    """Refuse one volume that is larger than any may be in the project."""
    wanted = {"per_volume_gigabytes": size}
    limits = limits_of(connection, project_id, wanted)
    for name in quota.over(wanted, {}, limits):
        raise over_quota(quota.sentence(name, wanted, {}, limits))


def pass_turnstile(connection: Connection, project_id: str) -> None:
    """Wait until nobody else counts this project's resources."""
    mine = (quotas.c.scope == "project", quotas.c.owner == project_id, quotas.c.name == TURNSTILE)
    if connection.execute(select(quotas).where(*mine).with_for_update()).first() is None:
        try:
            with connection.begin_nested():
                values = {"scope": "project", "owner": project_id, "name": TURNSTILE, "most": quota.UNLIMITED}
                rows.add(connection, quotas, values)
        except IntegrityError:
            connection.execute(select(quotas).where(*mine).with_for_update()).first()


def usage(connection: Connection, project_id: str) -> dict[str, int]:
    """Return what the project uses now."""
    names = {row.id: row.name for row in connection.execute(select(types.c.id, types.c.name))}

    def sized(table: Table, *columns: str) -> list[quota.Sized]:
        chosen = select(*(table.c[name] for name in columns)).where(table.c.project_id == project_id)
        found = connection.execute(chosen).mappings()
        return [quota.Sized(row["size"], names.get(row.get("type_id"))) for row in found]

    return quota.usage(
        sized(volumes, "size", "type_id"), sized(snapshots, "size", "type_id"), sized(backups, "size")
    )


def limits_of(connection: Connection, project_id: str, names: Mapping[str, int]) -> dict[str, int]:
    """Return the limits that hold for the project."""
    own = stored(connection, "project", project_id)
    of_class = stored(connection, "class", DEFAULT_CLASS)
    return quota.limits(names, own, of_class)


def stored(connection: Connection, scope: str, owner: str) -> dict[str, int]:
    """Return the limits that somebody set."""
    chosen = rows.where(connection, quotas, quotas.c.scope == scope, quotas.c.owner == owner)
    return {row["name"]: row["most"] for row in chosen if row["name"] != TURNSTILE}


def known_names(connection: Connection) -> list[str]:
    """Return every name that a limit may have: the plain ones, and three for each type."""
    type_names = [row.name for row in connection.execute(select(types.c.name).order_by(types.c.name))]
    return [*quota.DEFAULTS, *(f"{kind}_{name}" for name in type_names for kind in sorted(_BY_TYPE))]
