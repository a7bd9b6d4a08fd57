"""One replica of one container: its object rows, its counts and its policy.

    put_object(row) ─▶ .pending        listing(query) ─▶ rows        info() ─▶ ContainerInfo

The index is asked only through ranges of names (`_Rows.fetch`) and changed only by `merging`: where rows
lie is not known outside of this file. HTTP is not known here.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..common.database.listing import NO_LIMIT, Query, Range, Subdir, bounds, scan
from ..common.database.metadata import Metadata
from ..common.database.pending import Entry, readable
from ..common.database.replica import Item, Replica
from ..common.database.schema import create, new_id
from ..common.errors import Refused, Unavailable
from ..common.timestamp import Timestamp
from . import json_listing, schema
from .merging import merge
from .policy_choice import PolicyClaim
from .rows import ObjectRow, entry_of, from_entry, from_item

LONG_LISTING = 500  # Longer ones are read in a native thread, so that others need not wait.
_LISTED_COLUMNS = "name, created_at, size, content_type, etag"
_INFO_COLUMNS = (
    "account, container, created_at, put_timestamp, delete_timestamp, status, status_changed_at,"
    " object_count, bytes_used, reported_put_timestamp, reported_delete_timestamp, reported_object_count,"
    " reported_bytes_used, hash, id, x_container_sync_point1, x_container_sync_point2, storage_policy_index"
)

ListedRow = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerInfo:
    """A container's summary, under stock Swift's names."""

    account: str
    container: str
    created_at: str
    put_timestamp: str
    delete_timestamp: str
    status: str
    status_changed_at: str
    object_count: int
    bytes_used: int
    reported_put_timestamp: str
    reported_delete_timestamp: str
    reported_object_count: int
    reported_bytes_used: int
    hash: str
    id: str
    x_container_sync_point1: int
    x_container_sync_point2: int
    storage_policy_index: int

    @property
    def deleted(self) -> bool:
        """Whether clients are told that there is no such container."""
        return not self.object_count and Timestamp.parse(self.delete_timestamp) > Timestamp.parse(
            self.put_timestamp
        )

    @property
    def reported(self) -> bool:
        """Whether the account has been told all of this."""
        return (
            self.put_timestamp <= self.reported_put_timestamp
            and self.delete_timestamp <= self.reported_delete_timestamp
            and self.object_count == self.reported_object_count
            and self.bytes_used == self.reported_bytes_used
        )

    @property
    def claim(self) -> PolicyClaim:
        """What this replica says about the container's policy."""
        return PolicyClaim(
            policy_index=self.storage_policy_index,
            put_timestamp=self.put_timestamp,
            delete_timestamp=self.delete_timestamp,
            status_changed_at=self.status_changed_at,
            object_count=self.object_count,
        )


class PolicyConflict(Refused):
    """The container lives under another storage policy than the one that was asked for."""

    def __init__(self, policy_index: int) -> None:
        super().__init__("the container has another storage policy", 409)
        self.policy_index = policy_index


