"""One account or container database: its connections, its pending rows, its metadata.

    put()      row ──▶ .pending, durable ──▶ return            (many rows share one flush of the device)
    read()     .pending ──▶ tables; then a query               (so a reader sees every acknowledged row)
    write()    folder lock ──▶ one transaction in a native thread

Stock Swift's daemons may use the same file at the same time: every change is made under the folder's lock
and in a transaction of SQLite's rollback journal. A broker may be kept open: when its file was replaced by
another, it notices and opens the new one. What rows mean, and HTTP, it does not know.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import ClassVar, TypeVar

from .. import concurrency
from ..durability import GroupCommitter, committer_for
from ..errors import ApusError, Corrupt, Missing, OutOfSpace, Unavailable
from . import connection, metadata, pending, schema
from .lock import FolderLock
from .metadata import Metadata

log = logging.getLogger(__name__)

T = TypeVar("T")
Transaction = Callable[[sqlite3.Connection], T]
WRITER_CACHE_KIB = (
    8000  # Holds the inner pages of an index of ten million names; a small database takes less.
)
READERS_MAX = 4  # Idle connections kept for reading; each is a descriptor and some memory.


class Broker(ABC):
    """One replica of one account or container; subclasses say which tables it has."""

    kind: ClassVar[str]
    stat_table: ClassVar[str]
    rows_table: ClassVar[str]
    kept_metadata: ClassVar[Collection[str]] = ()

    def __init__(self, path: str, *, lock_seconds: float = 10.0) -> None:
        self.path = path
        self.folder = os.path.dirname(path)
        self._lock = FolderLock(self.folder, timeout_seconds=lock_seconds)
        self._committer: GroupCommitter | None = None
        self._device_number = 0
        self._turn = concurrency.Semaphore(1)
        self._pending = pending.PendingFile(path)
        self._is_open = False  # Whether rows may be appended without a turn, because this process merges.
        self._folds = False
        self._inode: tuple[int, int] | None = None
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None

    # What subclasses know.

    @abstractmethod
    def _is_current(self, database: sqlite3.Connection) -> bool:
        """Whether the file has all that today's statements name."""

    @abstractmethod
    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        """Upgrade the schema of an older release; called in a transaction."""

    @abstractmethod
    def _merge_entries(self, database: sqlite3.Connection, entries: Sequence[pending.Entry]) -> None:
        """Merge rows, in their pending form or as they were put, into the tables."""

    def _entry(self, row: pending.Entry) -> pending.Entry:
        """Return a row in its pending form."""
        return row

    # Life of the file.

    def exists(self) -> bool:
        """Whether the database's file is there."""
        if os.access(self.path, os.F_OK):  # A stat would cost four times as much, for each row.
            return True
        self._refuse_other_forms()
        return False

    def _refuse_other_forms(self) -> None:  # noqa: B027 - most kinds have but one form
        """Raise Unavailable when the folder holds the database in a form that is not served here."""

    def close(self) -> None:
        """Close all connections; the broker may be used again."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._lock.close()
        self._pending.close()
        self._committer = None
        self._inode = None

    def quarantine(self, reason: str) -> None:
        """Move the database out of the way, so that replication brings a good copy."""
        self.close()
        device = schema.device_of(self.path)
        goal = os.path.join(device, "quarantined", f"{self.kind}s", os.path.basename(self.folder))
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        if os.path.exists(goal):
            goal = f"{goal}-{uuid.uuid4().hex}"
        try:
            os.rename(self.folder, goal)
        except FileNotFoundError:
            return  # Another process has done it.
        log.error("database quarantined", extra={"path": self.path, "goal": goal, "reason": reason})

    def verify(self) -> None:
        """Check the structure of every page.

        Raises:
            Corrupt: when one is malformed; the database is in quarantine then.
        """

        def work(database: sqlite3.Connection) -> None:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(f"malformed: {found}")

        self.read_at_length(work)

    def snapshot(self, goal: str) -> None:
        """Write a copy of the database, all acknowledged rows in it, to a file of its own."""

        def work(database: sqlite3.Connection) -> None:
            with closing(sqlite3.connect(goal)) as copy:
                copy.execute("PRAGMA synchronous = OFF")
                database.backup(copy)

        self._settle_for_reading()
        with self._reader() as database:
            concurrency.in_native_thread(work, database)

    # Rows.

    def put(self, row: pending.Entry) -> None:
        """Keep one row for certain: on return it survives a power loss.

        Raises:
            Missing: when there is no database.
            OutOfSpace: when the device is full; nothing was kept.
            Unavailable: when others hold the folder's lock for too long.
        """
        encoded = self._encoded([row])
        for is_second in (False, True):
            committer, ticket = self.begin()
            try:
                waiting = self._append(encoded)
                if is_second and os.stat(self.folder).st_dev == self._device_number:
                    # Nothing was replaced: some file systems (overlayfs) number files otherwise than folders.
                    self._device_number = self._pending.device
                if self._pending.device == self._device_number:
                    committer.sync(ticket)
                    break
                self._committer = None  # Another device has taken its place: once more, with that one's.
            except OSError as problem:
                raise OutOfSpace(f"{self.path}: {problem.strerror}") from problem
            finally:
                committer.finish()
        else:
            raise Unavailable(f"{self.path}: its device is replaced again and again")
        self._fold_beyond_cap(waiting)

    def _fold_beyond_cap(self, waiting: int) -> None:
        if waiting > pending.CAP_BYTES and not self._folds:
            self._folds = True
            concurrency.spawn(self._fold)

    def begin(self) -> tuple[GroupCommitter, int]:
        """Announce a row to the device's committer, which is looked up but once."""
        if self._committer is not None:
            try:
                return self._committer, self._committer.begin()
            except OSError:
                self._committer = None  # It was opened by a path that is gone.
        try:
            self._device_number = os.stat(self.folder).st_dev
            self._committer = committer_for(self.folder)
            return self._committer, self._committer.begin()
        except OSError as problem:
            raise Missing(f"{self.path} does not exist") from problem

    def _encoded(self, rows: Sequence[pending.Entry]) -> pending.Encoded:
        return {pending.encode(self._entry(row)): row for row in rows}

    def _append(self, rows: pending.Encoded) -> int:
        """Put rows behind the pending ones; return how many bytes wait before them."""
        if self._is_open:
            waiting = self._pending.append(rows)
            if waiting <= pending.MAX_BYTES:
                return waiting
        with self._turn, self._lock:
            if not self.exists():
                raise Missing(f"{self.path} does not exist")
            waiting = self._pending.append(rows)
            if waiting > pending.MAX_BYTES:
                self._refresh()
                self._settle()
                waiting = self._pending.append(rows)
            return waiting

    def append_at_once(self, rows: Sequence[pending.Entry]) -> bool:
        """Put rows behind the pending ones unless that means to wait; they are not durable yet.

        No other green thread runs meanwhile. Raises what `put` raises, and OSError.
        """
        encoded = self._encoded(rows)
        if self._is_open:
            waiting = self._pending.append(encoded)
        elif self._turn.locked():
            return False
        else:
            try:
                self._lock.take(0)
            except Unavailable:
                return False
            try:
                if not self.exists():
                    raise Missing(f"{self.path} does not exist")
                waiting = self._pending.append(encoded)
            finally:
                self._lock.release()
        if waiting > pending.MAX_BYTES or self._pending.device != self._device_number:
            return False
        self._fold_beyond_cap(waiting)
        return True

    def settle(self) -> None:
        """Take the pending rows into the tables."""
        if self._pending.size():
            with self._alone():
                self._settle()

    def _settle(self) -> None:
        """Merge what waits, and what this process adds meanwhile: the folder's lock is ours.

        Rows need not wait for the long transaction; only for a second, short one if some came during it.
        """
        if not self._pending.size():
            return
        entries, end = self._pending.read()
        self._is_open = True
        try:
            self._merge_pending(entries)
        finally:
            self._is_open = False
        self._merge_pending(self._pending.read(end)[0])
        self._pending.clear()

    def _merge_pending(self, entries: list[pending.Entry]) -> None:
        if entries:
            self._transact(lambda database: self._merge_entries(database, entries))

    def _fold(self) -> None:
        """Merge the pending rows for nobody in particular."""
        try:
            self.settle()
        except ApusError as problem:
            log.warning("pending rows cannot be merged", extra={"path": self.path, "problem": str(problem)})
        finally:
            self._folds = False

    # Transactions.

    def write(self, work: Transaction[T], *, settled: bool = False) -> T:
        """Return what `work` returns, done in one transaction that is durable on return.

        With `settled` the pending rows are merged first, under the same lock.
        """
        with self._alone():
            if settled:
                self._settle()
            return self._transact(work)

    def read(self, work: Transaction[T], *, fresh: bool = True) -> T:
        """Return what `work` returns in one read transaction that sees every acknowledged row.

        Raises:
            Missing: when there is no database.
            Corrupt: when it was unreadable; it is in quarantine then.
        """
        if fresh:
            self._settle_for_reading()
        with self._reader() as database:
            return connection.patiently(lambda: _in_transaction(database, work, "BEGIN"))

    def read_at_length(self, work: Transaction[T]) -> T:
        """Do as `read`, in a native thread: for queries that would hold up everyone else."""
        self._settle_for_reading()
        with self._reader() as database:
            database.execute(f"PRAGMA busy_timeout = {int(connection.BUSY_SECONDS * 1000)}")
            result: T = concurrency.in_native_thread(_in_transaction, database, work, "BEGIN")
            database.execute("PRAGMA busy_timeout = 0")
            return result

    def _settle_for_reading(self) -> None:
        """Merge pending rows; on a full device a reader gets what the tables hold."""
        try:
            self.settle()
        except OutOfSpace as problem:
            log.warning("pending rows cannot be merged", extra={"path": self.path, "problem": str(problem)})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one, of this process and others, that changes the database."""
        with self._turn, self._lock:
            self._refresh()
            yield

    def _transact(self, work: Transaction[T]) -> T:
        """Run a writing transaction; a failure is judged here, where no native thread is at work."""
        try:
            result: T = concurrency.in_native_thread(self._write, work)
        except sqlite3.Error as problem:
            raise self._failure(problem) from problem
        return result

    def _write(self, work: Transaction[T]) -> T:
        """Run a writing transaction (in a native thread)."""
        writer, self._writer = self._writer, None
        inode = self._inode
        try:
            if writer is None:
                writer = connection.connect(self.path, busy_seconds=connection.BUSY_SECONDS)
                writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
            result = _in_transaction(writer, work, "BEGIN IMMEDIATE")
        except sqlite3.Error:
            if writer is not None:
                writer.close()
            raise
        if inode == self._inode:
            self._writer = writer
        else:
            writer.close()
        return result

    def _upgrade(self, database: sqlite3.Connection) -> None:
        if not self._is_current(database):
            _in_transaction(database, self._bring_up_to_date, "BEGIN IMMEDIATE")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        self._refresh()
        try:
            database = self._readers.pop() if self._readers else self._connect()
            inode = self._inode
            try:
                yield database
            except BaseException:
                database.close()
                raise
            if inode == self._inode and len(self._readers) < READERS_MAX:
                self._readers.append(database)
            else:
                database.close()
        except sqlite3.Error as problem:
            raise self._failure(problem) from problem

    def _connect(self) -> sqlite3.Connection:
        return connection.patiently(lambda: connection.connect(self.path, busy_seconds=0))

    def _refresh(self) -> None:
        """Notice when the file was replaced; the first time, see to it that its schema is today's."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError as problem:
            self.close()
            self._refuse_other_forms()
            raise Missing(f"{self.path} does not exist") from problem
        inode = (status.st_dev, status.st_ino)
        if inode == self._inode:
            return
        self.close()
        try:
            database = self._connect()
            connection.patiently(lambda: self._upgrade(database))
        except sqlite3.Error as problem:
            raise self._failure(problem) from problem
        self._readers.append(database)
        self._inode = inode

    def _failure(self, problem: sqlite3.Error) -> ApusError:
        """Return what a failure of SQLite means; a corrupt database is put into quarantine first."""
        error = connection.translated(problem, self.path)
        if isinstance(error, Corrupt):
            self.quarantine(str(problem))
        return error

    # Metadata and moments.

    def metadata(self) -> Metadata:
        """Return the items, deleted ones included, each with its timestamp."""
        return self.read(self.metadata_in, fresh=False)

    def metadata_in(self, database: sqlite3.Connection) -> Metadata:
        """Return the items as of a transaction."""
        return metadata.read(self._stat(database, "metadata"))

    def merge_metadata(
        self,
        updates: Mapping[str, tuple[str, str]],
        check: Callable[[Mapping[str, tuple[str, str]]], None] | None = None,
    ) -> None:
        """Apply what is newer; `check` judges the result and may refuse all of it."""
        stored = self.metadata()
        if metadata.merged(stored, updates) == stored:
            return

        def work(database: sqlite3.Connection) -> None:
            merged = metadata.merged(self.metadata_in(database), updates)
            if check is not None:
                check(merged)
            self._set(database, "metadata = ?", metadata.written(merged))

        self.write(work)

    def touch(self, put_timestamp: str) -> None:
        """Move the put timestamp forward."""
        self.write(lambda db: self._advance(db, "put_timestamp", put_timestamp))

    def delete(self, timestamp: str) -> None:
        """Mark the database deleted and all but a few metadata items with it."""

        def work(database: sqlite3.Connection) -> None:
            stored = self.metadata_in(database)
            gone = metadata.erased(stored, timestamp, kept=self.kept_metadata)
            self._set(database, "metadata = ?", metadata.written(metadata.merged(stored, gone)))
            database.execute(
                self._sql(
                    "UPDATE {stat} SET delete_timestamp = ?1, status = 'DELETED', status_changed_at = ?1"
                    " WHERE delete_timestamp < ?1"
                ),
                (timestamp,),
            )

        self.write(work, settled=True)

    def change_status_moment(self, timestamp: str) -> None:
        """Move forward the moment of the last creation, deletion or change of policy."""
        self.write(lambda db: self._advance(db, "status_changed_at", timestamp))

    def _advance(self, database: sqlite3.Connection, column: str, timestamp: str) -> None:
        statement = self._sql("UPDATE {stat} SET {column} = ?1 WHERE {column} < ?1")
        database.execute(statement.replace("{column}", column), (timestamp,))

    def _set(self, database: sqlite3.Connection, assignment: str, *values: object) -> None:
        database.execute(self._sql("UPDATE {stat} SET ") + assignment, values)

    def _stat(self, database: sqlite3.Connection, column: str) -> str | None:
        row = database.execute(
            self._sql("SELECT {column} FROM {stat}").replace("{column}", column)
        ).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"malformed: {self.stat_table} has no row")
        value: str | None = row[0]
        return value

    def _sql(self, statement: str) -> str:
        """Put this kind's table names into a statement."""
        return statement.replace("{stat}", self.stat_table).replace("{rows}", self.rows_table)


def _in_transaction(database: sqlite3.Connection, work: Transaction[T], begin: str) -> T:
    """Run `work` between BEGIN and COMMIT; whatever goes wrong, nothing of it stays."""
    database.execute(begin)
    try:
        result = work(database)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return result
