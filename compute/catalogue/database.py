"""One service's database: SQLite by default, PostgreSQL or MariaDB by URL.

    sqlite:////srv/apus/image.db    postgresql+pg8000://user@host/image    mysql+pymysql://user@host/image

Drivers other than SQLite's are pure Python, so that a green thread that waits for the server lets others run.
Nothing but statements may happen inside a transaction: whoever talks to another service meanwhile would hold
the lock of a SQLite file for as long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ...common import concurrency
from ...common.errors import Refused, Unavailable
from .migration import migrate

log = logging.getLogger(__name__)

T = TypeVar("T")
ATTEMPTS = 8
BUSY_MILLISECONDS = 10_000
_WRITES = "apus_writes"
_TO_BE_REPEATED = ("40001", "40P01", "1213", "1205", "database is locked")  # PostgreSQL, MariaDB, SQLite.


class Catalogue:
    """The tables of one service."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, migrations: Path) -> Catalogue:
        """Connect, and bring the tables up to date.

        Raises:
            Refused: the URL is none, or names a database that is not supported.
            Unavailable: the database cannot be reached.
        """
        catalogue = cls(_engine(url))
        try:
            migrate(catalogue.engine, migrations)
        except DBAPIError as problem:
            raise Unavailable(f"the database does not answer: {problem.orig}") from problem
        return catalogue

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment and changes nothing."""
        with self.engine.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes something, or nothing if what runs in it raises."""
        with self.engine.connect() as connection:
            writing = connection.execution_options(**{_WRITES: True})
            with writing.begin():
                yield writing

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run the work in a write transaction; again, where the database says that it met another one.

        Raises:
            Unavailable: it met others too often.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.write() as connection:
                    return work(connection)
            except DBAPIError as problem:
                if not _is_collision(problem):
                    raise
                log.info("transaction repeated", extra={"attempt": attempt + 1})
                concurrency.sleep(0.01 * 2**attempt)
        raise Unavailable("the database is too busy; try again later")

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError, ImportError) as problem:
        raise Refused(
            f"database = {url!r}: {problem}. Say sqlite:////path/to/file.db, postgresql+pg8000://… or mysql+pymysql://…"
        ) from problem
    if engine.dialect.name == "sqlite":
        _tame_sqlite(engine)
    return engine


def _tame_sqlite(engine: Engine) -> None:
    """Take transactions into our own hands: Python's module begins them late, and reads outside of any."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_collision(problem: DBAPIError) -> bool:
    """Whether the same transaction may go well the next time."""
    text = str(problem.orig)
    return any(code in text for code in _TO_BE_REPEATED)