class ContainerBroker(Replica):
    """The container's tables behind the operations that servers and daemons need."""

    kind = "container"
    stat_table = "container_info"
    rows_table = "object"
    age_column = "created_at"
    kept_metadata = (
        "x-container-sysmeta-shard-quoted-root",
        "x-container-sysmeta-shard-root",
        "x-container-sysmeta-sharding",
    )

    def initialize(
        self, account: str, container: str, *, put_timestamp: str, policy_index: int, now: Timestamp
    ) -> bool:
        """Make the database; return False when somebody else has."""
        birth = schema.Birth(
            account=account,
            container=container,
            created_at=now.normal,
            put_timestamp=put_timestamp,
            policy_index=policy_index,
            id=new_id(self.path),
        )
        return create(self.path, lambda database: schema.fill(database, birth))

    def put_again(self, timestamp: str, *, policy_index: int, required_policy: int | None) -> bool:
        """Renew a container, or revive a deleted one under `policy_index`; say whether it revived.

        Raises:
            PolicyConflict: when it lives under another policy than the required one.
            Refused: with status 409 when it was deleted after `timestamp`.
        """

        def work(database: sqlite3.Connection) -> bool:
            info = self._container_info(database)
            if info.deleted:
                self._put_policy(database, policy_index, timestamp)
            elif required_policy is not None and required_policy != info.storage_policy_index:
                raise PolicyConflict(info.storage_policy_index)
            self._advance(database, "put_timestamp", timestamp)
            if self._is_deleted(database):
                raise Refused("the container was deleted after this request was made", 409)
            if info.deleted:
                self._advance(database, "status_changed_at", timestamp)
            return info.deleted

        return self.write(work, settled=True)

    def put_object(self, row: ObjectRow) -> None:
        """Keep an object's row, or its tombstone, for certain."""
        self.put(row)

    def info(self) -> ContainerInfo:
        """Return the summary, with every acknowledged row in it."""
        return self.read(self._container_info)

    def summary(self) -> tuple[ContainerInfo, Metadata]:
        """Return summary and metadata as of one moment."""
        return self.read(lambda db: (self._container_info(db), self.metadata_in(db)))

    def is_empty(self) -> bool:
        """Whether no policy has a live object of it."""

        def work(database: sqlite3.Connection) -> bool:
            return not database.execute("SELECT MAX(object_count) FROM policy_stat").fetchone()[0]

        return self.read(work)

    def policy_stats(self) -> dict[int, tuple[int, int]]:
        """Return objects and bytes of each policy that ever had some."""

        def work(database: sqlite3.Connection) -> dict[int, tuple[int, int]]:
            rows = database.execute("SELECT storage_policy_index, object_count, bytes_used FROM policy_stat")
            return {index: (count, size) for index, count, size in rows}

        return self.read(work)

    def listing(self, query: Query, policy_index: int, *, expected: int = 0) -> list[ListedRow | Subdir]:
        """Return (name, created_at, size, content_type, etag) or Subdir of what the query shows.

        `expected` is about how many rows there may be: long listings are read in a native thread.
        """

        def work(database: sqlite3.Connection) -> list[ListedRow | Subdir]:
            return list(scan(query, _Rows(database, policy_index, deleted=0).fetch))

        if min(query.limit, expected) > LONG_LISTING or query.delimiter:
            return self.read_at_length(work)
        return self.read(work)

    def json_listing(self, query: Query, policy_index: int, *, expected: int = 0) -> bytes:
        """Return what the query shows as JSON; `expected` as for `listing`."""

        def rolled_up(database: sqlite3.Connection) -> bytes:
            columns, values = json_listing.columns(query)
            rows = _Rows(database, policy_index, deleted=0, columns=f"name, {columns}", values=values)
            return json_listing.joined(database, scan(query, rows.fetch))

        def whole(database: sqlite3.Connection) -> bytes:
            span = bounds(query)
            if span is None:
                return b"[]"
            rows = _Rows(database, policy_index, deleted=0, columns=f"{json_listing.OBJECT} AS object")
            return json_listing.document(database, *rows.select(span))

        how = rolled_up if query.delimiter or query.path is not None else whole
        if min(query.limit, expected) > LONG_LISTING or query.delimiter:
            return self.read_at_length(how)
        return self.read(how)

    def full_listing(self, query: Query, policy_index: int) -> list[tuple[ListedRow | Subdir, int]]:
        """Return what the query shows if deleted rows are shown too, each with whether it is deleted."""

        def work(database: sqlite3.Connection) -> list[tuple[ListedRow | Subdir, int]]:
            live = scan(query, _Rows(database, policy_index, deleted=0).fetch)
            dead = scan(query, _Rows(database, policy_index, deleted=1).fetch)
            return list(
                itertools.islice(_interleaved(live, dead, reverse=query.reverse), max(0, query.limit))
            )

        return self.read_at_length(work)

    def set_policy(self, policy_index: int, timestamp: str) -> None:
        """Make another policy the container's."""
        self.write(lambda db: self._put_policy(db, policy_index, timestamp))

    @staticmethod
    def _put_policy(database: sqlite3.Connection, policy_index: int, timestamp: str) -> None:
        database.execute(
            "INSERT OR IGNORE INTO policy_stat (storage_policy_index) VALUES (?)", (policy_index,)
        )
        database.execute(
            "UPDATE container_info SET storage_policy_index = ?1,"
            " status_changed_at = MAX(?2, status_changed_at) WHERE storage_policy_index <> ?1",
            (policy_index, timestamp),
        )

    def set_client_sync_points(self, first: int, second: int) -> None:
        """Set how far synchronisation with a container of another cluster has got."""
        self.write(
            lambda db: self._set(
                db, "x_container_sync_point1 = ?, x_container_sync_point2 = ?", first, second
            )
        )

    def remember_report(self, info: ContainerInfo) -> None:
        """Remember that the account has been told this."""
        self.write(
            lambda db: self._set(
                db,
                "reported_put_timestamp = ?, reported_delete_timestamp = ?, reported_object_count = ?,"
                " reported_bytes_used = ?",
                info.put_timestamp,
                info.delete_timestamp,
                info.object_count,
                info.bytes_used,
            )
        )

    def merge_rows(self, rows: Iterable[ObjectRow]) -> None:
        """Merge rows into the table at once."""
        known = list(rows)
        self.write(lambda db: merge(db, known))

    # What the common parts ask.

    def _refuse_other_forms(self) -> None:
        """Refuse what stock's sharder has made: HASH_EPOCH.db, a part of a container spread over many."""
        stem = os.path.basename(self.path).removesuffix(".db")
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return
        if any(name.startswith(f"{stem}_") and name.endswith(".db") for name in names):
            raise Unavailable(f"{self.folder} holds a sharded container, which stock Swift must serve")

    def _is_current(self, database: sqlite3.Connection) -> bool:
        return schema.is_current(database)

    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        schema.upgrade(database)

    def _merge_entries(self, database: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        merge(database, readable(entries, from_entry))

    def _entry(self, row: Entry) -> Entry:
        return entry_of(row)

    def _merge_items(self, database: sqlite3.Connection, items: Sequence[Item]) -> None:
        merge(database, [from_item(item) for item in items])

    def _is_deleted(self, database: sqlite3.Connection) -> bool:
        return self._container_info(database).deleted

    def _container_info(self, database: sqlite3.Connection) -> ContainerInfo:
        rows = database.execute(f"SELECT {_INFO_COLUMNS} FROM container_stat")  # noqa: S608 - constants
        row = rows.fetchone()
        if row is None:
            raise sqlite3.DatabaseError("malformed: container_info has no row")
        names = (column[0] for column in rows.description)
        return ContainerInfo(**dict(zip(names, row, strict=True)))

    def _info(self, database: sqlite3.Connection) -> Item:
        info = asdict(self._container_info(database))
        info["count"] = info.pop("object_count")
        info["db_state"] = "unsharded"
        info["shard_max_row"] = self._max_row(database, "shard_range")
        return info

    def _forget_reports(self, database: sqlite3.Connection) -> None:
        self._set(
            database,
            "reported_put_timestamp = 0, reported_delete_timestamp = 0, reported_object_count = 0,"
            " reported_bytes_used = 0",
        )


class _Rows:
    """The object table of one policy, live rows or deleted ones, as sorted ranges of names."""

    def __init__(
        self,
        database: sqlite3.Connection,
        policy_index: int,
        *,
        deleted: int,
        columns: str = _LISTED_COLUMNS,
        values: Sequence[object] = (),
    ) -> None:
        self._database = database
        self._start = (*values, deleted, policy_index)
        self._columns = columns

    def fetch(self, span: Range) -> Iterator[ListedRow]:
        """Return the rows of the range in order."""
        return self._database.execute(*self.select(span))

    def select(self, span: Range) -> tuple[str, list[object]]:
        """Return the statement for the rows of the range in order, and its values."""
        conditions = [
            "deleted = ? AND storage_policy_index = ? AND name",
            ">= ?" if span.low_is_in else "> ?",
        ]
        values: list[object] = [*self._start, span.low]
        if span.high:
            conditions.append("AND name < ?")
            values.append(span.high)
        order = "DESC" if span.reverse else "ASC"
        values.append(span.limit if span.limit != NO_LIMIT else -1)
        statement = (
            f"SELECT {self._columns} FROM object"  # noqa: S608 - no value is in the text
            f" WHERE {' '.join(conditions)} ORDER BY name {order} LIMIT ?"
        )
        return statement, values


def _interleaved(
    live: Iterator[ListedRow | Subdir], dead: Iterator[ListedRow | Subdir], *, reverse: bool
) -> Iterator[tuple[ListedRow | Subdir, int]]:
    """Merge two sorted listings; what both have is alive."""
    marked = [((item, 0) for item in live), ((item, 1) for item in dead)]
    last = None
    for item, deleted in heapq.merge(*marked, key=lambda pair: _name(pair[0]), reverse=reverse):
        if _name(item) != last:
            last = _name(item)
            yield item, deleted


def _name(item: ListedRow | Subdir) -> str:
    name: str = item.name if isinstance(item, Subdir) else item[0]
    return name


def claim_of(item: Item) -> PolicyClaim | None:
    """Return the policy claim in a peer's summary, None when it makes none (a cluster of one policy)."""
    if "storage_policy_index" not in item:
        return None
    return PolicyClaim(
        policy_index=int(item["storage_policy_index"]),
        put_timestamp=str(item["put_timestamp"]),
        delete_timestamp=str(item["delete_timestamp"]),
        status_changed_at=str(item["status_changed_at"]),
        object_count=int(item.get("count", item.get("object_count", 0)) or 0),
    )
