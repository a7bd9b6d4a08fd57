"""Merging many rows at once: the same in the end as row by row, by stock's triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apus.common.database import connection
from apus.common.timestamp import Timestamp
from apus.container import merging, schema
from apus.container.rows import ObjectRow, tombstone, with_moments

TABLES = ("object", "policy_stat", "container_info", "sqlite_sequence")
moments = st.integers(1, 9).map(lambda at: Timestamp.of(at).internal)
names = st.sampled_from(["a", "b", "é", "z/1"])
puts = st.builds(
    lambda name, at, size, kind, policy, kind_at, meta_at: with_moments(
        ObjectRow(name, at, size, kind, "etag", 0, policy), kind_at, meta_at
    ),
    names,
    moments,
    st.integers(0, 9),
    st.sampled_from(["a/b", "a/b;swift_bytes=7"]),
    st.integers(0, 2),
    st.none() | moments,
    st.none() | moments,
)
rows = st.one_of(puts, st.builds(tombstone, names, moments, st.integers(0, 2)))
batches = st.lists(st.lists(rows, max_size=9), max_size=4)


def container() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.create_function("chexor", 3, connection.chexor, deterministic=True)
    birth = {"account": "a", "container": "c", "created_at": "1", "put_timestamp": "1", "id": "i"}
    schema.fill(database, schema.Birth(policy_index=0, **birth))
    return database


def contents(database: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    return [database.execute(f"SELECT ROWID, * FROM {table}").fetchall() for table in TABLES]


def triggers(database: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(container()) as made:
        yield made


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_many_end_as_few_do(monkeypatch: pytest.MonkeyPatch, batches: list[list[ObjectRow]]) -> None:
    """With and without triggers: the same rows under the same ROWIDs, counts of each policy, and hash."""
    ends = []
    for many in (1, 1000):
        monkeypatch.setattr(merging, "MANY", many)
        monkeypatch.setattr(merging, "INSERTED_TOGETHER", 2)
        with closing(container()) as database:
            before = triggers(database)
            for batch in batches:
                merging.merge(database, batch)
            ends.append(contents(database))
            assert triggers(database) == before
    assert ends[0] == ends[1]


def test_an_unknown_trigger_keeps_all_of_them(database: sqlite3.Connection) -> None:
    """Whoever added one to the table has each row pass it."""
    database.execute("CREATE TABLE seen (name TEXT)")
    database.execute(
        "CREATE TRIGGER watch AFTER INSERT ON object BEGIN INSERT INTO seen VALUES (new.name); END"
    )
    new = [ObjectRow(f"o{number}", Timestamp.of(1).internal, 1, "a/b", "e", 0, 0) for number in range(200)]
    merging.merge(database, new)
    assert database.execute("SELECT COUNT(*) FROM seen").fetchone() == (200,)
    assert database.execute("SELECT object_count FROM policy_stat").fetchone() == (200,)


def test_stock_swifts_layout_of_the_triggers_is_known(tmp_path: Path) -> None:
    """Its schema says the same with other line breaks."""
    stock = """CREATE TRIGGER object_delete_policy_stat AFTER DELETE ON object
    BEGIN
        UPDATE policy_stat
        SET object_count = object_count - (1 - old.deleted),
            bytes_used = bytes_used - old.size
        WHERE storage_policy_index = old.storage_policy_index;
        UPDATE container_info
        SET hash = chexor(hash, old.name, old.created_at);
    END"""
    assert schema.spoken(stock) in schema.COUNTING_TRIGGERS
    assert schema.spoken(stock.replace("- old.size", "+ old.size")) not in schema.COUNTING_TRIGGERS


def test_a_merge_that_fails_leaves_the_triggers(database: sqlite3.Connection) -> None:
    """Dropping them is part of the transaction, as everything else is."""
    before = triggers(database), contents(database)
    new = [ObjectRow(f"o{number}", Timestamp.of(1).internal, 1, "a/b", "e", 0, 0) for number in range(200)]
    database.execute("BEGIN IMMEDIATE")
    merging.merge(database, new)
    database.execute("ROLLBACK")
    assert (triggers(database), contents(database)) == before
