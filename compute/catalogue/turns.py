"""Who may write: one transaction at a time in a database, whichever of the three it is.

    SQLite      BEGIN IMMEDIATE          its own lock
    PostgreSQL  pg_advisory_xact_lock()  let go by the end of the transaction; reads are REPEATABLE READ
    MariaDB     GET_LOCK()               let go after the commit, or by the end of the connection

Why so, and not SERIALIZABLE with repetitions: doc/decisions/catalogue-writers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event, text

from .problems import Collision

WAIT_SECONDS = 10
TURN = 4_827_113  # Any number that no one else takes as an advisory lock of this database.
_WRITES = "apus_writes"
_MARIADB_NAME = (
    "CONCAT('apus ', MD5(DATABASE()))"  # Such locks are the whole server's; names have 64 letters.
)


@contextmanager
def turn_taken(connection: Connection) -> Iterator[Connection]:
    """A transaction, while no other is in one that was begun here.

    Raises:
        Collision: others took too long.
    """
    writing = connection.execution_options(**{_WRITES: True})
    try:
        with writing.begin():
            yield writing
    finally:
        if writing.dialect.name in ("mysql", "mariadb"):
            _let_go(writing)


def _let_go(writing: Connection) -> None:
    """End the turn after the commit: the lock is the connection's, not the transaction's."""
    if writing.closed or writing.invalidated:
        return  # So it has ended with the connection.
    driver: Any = writing.connection.dbapi_connection
    try:
        driver.cursor().execute(f"SELECT RELEASE_LOCK({_MARIADB_NAME})")
    except driver.Error as problem:
        writing.invalidate(problem)


def _tame_sqlite(engine: Engine) -> None:
    """Take transactions into our own hands: Python's module begins them late, and reads outside of any."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _tame_postgresql(engine: Engine) -> None:
    """A writer waits in its first statement, so the others must see the newest: READ COMMITTED."""
    _have_resets_heard(engine.dialect)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.commit()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.execute(text(f"SELECT pg_advisory_xact_lock({TURN})"))
        else:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _have_resets_heard(dialect: Dialect) -> None:
    """Count a reset as a connection that was cut: where it comes while pg8000 reads, it is an OSError."""
    ping = dialect.do_ping

    def do_ping(connection: Any) -> bool:
        try:
            return ping(connection)
        except OSError:
            return False

    dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]


def _tame_mariadb(engine: Engine) -> None:
    """Values are refused, never cut to what fits; what a transaction reads is of one moment."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("SET SESSION sql_mode = 'TRADITIONAL'")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {WAIT_SECONDS}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # What a transaction sees is as old as its first look into a table, and this is none.
        if connection.get_execution_options().get(_WRITES):
            ours = connection.execute(text(f"SELECT GET_LOCK({_MARIADB_NAME}, {WAIT_SECONDS})")).scalar()
            if ours != 1:
                raise Collision("the database is too busy; try again later")


TAME: dict[str, Callable[[Engine], None]] = {
    "sqlite": _tame_sqlite,
    "postgresql": _tame_postgresql,
    "mysql": _tame_mariadb,
    "mariadb": _tame_mariadb,
}
"""How an engine of each kind is set up; there are no other kinds."""
