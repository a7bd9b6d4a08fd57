"""The tables of an account database, as stock Swift makes them, and how older ones become so.

new file ──▶ fill()          an account's tables and its one stat row
old file ──▶ upgrade()       columns, tables and triggers that later releases added
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..common.database.schema import SYNC_TABLES, SYNC_TRIGGERS, add_sync_moments, columns, run

_CONTAINER_TABLE = """
    CREATE TABLE container (
        ROWID INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT,
        put_timestamp TEXT,
        delete_timestamp TEXT,
        object_count INTEGER,
        bytes_used INTEGER,
        deleted INTEGER DEFAULT 0,
        storage_policy_index INTEGER DEFAULT 0
    );
    CREATE INDEX ix_container_deleted_name ON container (deleted, name);
    CREATE TRIGGER container_insert AFTER INSERT ON container BEGIN
        UPDATE account_stat
        SET container_count = container_count + (1 - new.deleted),
            object_count = object_count + new.object_count,
            bytes_used = bytes_used + new.bytes_used,
            hash = chexor(hash, new.name,
                          new.put_timestamp || '-' || new.delete_timestamp || '-' ||
                          new.object_count || '-' || new.bytes_used);
    END;
    CREATE TRIGGER container_update BEFORE UPDATE ON container BEGIN
        SELECT RAISE(FAIL, 'UPDATE not allowed; DELETE and INSERT');
    END;
    CREATE TRIGGER container_delete AFTER DELETE ON container BEGIN
        UPDATE account_stat
        SET container_count = container_count - (1 - old.deleted),
            object_count = object_count - old.object_count,
            bytes_used = bytes_used - old.bytes_used,
            hash = chexor(hash, old.name,
                          old.put_timestamp || '-' || old.delete_timestamp || '-' ||
                          old.object_count || '-' || old.bytes_used);
    END;
"""
_POLICY_TRIGGERS = """
    CREATE TRIGGER container_insert_ps AFTER INSERT ON container BEGIN
        INSERT OR IGNORE INTO policy_stat (storage_policy_index, container_count, object_count, bytes_used)
        VALUES (new.storage_policy_index, 0, 0, 0);
        UPDATE policy_stat
        SET container_count = container_count + (1 - new.deleted),
            object_count = object_count + new.object_count,
            bytes_used = bytes_used + new.bytes_used
        WHERE storage_policy_index = new.storage_policy_index;
    END;
    CREATE TRIGGER container_delete_ps AFTER DELETE ON container BEGIN
        UPDATE policy_stat
        SET container_count = container_count - (1 - old.deleted),
            object_count = object_count - old.object_count,
            bytes_used = bytes_used - old.bytes_used
        WHERE storage_policy_index = old.storage_policy_index;
    END;
"""
_STAT_TABLE = """
    CREATE TABLE account_stat (
        account TEXT,
        created_at TEXT,
        put_timestamp TEXT DEFAULT '0',
        delete_timestamp TEXT DEFAULT '0',
        container_count INTEGER,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0,
        hash TEXT default '00000000000000000000000000000000',
        id TEXT,
        status TEXT DEFAULT '',
        status_changed_at TEXT DEFAULT '0',
        metadata TEXT DEFAULT ''
    );
"""
_POLICY_TABLE = """
    CREATE TABLE policy_stat (
        storage_policy_index INTEGER PRIMARY KEY,
        container_count INTEGER DEFAULT 0,
        object_count INTEGER DEFAULT 0,
        bytes_used INTEGER DEFAULT 0
    );
"""
_COUNT_POLICIES = """
    INSERT OR REPLACE INTO policy_stat (storage_policy_index, container_count, object_count, bytes_used)
    SELECT storage_policy_index, SUM(1 - deleted), SUM(object_count), SUM(bytes_used)
    FROM container GROUP BY storage_policy_index;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a new account database starts with."""

    account: str
    created_at: str
    put_timestamp: str
    id: str


def fill(database: sqlite3.Connection, birth: Birth) -> None:
    """Make all tables in an empty file, and the row that makes it this account's."""
    database.executescript(SYNC_TABLES + SYNC_TRIGGERS + _CONTAINER_TABLE + _POLICY_TRIGGERS)
    database.executescript(_STAT_TABLE + _POLICY_TABLE)
    database.execute(
        "INSERT INTO account_stat"
        " (account, created_at, id, put_timestamp, status_changed_at, container_count)"
        " VALUES (?, ?, ?, ?, ?, 0)",
        (birth.account, birth.created_at, birth.id, birth.put_timestamp, birth.put_timestamp),
    )


def is_current(database: sqlite3.Connection) -> bool:
    """Whether the file has all that today's statements name."""
    found = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    return (
        {"policy_stat", "container_insert_ps", "ix_container_deleted_name"} <= found
        and "container_count" in columns(database, "policy_stat")
        and "metadata" in columns(database, "account_stat")
        and "updated_at" in columns(database, "incoming_sync")
    )


def upgrade(database: sqlite3.Connection) -> None:
    """Bring the file of an older release up to date; call it in a transaction."""
    add_sync_moments(database)
    if "metadata" not in columns(database, "account_stat"):
        database.execute("ALTER TABLE account_stat ADD COLUMN metadata TEXT DEFAULT ''")
    if "storage_policy_index" not in columns(database, "container"):
        database.execute("ALTER TABLE container ADD COLUMN storage_policy_index INTEGER DEFAULT 0")
    if "container_count" not in columns(database, "policy_stat"):
        database.execute("DROP TABLE IF EXISTS policy_stat")
        run(database, _POLICY_TABLE)
        run(database, _COUNT_POLICIES)
    for trigger in ("container_insert_ps", "container_delete_ps"):
        database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    run(database, _POLICY_TRIGGERS)
    database.execute("DROP INDEX IF EXISTS ix_container_deleted")
    database.execute("CREATE INDEX IF NOT EXISTS ix_container_deleted_name ON container (deleted, name)")
