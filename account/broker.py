"""One replica of one account: its container rows and its counts.

put_container(row) ─▶ .pending        listing(query) ─▶ rows        info() ─▶ AccountInfo
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..common.database.connection import ARGUMENTS_MAX
from ..common.database.listing import NO_LIMIT, Query, Range, Subdir, scan
from ..common.database.metadata import Metadata
from ..common.database.pending import Entry, readable
from ..common.database.replica import Item, Replica
from ..common.database.schema import create, new_id
from ..common.timestamp import Timestamp
from . import schema
from .rows import ContainerRow, from_entry, from_item, merged

LONG_LISTING = 500  # Longer ones are read in a native thread, so that others need not wait.
_ROW_COLUMNS = (
    "name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted, storage_policy_index"
)
_INFO_COLUMNS = (
    "account, created_at, put_timestamp, delete_timestamp, status_changed_at, container_count, object_count,"
    " bytes_used, hash, id, status"
)

ListedRow = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """An account's summary, under stock Swift's names."""

    account: str
    created_at: str
    put_timestamp: str
    delete_timestamp: str
    status_changed_at: str
    container_count: int
    object_count: int
    bytes_used: int
    hash: str
    id: str
    status: str

    @property
    def marked_deleted(self) -> bool:
        """Whether a deletion was asked for; its containers may still have to be reaped."""
        return self.status == "DELETED" or self.delete_timestamp > self.put_timestamp

    @property
    def deleted(self) -> bool:
        """Whether clients are told that there is no such account."""
        later = Timestamp.parse(self.delete_timestamp) > Timestamp.parse(self.put_timestamp)
        return self.status == "DELETED" or (not self.container_count and later)


@dataclass(frozen=True, slots=True)
class PolicyStat:
    """What an account has under one storage policy."""

    container_count: int
    object_count: int
    bytes_used: int


class AccountBroker(Replica):
    """The account's tables behind the operations that servers and daemons need."""

    kind = "account"
    stat_table = "account_stat"
    rows_table = "container"
    age_column = "delete_timestamp"

    def initialize(self, account: str, *, put_timestamp: str, now: Timestamp) -> bool:
        """Make the database; return False when somebody else has."""
        birth = schema.Birth(
            account=account, created_at=now.normal, put_timestamp=put_timestamp, id=new_id(self.path)
        )
        return create(self.path, lambda database: schema.fill(database, birth))

    def put_container(self, row: ContainerRow) -> None:
        """Keep what a container reports, for certain."""
        self.put(row.values())

    def info(self) -> AccountInfo:
        """Return the summary, with every acknowledged row in it."""
        return self.read(self._account_info)

    def summary(self) -> tuple[AccountInfo, dict[int, PolicyStat], Metadata]:
        """Return summary, policies and metadata as of one moment."""
        return self.read(lambda db: (self._account_info(db), _policy_stats(db), self.metadata_in(db)))

    def policy_stats(self) -> dict[int, PolicyStat]:
        """Return what the account has under each policy."""
        return self.read(_policy_stats)

    def listing(self, query: Query, *, expected: int = 0) -> list[ListedRow | Subdir]:
        """Return (name, object_count, bytes_used, put_timestamp, policy_index) or Subdir."""

        def work(database: sqlite3.Connection) -> list[ListedRow | Subdir]:
            return list(scan(query, lambda span: _fetch(database, span)))

        if min(query.limit, expected) > LONG_LISTING or query.delimiter:
            return self.read_at_length(work)
        return self.read(work)

    # What the common parts ask.

    def _is_current(self, database: sqlite3.Connection) -> bool:
        return schema.is_current(database)

    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        schema.upgrade(database)

    def _merge_entries(self, database: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        _merge(database, readable(entries, from_entry))

    def _merge_items(self, database: sqlite3.Connection, items: Sequence[Item]) -> None:
        _merge(database, [from_item(item) for item in items])

    def _is_deleted(self, database: sqlite3.Connection) -> bool:
        return self._account_info(database).deleted

    def _account_info(self, database: sqlite3.Connection) -> AccountInfo:
        rows = database.execute(f"SELECT {_INFO_COLUMNS} FROM account_stat")  # noqa: S608 - constants
        row = rows.fetchone()
        if row is None:
            raise sqlite3.DatabaseError("malformed: account_stat has no row")
        names = (column[0] for column in rows.description)
        return AccountInfo(**dict(zip(names, row, strict=True)))

    def _info(self, database: sqlite3.Connection) -> Item:
        info = asdict(self._account_info(database))
        info["count"] = info.pop("container_count")
        return info


def _policy_stats(database: sqlite3.Connection) -> dict[int, PolicyStat]:
    rows = database.execute(
        "SELECT storage_policy_index, container_count, object_count, bytes_used FROM policy_stat"
    )
    return {index: PolicyStat(*counts) for index, *counts in rows}


def _fetch(database: sqlite3.Connection, span: Range) -> Iterator[ListedRow]:
    """Return the live rows of a range of names, in order."""
    conditions = ["deleted = 0 AND name", ">= ?" if span.low_is_in else "> ?"]
    values: list[object] = [span.low]
    if span.high:
        conditions.append("AND name < ?")
        values.append(span.high)
    values.append(span.limit if span.limit != NO_LIMIT else -1)
    order = "DESC" if span.reverse else "ASC"
    return database.execute(
        "SELECT name, object_count, bytes_used, put_timestamp, storage_policy_index FROM container"  # noqa: S608
        f" WHERE {' '.join(conditions)} ORDER BY name {order} LIMIT ?",
        values,
    )


def _merge(database: sqlite3.Connection, rows: Sequence[ContainerRow]) -> None:
    """Merge reports into the table in their order; one that tells nothing new changes nothing."""
    stored = _stored(database, list({row.name for row in rows}))
    results = dict(stored)
    for row in rows:
        results[row.name] = merged(results.get(row.name), row)
    changed = [row for name, row in results.items() if row != stored.get(name)]
    database.executemany(
        "DELETE FROM container WHERE deleted IN (0, 1) AND name = ?",
        [(row.name,) for row in changed if row.name in stored],
    )
    database.executemany(
        f"INSERT INTO container ({_ROW_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        [row.values() for row in changed],
    )


def _stored(database: sqlite3.Connection, names: list[str]) -> dict[str, ContainerRow]:
    found = {}
    for start in range(0, len(names), ARGUMENTS_MAX):
        chunk = names[start : start + ARGUMENTS_MAX]
        rows = database.execute(
            f"SELECT {_ROW_COLUMNS} FROM container WHERE deleted IN (0, 1)"  # noqa: S608 - constants and marks
            f" AND name IN ({', '.join('?' * len(chunk))})",
            chunk,
        )
        for values in rows:
            found[values[0]] = from_entry(values)
    return found
