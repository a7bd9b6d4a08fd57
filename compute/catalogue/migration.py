"""Bringing a service's tables up to date.

    compute/<service>/migrations/versions/*.py ──alembic──▶ tables

Each service has a line of revisions of its own; several processes that start at once take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

TURN = 4_827_113  # Any number that no one else takes as an advisory lock of this database.


def migrate(engine: Engine, migrations: Path) -> None:
    """Apply the revisions that the database lacks; `migrations` is the folder that holds `versions`."""
    script = ScriptDirectory(str(migrations))

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with _turn(engine) as connection:
        environment = EnvironmentContext(Config(), script, fn=steps)
        environment.configure(connection=connection, transactional_ddl=False)
        migration = environment.get_context()
        with Operations.context(migration):
            migration.run_migrations()


@contextmanager
def _turn(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that no other process migrates meanwhile."""
    name = engine.dialect.name
    with engine.connect() as connection:
        writing = connection.execution_options(apus_writes=True)
        with writing.begin():
            if name == "postgresql":
                writing.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})
            elif name in ("mysql", "mariadb"):
                writing.execute(text("SELECT GET_LOCK(:turn, 60)"), {"turn": str(TURN)})
            try:
                yield writing
            finally:
                if name in ("mysql", "mariadb"):
                    writing.execute(text("SELECT RELEASE_LOCK(:turn)"), {"turn": str(TURN)})
