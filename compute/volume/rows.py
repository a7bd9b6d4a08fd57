"""Rows by id: the few statements that everything here is made of.

    one(connection, volumes, id) ──▶ Row or None      add / change / drop
    listed(connection, volumes, Ask(…)) ──▶ a page

A row that will be written is read with `lock=True` in the same transaction: PostgreSQL and MariaDB lock it,
SQLite lets one writer in at a time anyway.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import String as StringType

from ..api.faults import NotFound
from .views.viewer import Row


def new_id() -> str:
    """Return an id that nothing else has."""
    return str(uuid.uuid4())


def one(connection: Connection, table: Table, row_id: str, *, lock: bool = False) -> Row | None:
    """Return the row of that id, or None."""
    statement = select(table).where(table.c.id == row_id)
    found = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    return None if found is None else dict(found)


def where(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> list[Row]:
    """Return the rows for which all conditions hold, oldest first where the table knows ages."""
    statement = select(table).where(*conditions)
    if "created_at" in table.c:
        statement = statement.order_by(table.c.created_at, *table.primary_key.columns)
    return [dict(row) for row in connection.execute(statement).mappings()]


def add(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Write a new row."""
    connection.execute(insert(table).values(**values))


def change(connection: Connection, table: Table, row_id: str, **values: Any) -> bool:
    """Change a row; False when it is not there any more."""
    return connection.execute(update(table).where(table.c.id == row_id).values(**values)).rowcount > 0


def drop(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Delete rows; return how many there were."""
    return int(connection.execute(delete(table).where(*conditions)).rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a client wants of a list."""

    conditions: Sequence[ColumnElement[bool]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    sort: Sequence[tuple[str, bool]] = (("created_at", True),)  # (column, descending)
    limit: int
    offset: int = 0
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a list."""

    rows: list[Row]
    more: bool
    """Whether the page is full: then clients look at the next one, which may turn out to be empty."""


def listed(connection: Connection, table: Table, ask: Ask) -> Found:
    """Return one page, ordered; metadata is compared here, since each database has JSON its own way.

    Raises:
        NotFound: the marker names no row.
    """
    order = [*ask.sort, ("id", ask.sort[-1][1] if ask.sort else True)]
    statement = select(table).where(*ask.conditions)
    if ask.marker is not None:
        statement = _after(connection, statement, table, order, ask.marker)
    statement = statement.order_by(
        *(_key(table, name).desc() if down else _key(table, name) for name, down in order)
    )
    if ask.metadata:
        everything: list[Row] = [dict(row) for row in connection.execute(statement).mappings()]
        rows = [row for row in everything if _has(row, ask.metadata)]
        rows = rows[ask.offset : ask.offset + ask.limit]
    else:
        statement = statement.offset(ask.offset).limit(ask.limit)
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    return Found(rows, len(rows) == ask.limit)


def counted(connection: Connection, table: Table, conditions: Iterable[ColumnElement[bool]]) -> int:
    """Return how many rows there are for which the conditions hold."""
    return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def _has(row: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(row["metadata"].get(key) == value for key, value in wanted.items())


def _key(table: Table, name: str) -> ColumnElement[Any]:
    """Return what a list is ordered by; a missing value comes before all others in every database."""
    column = table.c[name]
    if not column.nullable:
        return column
    return func.coalesce(column, "" if isinstance(column.type, StringType) else 0)


def _after(
    connection: Connection,
    statement: Select[Any],
    table: Table,
    order: Sequence[tuple[str, bool]],
    marker: str,
) -> Select[Any]:
    """Keep what comes after the marker's row in this order."""
    keys = [_key(table, name) for name, _down in order]
    place = connection.execute(select(*keys).where(table.c.id == marker)).first()
    if place is None:
        raise NotFound(f"marker [{marker}] not found")
    behind = []
    for last, (_name, down) in enumerate(order):
        same = [keys[before] == place[before] for before in range(last)]
        beyond = keys[last] < place[last] if down else keys[last] > place[last]
        behind.append(and_(*same, beyond))
    return statement.where(or_(*behind))
