"""What account and container databases have in common in their schema, and how a new file comes to be.

    create(path, fill) ──▶ a complete database appears under its name, or somebody else's is already there

The statements are a file format shared with stock Swift: names, defaults and triggers must not change.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable

from .. import concurrency
from ..durability import fsync_directory
from ..errors import OutOfSpace
from . import connection
from .lock import locked

SYNC_TABLES = """
    CREATE TABLE outgoing_sync (
        remote_id TEXT UNIQUE,
        sync_point INTEGER,
        updated_at TEXT DEFAULT 0
    );
    CREATE TABLE incoming_sync (
        remote_id TEXT UNIQUE,
        sync_point INTEGER,
        updated_at TEXT DEFAULT 0
    );
"""
SYNC_TRIGGERS = """
    CREATE TRIGGER outgoing_sync_insert AFTER INSERT ON outgoing_sync BEGIN
        UPDATE outgoing_sync SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID;
    END;
    CREATE TRIGGER outgoing_sync_update AFTER UPDATE ON outgoing_sync BEGIN
        UPDATE outgoing_sync SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID;
    END;
    CREATE TRIGGER incoming_sync_insert AFTER INSERT ON incoming_sync BEGIN
        UPDATE incoming_sync SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID;
    END;
    CREATE TRIGGER incoming_sync_update AFTER UPDATE ON incoming_sync BEGIN
        UPDATE incoming_sync SET updated_at = STRFTIME('%s', 'NOW') WHERE ROWID = new.ROWID;
    END;
"""
LOCK_SECONDS = 10.0
DRAFT_TRIES = 10
FILE_MODE = 0o600  # Metadata holds keys.


def create(path: str, fill: Callable[[sqlite3.Connection], None]) -> bool:
    """Make the database with `fill`; return False when one exists by now. Names are durable on return.

    Raises:
        OutOfSpace: when the device has no room for it.
    """
    folder = os.path.dirname(path)
    temporary = concurrency.in_native_thread(_draft, path)
    try:
        concurrency.in_native_thread(_build, temporary, fill)
        with locked(folder, timeout_seconds=LOCK_SECONDS):
            if os.path.exists(path):
                return False
            os.rename(temporary, path)
            concurrency.in_native_thread(fsync_directory, folder)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return True


def make_folders(folder: str) -> None:
    """Make the folder and its parents; their names are durable on return."""
    changed = []
    missing = folder
    while not os.path.isdir(missing):
        missing = os.path.dirname(missing)
        changed.append(missing)
    os.makedirs(folder, exist_ok=True)
    for directory in changed:
        fsync_directory(directory)


def columns(database: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns; none when there is no such table."""
    return {row[1] for row in database.execute(f"PRAGMA table_info({table})")}


def add_sync_moments(database: sqlite3.Connection) -> None:
    """Bring sync tables of an early release up to date: they did not know when a point was set."""
    for table in ("incoming_sync", "outgoing_sync"):
        if "updated_at" not in columns(database, table):
            database.execute(f"ALTER TABLE {table} ADD COLUMN updated_at TEXT DEFAULT 0")
    run(database, SYNC_TRIGGERS.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS"))


def run(database: sqlite3.Connection, script: str) -> None:
    """Execute statements one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if statement.strip() and sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""


def new_id(path: str) -> str:
    """Return an identity for a database: unique, and it names the device for people who read it."""
    device = os.path.basename(device_of(path))
    return f"{uuid.uuid4()}-{device}"


def device_of(path: str) -> str:
    """Return the device's folder of a database at DEVICE/DATADIR/PARTITION/SUFFIX/HASH/HASH.db."""
    for _ in range(5):
        path = os.path.dirname(path)
    return path


def _draft(path: str) -> str:
    """Make an empty file beside the database that is to be; its folder may be tidied away meanwhile."""
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    for attempt in range(DRAFT_TRIES):
        try:
            make_folders(os.path.dirname(path))
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
            break
        except FileNotFoundError:
            if attempt == DRAFT_TRIES - 1:
                raise
    return temporary


def _build(path: str, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Write a database that nobody sees yet: no journal, one flush at the end."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;")
        database.create_function("chexor", 3, connection.chexor, deterministic=True)
        fill(database)
    except sqlite3.OperationalError as problem:
        raise OutOfSpace(f"{path}: {problem}") from problem
    finally:
        database.close()
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
