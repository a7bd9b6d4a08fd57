"""Laws of a service's database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from apus.common.errors import Refused
from apus.compute.catalogue import Catalogue

FIRST = '''
"""The first tables."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "1", None
def upgrade():
    op.create_table("things", sa.Column("id", sa.String(36), primary_key=True), sa.Column("n", sa.Integer))
'''
SECOND = '''
"""A column more."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "2", "1"
def upgrade():
    op.add_column("things", sa.Column("m", sa.Integer))
'''


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "v1.py").write_text(FIRST)
    return folder


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/things.db"


def test_tables_come_up_to_date(tmp_path: Path, migrations: Path) -> None:
    """New, again, and with a revision more; what was in them stays."""
    for _ in range(2):
        catalogue = Catalogue.open(url_of(tmp_path), migrations)
        catalogue.close()
    with catalogue.write() as connection:
        connection.execute(text("INSERT INTO things VALUES ('a', 1)"))
    (migrations / "versions" / "v2.py").write_text(SECOND)
    catalogue = Catalogue.open(url_of(tmp_path), migrations)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT id, n, m FROM things")).all() == [("a", 1, None)]


def test_what_fails_has_changed_nothing(tmp_path: Path, migrations: Path) -> None:
    """A write that raises is undone, and a read leaves nothing."""
    catalogue = Catalogue.open(url_of(tmp_path), migrations)

    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO things VALUES ('a', 1)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalogue.transaction(fail)
    with catalogue.read() as connection:
        connection.execute(text("INSERT INTO things VALUES ('b', 1)"))
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 0


def test_writers_take_turns(tmp_path: Path, migrations: Path) -> None:
    """Read, add one, write back: none of them is lost."""
    catalogue = Catalogue.open(url_of(tmp_path), migrations)
    with catalogue.write() as connection:
        connection.execute(text("INSERT INTO things VALUES ('a', 0)"))

    def add() -> None:
        for _ in range(20):
            catalogue.transaction(
                lambda connection: connection.execute(
                    text("UPDATE things SET n = :n"),
                    {"n": connection.execute(text("SELECT n FROM things")).scalar_one() + 1},
                )
            )

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT n FROM things")).scalar() == 80


@pytest.mark.parametrize("url", ["", "oracle", "oracle://x/y", "nonsense://x", "sqlite"])
def test_a_url_that_is_none_is_refused(url: str, migrations: Path) -> None:
    """With what would be right."""
    with pytest.raises(Refused, match="sqlite:////"):
        Catalogue.open(url, migrations)
