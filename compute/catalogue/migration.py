"""Bringing a service's tables up to date.

    compute/<service>/migrations/versions/*.py ──alembic──▶ tables

Each service has a database of its own, with a line of revisions of its own; several processes that start at
once take turns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...common.errors import Refused
from .turns import turn_taken

EXACT = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
"""The collations, of MariaDB and of MySQL, in which no two different names are one."""


def migrate(engine: Engine, migrations: Path) -> None:
    """Apply the revisions that the database lacks; `migrations` is the folder that holds `versions`.

    Raises:
        Refused: it is no database for a catalogue, or another service's, or a revision does not fit what is
            in it.
        Unavailable: it does not answer.
    """
    service = migrations.parent.name
    with engine.connect() as connection, turn_taken(connection) as writing:
        _check_letters(writing)
        try:
            _claim(writing, service)
            _apply(writing, migrations)
        except CommandError as problem:
            raise Refused(f"the tables are of a newer release than this program: {problem}") from problem
        except DBAPIError as problem:
            raise Refused(
                f"the tables cannot be brought up to date: {problem.orig}. "
                "Where an earlier start died while it made them, make the database anew"
            ) from problem


def _apply(connection: Connection, migrations: Path) -> None:
    script = ScriptDirectory(str(migrations))

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    environment = EnvironmentContext(Config(), script, fn=steps)
    environment.configure(connection=connection, transactional_ddl=False)
    migration = environment.get_context()
    with Operations.context(migration):
        migration.run_migrations()


def _check_letters(connection: Connection) -> None:
    """Refuse a database that cannot keep every name, or takes two for one.

    Debian's MariaDB makes databases in which "Web" is "web" and "cafe" is "café": two images, users or
    security groups of those names could not be told apart.
    """
    if connection.dialect.name == "postgresql":
        letters = connection.execute(text("SHOW server_encoding")).scalar()
        if letters != "UTF8":
            raise Refused(f"the database keeps {letters}; make one with: CREATE DATABASE … ENCODING 'UTF8'")
    elif connection.dialect.name in ("mysql", "mariadb"):
        name, collation = connection.execute(text("SELECT DATABASE(), @@collation_database")).one()
        if collation not in EXACT:
            exact = (
                EXACT[0]
                if "mariadb" in str(connection.execute(text("SELECT VERSION()")).scalar()).lower()
                else EXACT[1]
            )
            raise Refused(
                f"the database {name} takes different names for one (its collation is {collation}); "
                f"while it is empty, say: ALTER DATABASE `{name}` COLLATE {exact}"
            )


def _claim(connection: Connection, service: str) -> None:
    """Write down whose tables these are; two services' would be mixed up."""
    connection.execute(text("CREATE TABLE IF NOT EXISTS catalogue (service VARCHAR(64) NOT NULL)"))
    owner = connection.execute(text("SELECT service FROM catalogue")).scalar()
    if owner is None:
        connection.execute(text("INSERT INTO catalogue (service) VALUES (:service)"), {"service": service})
    elif owner != service:
        raise Refused(f"this database is the {owner} service's; each service needs one of its own")
