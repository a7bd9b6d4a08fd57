"""One database as one of several replicas: what it must know and do to become equal to the others.

    sync points      how far each other replica's rows were taken in (incoming) or sent (outgoing)
    items_since()    rows in the order of their arrival ──▶ the other replica's merge_items()
    replication_info()  the summary by which two replicas compare themselves, in stock Swift's JSON keys

Row ids grow with every change, so "all rows after this id" is all that a replica has not been told. It
knows no wire: replicator/ and the servers' REPLICATE carry these values.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import concurrency
from ..durability import fsync_directory
from ..timestamp import Timestamp
from . import connection, metadata, schema
from .broker import Broker

Item = dict[str, Any]
SyncPoint = dict[str, Any]
NO_LIMIT = -1
MERGE_BATCH = 1000  # Rows of one transaction where two files become one.
RECLAIM_BATCH = 10_000  # Rows of one reclaiming transaction: others want their turn.


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The three timestamps that all replicas of a database agree on in the end."""

    created_at: str
    put_timestamp: str
    delete_timestamp: str


class Replica(Broker):
    """A broker with the operations of replication."""

    age_column: str

    @abstractmethod
    def _merge_items(self, database: sqlite3.Connection, items: Sequence[Item]) -> None:
        """Merge rows as another replica has them; newer wins."""

    @abstractmethod
    def _is_deleted(self, database: sqlite3.Connection) -> bool:
        """Whether it counts as deleted, as of a transaction."""

    @abstractmethod
    def _info(self, database: sqlite3.Connection) -> Item:
        """Return the summary in stock's keys, with `count` for the number of live rows."""

    def _forget_reports(self, database: sqlite3.Connection) -> None:
        """Forget what was reported to others in the name of this database: it has become another one."""

    def replication_info(self) -> Item:
        """Return the summary, with `max_row` and the raw `metadata`."""
        return self.read(self._replication_info)

    def _replication_info(self, database: sqlite3.Connection) -> Item:
        info = self._info(database)
        info["metadata"] = self._stat(database, "metadata") or ""
        info["max_row"] = self._max_row(database, self.rows_table)
        return info

    def max_row(self) -> int:
        """Return the id of the newest row ever, -1 when there was none."""
        return self.read(lambda db: self._max_row(db, self.rows_table))

    @staticmethod
    def _max_row(database: sqlite3.Connection, table: str) -> int:
        row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return -1 if row is None else int(row[0])

    def items_since(self, row_id: int, count: int) -> list[Item]:
        """Return up to `count` rows that came after `row_id`, oldest first."""
        return self.read(lambda db: self._items_since(db, row_id, count))

    def _items_since(self, database: sqlite3.Connection, row_id: int, count: int) -> list[Item]:
        rows = database.execute(
            self._sql("SELECT * FROM {rows} WHERE ROWID > ? ORDER BY ROWID LIMIT ?"), (row_id, count)
        )
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def merge_items(self, items: Sequence[Item], source: str | None = None) -> None:
        """Merge another replica's rows; with `source`, its id, remember how far we have got."""
        if not items:
            return

        def work(database: sqlite3.Connection) -> None:
            self._merge_items(database, items)
            if source is not None:
                point = max(int(item["ROWID"]) for item in items)
                _set_sync(database, "incoming_sync", source, point)

        self.write(work)

    def sync_point(self, remote_id: str, *, incoming: bool) -> int:
        """Return how far the other's rows are here (incoming) or ours are there; -1 for not at all."""
        table = "incoming_sync" if incoming else "outgoing_sync"

        def work(database: sqlite3.Connection) -> int:
            row = database.execute(
                f"SELECT sync_point FROM {table} WHERE remote_id = ?",  # noqa: S608 - one of two names
                (remote_id,),
            ).fetchone()
            return -1 if row is None else int(row[0])

        return self.read(work, fresh=False)

    def sync_points(self) -> list[SyncPoint]:
        """Return all incoming sync points, as they are told to another replica."""

        def work(database: sqlite3.Connection) -> list[SyncPoint]:
            rows = database.execute("SELECT remote_id, sync_point FROM incoming_sync")
            return [{"remote_id": remote, "sync_point": point} for remote, point in rows]

        return self.read(work, fresh=False)

    def merge_sync_points(self, points: Sequence[SyncPoint], *, incoming: bool = True) -> None:
        """Remember points that are further than those known."""
        table = "incoming_sync" if incoming else "outgoing_sync"

        def work(database: sqlite3.Connection) -> None:
            for point in points:
                _set_sync(database, table, str(point["remote_id"]), int(point["sync_point"]))

        if points:
            self.write(work)

    def merge_moments(self, moments: Moments, *, now: Timestamp) -> None:
        """Take over the earlier creation and the later put and deletion."""

        def work(database: sqlite3.Connection) -> None:
            was_deleted = self._is_deleted(database)
            self._set(
                database,
                "created_at = MIN(?, created_at), put_timestamp = MAX(?, put_timestamp),"
                " delete_timestamp = MAX(?, delete_timestamp)",
                moments.created_at,
                moments.put_timestamp,
                moments.delete_timestamp,
            )
            if was_deleted != self._is_deleted(database):
                self._advance(database, "status_changed_at", now.internal)

        self.write(work, settled=True)

    def become_new(self, remote_id: str, *, path: str) -> None:
        """Give a copy of another replica's file its own identity; all of the other's rows are in it."""

        def work(database: sqlite3.Connection) -> None:
            self._set(database, "id = ?", schema.new_id(path))
            row = database.execute(self._sql("SELECT MAX(ROWID) FROM {rows}")).fetchone()
            point = -1 if row[0] is None else int(row[0])
            database.execute(
                "INSERT OR REPLACE INTO incoming_sync (sync_point, remote_id) VALUES (?, ?)",
                (point, remote_id),
            )
            self._forget_reports(database)

        self.write(work)

    def give_way_to(self, newer: Replica) -> None:
        """Let a copy of another replica, made in a file of its own, take this one's place with all its rows.

        Rows that come while the two are merged wait for the lock, or are found by the last look under it.
        """
        point = -1
        while items := self.items_since(point, MERGE_BATCH):
            newer.merge_items(items)
            point = items[-1]["ROWID"]
        info = self.replication_info()
        newer.merge_sync_points(self.sync_points())
        newer.merge_metadata(metadata.read(info["metadata"]))
        with self._alone():
            self._settle()
            with self._reader() as database:
                # Whoever does not ask for the folder's lock, as some of stock's programs, is kept out by
                # SQLite's: a transaction on the old file would leave its journal beside the new one.
                connection.patiently(lambda: database.execute("BEGIN EXCLUSIVE"))
                newer.merge_items(self._items_since(database, point, NO_LIMIT))
                newer.close()
                os.rename(newer.path, self.path)
                concurrency.in_native_thread(fsync_directory, self.folder)
                database.execute("ROLLBACK")
            self.close()

    def is_deleted(self) -> bool:
        """Whether it counts as deleted; one that is not there does."""
        return not self.exists() or self.read(self._is_deleted)

    def reclaim(self, rows_before: Timestamp, sync_before: Timestamp) -> None:
        """Forget deletions that all replicas must have heard of by now."""
        self.settle()
        marker: str | None = ""
        while marker is not None:
            marker = self._reclaim_batch(marker, rows_before.normal)

        def work(database: sqlite3.Connection) -> None:
            stored = self.metadata_in(database)
            kept = metadata.without_old_deletions(stored, rows_before.normal)
            if kept != stored:
                self._set(database, "metadata = ?", metadata.written(kept))
            seconds = str(sync_before.ceil_seconds)
            database.execute("DELETE FROM outgoing_sync WHERE updated_at < ?", (seconds,))
            database.execute("DELETE FROM incoming_sync WHERE updated_at < ?", (seconds,))

        if self._has_old_notes(rows_before.normal, str(sync_before.ceil_seconds)):
            self.write(work)

    def _has_old_notes(self, before: str, sync_before: str) -> bool:
        """Look before locking: nearly always there is nothing to forget."""

        def work(database: sqlite3.Connection) -> bool:
            stored = self.metadata_in(database)
            old_points = database.execute(
                "SELECT EXISTS (SELECT 1 FROM outgoing_sync WHERE updated_at < ?1)"
                " OR EXISTS (SELECT 1 FROM incoming_sync WHERE updated_at < ?1)",
                (sync_before,),
            ).fetchone()[0]
            return bool(old_points) or metadata.without_old_deletions(stored, before) != stored

        return self.read(work, fresh=False)

    def _reclaim_batch(self, marker: str, before: str) -> str | None:
        """Remove old deleted rows from `marker` on; return where to go on, None at the end."""

        def look(database: sqlite3.Connection) -> tuple[str | None, bool]:
            end = database.execute(
                self._sql(
                    "SELECT name FROM {rows} WHERE deleted = 1 AND name >= ? ORDER BY name LIMIT 1 OFFSET ?"
                ),
                (marker, RECLAIM_BATCH),
            ).fetchone()
            upper = None if end is None else str(end[0])
            found = database.execute(
                self._old_rows("SELECT 1", upper) + " LIMIT 1", _bounds(marker, before, upper)
            )
            return upper, found.fetchone() is not None

        upper, found = self.read(look, fresh=False)
        if found:
            self.write(lambda db: db.execute(self._old_rows("DELETE", upper), _bounds(marker, before, upper)))
        return upper

    def _old_rows(self, verb: str, upper: str | None) -> str:
        condition = f"deleted = 1 AND name >= ? AND {self.age_column} < ?"
        statement = self._sql(f"{verb} FROM {{rows}} WHERE {condition}")
        return statement if upper is None else f"{statement} AND name < ?"

    def remove(self, *, expected_max_row: int) -> bool:
        """Remove the folder unless a row has come that the caller has not seen; say whether it is gone."""
        with self._alone():
            self._settle()
            with self._reader() as database:
                newest = self._max_row(database, self.rows_table)
            if newest != expected_max_row:
                return False
            self.close()
            shutil.rmtree(self.folder, ignore_errors=True)
        for parent in (os.path.dirname(self.folder), os.path.dirname(os.path.dirname(self.folder))):
            try:
                os.rmdir(parent)
            except OSError:
                break
        return True


def _bounds(marker: str, before: str, upper: str | None) -> tuple[str, ...]:
    return (marker, before) if upper is None else (marker, before, upper)


def _set_sync(database: sqlite3.Connection, table: str, remote_id: str, point: int) -> None:
    changed = database.execute(
        f"UPDATE {table} SET sync_point = MAX(?, sync_point) WHERE remote_id = ?",  # noqa: S608 - one of two names
        (point, remote_id),
    )
    if not changed.rowcount:
        database.execute(
            f"INSERT INTO {table} (sync_point, remote_id) VALUES (?, ?)",  # noqa: S608 - one of two names
            (point, remote_id),
        )
