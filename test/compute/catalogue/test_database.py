"""Laws of a service's database."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import databases
import pytest
from databases import catalogue_url
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from apus.common.errors import Refused, Unavailable
from apus.compute.api.faults import BadRequest
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


_numbers = itertools.count()


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "v1.py").write_text(FIRST)
    return folder


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database in which nothing has ever been."""
    return catalogue_url(tmp_path, f"things_{next(_numbers)}")


def test_tables_come_up_to_date(url: str, migrations: Path) -> None:
    """New, again, and with a revision more; what was in them stays."""
    for _ in range(2):
        catalogue = Catalogue.open(url, migrations)
        catalogue.close()
    with catalogue.write() as connection:
        connection.execute(text("INSERT INTO things VALUES ('a', 1)"))
    (migrations / "versions" / "v2.py").write_text(SECOND)
    catalogue = Catalogue.open(url, migrations)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT id, n, m FROM things")).all() == [("a", 1, None)]


def test_what_fails_has_changed_nothing(url: str, migrations: Path) -> None:
    """A write that raises is undone, and a read leaves nothing."""
    catalogue = Catalogue.open(url, migrations)

    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO things VALUES ('a', 1)"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalogue.transaction(fail)
    with catalogue.read() as connection:
        connection.execute(text("INSERT INTO things VALUES ('b', 1)"))
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 0


def test_writers_take_turns(url: str, migrations: Path) -> None:
    """Read, add one, write back: none of them is lost."""
    catalogue = Catalogue.open(url, migrations)
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

    together([add] * 4)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT n FROM things")).scalar() == 80


def test_a_reader_sees_one_moment_and_waits_for_nobody(url: str, migrations: Path) -> None:
    """What a writer does meanwhile is not seen, and neither waits for the other."""
    catalogue = Catalogue.open(url, migrations)
    count = text("SELECT count(*) FROM things")
    with catalogue.read() as reader:
        assert reader.execute(count).scalar() == 0
        with catalogue.write() as writer:
            writer.execute(text("INSERT INTO things VALUES ('a', 0)"))
            assert reader.execute(count).scalar() == 0
        assert reader.execute(count).scalar() == 0
    with catalogue.read() as reader:
        assert reader.execute(count).scalar() == 1


def test_many_starts_at_once_make_the_tables_once(url: str, migrations: Path) -> None:
    """Servers that start together find the tables, whoever of them made them."""
    opened: list[Catalogue] = []
    together([lambda: opened.append(Catalogue.open(url, migrations))] * 4)
    assert len(opened) == 4


def test_names_that_differ_are_different(url: str, migrations: Path) -> None:
    """By case, by accent, by a space at the end; and every letter there is comes back."""
    catalogue = Catalogue.open(url, migrations)
    names = ["web", "Web", "wéb", "web ", "ｗｅｂ", "🦤", "ß", "ss"]
    with catalogue.write() as connection:
        for number, name in enumerate(names):
            connection.execute(text("INSERT INTO things VALUES (:id, :n)"), {"id": name, "n": number})
    with catalogue.read() as connection:
        for number, name in enumerate(names):
            found = connection.execute(text("SELECT id, n FROM things WHERE id = :id"), {"id": name}).all()
            assert found == [(name, number)]


def test_a_rule_that_is_broken_says_so_alike(url: str, migrations: Path) -> None:
    """Whichever rule and whichever database: IntegrityError, which the services read as a conflict."""
    catalogue = Catalogue.open(url, migrations)
    row = {"id": "a", "n": 1}
    with catalogue.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (:id, :n)"), row)
    for broken in (row, {"id": None, "n": 1}):
        with pytest.raises(IntegrityError), catalogue.write() as connection:
            connection.execute(text("INSERT INTO things VALUES (:id, :n)"), broken)


def test_a_value_that_no_column_holds_is_the_clients_fault(
    url: str, migrations: Path, database: databases.Running | None
) -> None:
    """Too long, too large, or no text: 400, and the next transaction goes well."""
    catalogue = Catalogue.open(url, migrations)
    impossible = [{"id": "a", "n": 2**70}, {"id": "\ud800", "n": 1}]
    if database is not None:  # SQLite takes what it is given.
        impossible += [{"id": "a" * 37, "n": 1}, {"id": "a", "n": 2**31}]
    insert = text("INSERT INTO things VALUES (:id, :n)")
    for row in impossible:
        with pytest.raises(BadRequest), catalogue.write() as connection:
            connection.execute(insert, row)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 0


def test_a_connection_that_was_cut_is_made_anew(
    url: str, migrations: Path, database: databases.Running | None
) -> None:
    """A database that was started again costs the transactions under way, and no other."""
    if database is None:
        pytest.skip("nobody cuts a file off")
    catalogue = Catalogue.open(url, migrations)

    def add(connection: Connection) -> None:
        connection.execute(text("INSERT INTO things VALUES ('a', 1)"))

    def add_after_a_cut(connection: Connection) -> None:
        assert database is not None
        database.cut_off(url)
        add(connection)

    with pytest.raises(Unavailable):
        catalogue.transaction(add_after_a_cut)
    catalogue.transaction(add)
    database.cut_off(url)
    with catalogue.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 1


def test_two_services_do_not_share_a_database(url: str, migrations: Path, tmp_path: Path) -> None:
    """Their tables would be mixed up: the second is told to have one of its own."""
    Catalogue.open(url, migrations)
    other = tmp_path / "other" / "migrations"
    other.parent.mkdir()
    migrations.rename(other)
    with pytest.raises(Refused, match="one of its own"):
        Catalogue.open(url, other)


def test_tables_of_a_newer_release_are_left_alone(url: str, migrations: Path) -> None:
    """An older program does not touch what it does not know."""
    second = migrations / "versions" / "v2.py"
    second.write_text(SECOND)
    Catalogue.open(url, migrations)
    second.unlink()
    with pytest.raises(Refused, match="newer release"):
        Catalogue.open(url, migrations)


def test_tables_that_are_half_made_are_not_built_upon(url: str, migrations: Path) -> None:
    """Where a start died between two tables (MariaDB undoes none), the next one says what to do."""
    catalogue = Catalogue.open(url, migrations)
    with catalogue.write() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(Refused, match="make the database anew"):
        Catalogue.open(url, migrations)


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin", "latin1_bin"])
def test_a_database_that_takes_two_names_for_one_is_refused(
    collation: str, migrations: Path, database: databases.Running | None
) -> None:
    """With what to say to it; after that it is right."""
    if database is None or database.kind != "mariadb":
        pytest.skip("other databases tell all names apart")
    url = database.empty(f"things_{next(_numbers)}", collation)
    with pytest.raises(Refused, match="ALTER DATABASE") as refused:
        Catalogue.open(url, migrations)
    database.run(str(refused.value).partition("say: ")[2])
    Catalogue.open(url, migrations)


def together(works: list[Callable[[], None]]) -> None:
    """Do all at once; all must go well."""
    went_well: list[bool] = []

    def do(work: Callable[[], None]) -> None:
        work()
        went_well.append(True)

    threads = [threading.Thread(target=do, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(went_well) == len(works)


@pytest.mark.parametrize("url", ["", "oracle", "oracle://x/y", "nonsense://x", "sqlite"])
def test_a_url_that_is_none_is_refused(url: str, migrations: Path) -> None:
    """With what would be right."""
    with pytest.raises(Refused, match="sqlite:////"):
        Catalogue.open(url, migrations)
