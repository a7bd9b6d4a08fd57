"""The tables of a container database, as stock Swift makes them, and how older ones become so.

    new file ──▶ fill()          a container's tables, its one info row, its policy
    old file ──▶ upgrade()       columns, tables and triggers that later releases added

`container_stat` is a view that looks like the table of releases before storage policies. The shard_range
table is part of the format; nothing here uses it yet.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..common.database.schema import SYNC_TABLES, SYNC_TRIGGERS, add_sync_moments, columns, run

_OBJECT_TABLE = """
    CREATE TABLE object (
        ROWID INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        created_at TEXT,
        size INTEGER,
        content_type TEXT,
        etag TEXT,
        deleted INTEGER DEFAULT 0,
        storage_policy_index INTEGER DEFAULT 0
    );
    CREATE INDEX ix_object_deleted_name ON object (deleted, name);
    CREATE TRIGGER object_update BEFORE UPDATE ON object BEGIN
        SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT');
    END;
"""
_POLICY_TABLE = """
    CREATE TABLE policy_stat (
        storage_policy_index INTEGER PRIMARY KEY,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0
    );
"""
_POLICY_TRIGGERS = """
    CREATE TRIGGER object_insert_policy_stat AFTER INSERT ON object BEGIN
        UPDATE policy_stat
        SET object_count = object_count + (1 - new.deleted),
            bytes_used = bytes_used + new.size
        WHERE storage_policy_index = new.storage_policy_index;
        INSERT INTO policy_stat (storage_policy_index, object_count, bytes_used)
        SELECT new.storage_policy_index, (1 - new.deleted), new.size
        WHERE NOT EXISTS (SELECT changes() AS change FROM policy_stat WHERE change <> 0);
        UPDATE container_info SET hash = chexor(hash, new.name, new.created_at);
    END;
    CREATE TRIGGER object_delete_policy_stat AFTER DELETE ON object BEGIN
        UPDATE policy_stat
        SET object_count = object_count - (1 - old.deleted),
            bytes_used = bytes_used - old.size
        WHERE storage_policy_index = old.storage_policy_index;
        UPDATE container_info SET hash = chexor(hash, old.name, old.created_at);
    END;
"""
UPDATE_TRIGGER = "object_update"  # It forbids what nobody does.
_INFO_TABLE = """
    CREATE TABLE container_info (
        account TEXT,
        container TEXT,
        created_at TEXT,
        put_timestamp TEXT DEFAULT '0',
        delete_timestamp TEXT DEFAULT '0',
        reported_put_timestamp TEXT DEFAULT '0',
        reported_delete_timestamp TEXT DEFAULT '0',
        reported_object_count INTEGER DEFAULT 0,
        reported_bytes_used INTEGER DEFAULT 0,
        hash TEXT default '00000000000000000000000000000000',
        id TEXT,
        status TEXT DEFAULT '',
        status_changed_at TEXT DEFAULT '0',
        metadata TEXT DEFAULT '',
        x_container_sync_point1 INTEGER DEFAULT -1,
        x_container_sync_point2 INTEGER DEFAULT -1,
        storage_policy_index INTEGER DEFAULT 0,
        reconciler_sync_point INTEGER DEFAULT -1
    );
"""
_STAT_COLUMNS = (
    "account",
    "container",
    "created_at",
    "put_timestamp",
    "delete_timestamp",
    "reported_put_timestamp",
    "reported_delete_timestamp",
    "reported_object_count",
    "reported_bytes_used",
    "hash",
    "id",
    "status",
    "status_changed_at",
    "metadata",
    "x_container_sync_point1",
    "x_container_sync_point2",
    "reconciler_sync_point",
    "storage_policy_index",
)
_STAT_VIEW = f"""
    CREATE VIEW container_stat AS
    SELECT {", ".join(f"ci.{column}" for column in _STAT_COLUMNS)},
        coalesce(ps.object_count, 0) AS object_count,
        coalesce(ps.bytes_used, 0) AS bytes_used
    FROM container_info ci LEFT JOIN policy_stat ps
    ON ci.storage_policy_index = ps.storage_policy_index;
    CREATE TRIGGER container_stat_update INSTEAD OF UPDATE ON container_stat BEGIN
        UPDATE container_info
        SET {", ".join(f"{column} = NEW.{column}" for column in _STAT_COLUMNS)};
    END;
