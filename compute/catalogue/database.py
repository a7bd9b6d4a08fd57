"""One service's database: SQLite by default, PostgreSQL or MariaDB by URL.

    sqlite:////srv/apus/image.db    postgresql+pg8000://user@host/image    mysql+pymysql://user@host/image

    read()   sees one moment         write()   one at a time in the whole database, so it sees the newest
             and nobody waits for it           and needs to lock nothing itself

Drivers other than SQLite's are pure Python, so that a green thread that waits for the server lets others run.
Nothing but statements may happen inside a transaction: whoever talks to another service meanwhile would hold
up all others who write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnection

from ...common import concurrency
from ...common.errors import Refused, Unavailable
from .migration import migrate
from .problems import Collision, problem_of
from .turns import TAME, turn_taken

log = logging.getLogger(__name__)

T = TypeVar("T")
ATTEMPTS = 8


class Catalogue:
    """The tables of one service."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, migrations: Path) -> Catalogue:
        """Connect, and bring the tables up to date.

        Raises:
            Refused: the URL is none, or names a database that is not supported, would confuse names, or has
                another service's tables.
            Unavailable: the database cannot be reached.
        """
        catalogue = cls(_engine(url))
        migrate(catalogue.engine, migrations)
        return catalogue

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment and changes nothing.

        Raises:
            Unavailable: the database does not answer.
        """
        with _connected(self.engine) as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes something, or nothing if what runs in it raises.

        No other writes meanwhile.

        Raises:
            Unavailable: the database does not answer, or others write for too long.
            BadRequest: it cannot hold a value.
        """
        with _connected(self.engine) as connection, turn_taken(connection) as writing:
            yield writing

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run the work in a write transaction; again, where the database says that it met another one.

        Raises:
            Unavailable: it met others too often, or the database does not answer.
            BadRequest: it cannot hold a value.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self.write() as connection:
                    return work(connection)
            except Collision:
                log.info("transaction repeated", extra={"attempt": attempt + 1})
                concurrency.sleep(0.01 * 2**attempt)
        raise Unavailable("the database is too busy; try again later")

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except NoConnection as problem:
        raise Unavailable("the database is too busy; try again later") from problem
    with connection:
        yield connection


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
        TAME[engine.dialect.name](engine)
    except (ArgumentError, NoSuchModuleError, ImportError, KeyError) as problem:
        raise Refused(
            f"database = {url!r}: {problem}. Say sqlite:////path/to/file.db, postgresql+pg8000://… or mysql+pymysql://…"
        ) from problem
    event.listen(engine, "handle_error", _translated)
    return engine


def _translated(context: Any) -> None:
    if context.is_pre_ping:
        return  # A connection that was cut off while nobody used it; the pool makes another.
    if isinstance(context.original_exception, UnicodeError):
        # The driver failed in the middle of what it was saying: that connection is of no use any more.
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False
    problem = problem_of(context.dialect.name, context.original_exception, context.statement)
    if problem is not None:
        raise problem from context.original_exception