"""  # noqa: S608 - the columns are constants
_SHARD_TABLE = """
    CREATE TABLE shard_range (
        ROWID INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        timestamp TEXT,
        lower TEXT,
        upper TEXT,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0,
        meta_timestamp TEXT,
        deleted INTEGER DEFAULT 0,
        state INTEGER,
        state_timestamp TEXT,
        epoch TEXT,
        reported INTEGER DEFAULT 0,
        tombstones INTEGER DEFAULT -1
    );
    CREATE TRIGGER shard_range_update BEFORE UPDATE ON shard_range BEGIN
        SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT');
    END;
"""
_ADDED_TO_STAT = {
    "metadata": "TEXT DEFAULT ''",
    "x_container_sync_point1": "INTEGER DEFAULT -1",
    "x_container_sync_point2": "INTEGER DEFAULT -1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a new container database starts with."""

    account: str
    container: str
    created_at: str
    put_timestamp: str
    policy_index: int
    id: str


def spoken(statement: str) -> str:
    """Return a statement without what SQL does not heed: whoever made a schema had his own layout."""
    return "".join(statement.rstrip("; \n").lower().split())


COUNTING_TRIGGERS = frozenset(
    spoken(f"CREATE TRIGGER{trigger}") for trigger in _POLICY_TRIGGERS.split("CREATE TRIGGER")[1:]
)
"""What keeps counts and hash, as `spoken`."""


def fill(database: sqlite3.Connection, birth: Birth) -> None:
    """Make all tables in an empty file, and the rows that make it this container's."""
    database.executescript(SYNC_TABLES + SYNC_TRIGGERS + _OBJECT_TABLE + _POLICY_TRIGGERS + _POLICY_TABLE)
    database.executescript(_INFO_TABLE + _STAT_VIEW + _SHARD_TABLE)
    database.execute("INSERT INTO policy_stat (storage_policy_index) VALUES (?)", (birth.policy_index,))
    database.execute(
        "INSERT INTO container_info (account, container, created_at, id, put_timestamp, status_changed_at,"
        " storage_policy_index) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            birth.account,
            birth.container,
            birth.created_at,
            birth.id,
            birth.put_timestamp,
            birth.put_timestamp,
            birth.policy_index,
        ),
    )


def is_current(database: sqlite3.Connection) -> bool:
    """Whether the file has all that today's statements name."""
    found = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    return {"container_info", "policy_stat", "ix_object_deleted_name"} <= found and "updated_at" in columns(
        database, "incoming_sync"
    )


def upgrade(database: sqlite3.Connection) -> None:
    """Bring the file of an older release up to date; call it in a transaction."""
    add_sync_moments(database)
    if not columns(database, "container_info"):
        _add_policies(database)
    database.execute("DROP INDEX IF EXISTS ix_object_deleted")
    database.execute("CREATE INDEX IF NOT EXISTS ix_object_deleted_name ON object (deleted, name)")


def _add_policies(database: sqlite3.Connection) -> None:
    """Turn the one stat table of the time before storage policies into info, policy stats and a view."""
    known = columns(database, "container_stat")
    for column, kind in _ADDED_TO_STAT.items():
        if column not in known:
            database.execute(f"ALTER TABLE container_stat ADD COLUMN {column} {kind}")
    run(database, _POLICY_TABLE)
    database.execute(
        "INSERT INTO policy_stat (storage_policy_index, object_count, bytes_used)"
        " SELECT 0, object_count, bytes_used FROM container_stat"
    )
    if "storage_policy_index" not in columns(database, "object"):
        database.execute("ALTER TABLE object ADD COLUMN storage_policy_index INTEGER DEFAULT 0")
    database.execute("DROP TRIGGER IF EXISTS object_insert")
    database.execute("DROP TRIGGER IF EXISTS object_delete")
    run(database, _INFO_TABLE)
    kept = ", ".join(
        column for column in _STAT_COLUMNS if column not in ("reconciler_sync_point", "storage_policy_index")
    )
    database.execute(f"INSERT INTO container_info ({kept}) SELECT {kept} FROM container_stat")  # noqa: S608
    database.execute("DROP TABLE container_stat")
    run(database, _POLICY_TRIGGERS + _STAT_VIEW)
