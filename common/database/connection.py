"""Connections to one SQLite file, set up as stock Swift sets up its own, and what their errors mean.

    path ──▶ connect() ──▶ sqlite3.Connection (journal deleted after each commit, commits survive power loss)
    sqlite3 error ──▶ translated() ──▶ Corrupt | OutOfSpace | Unavailable

The schema's triggers call `chexor`, a rolling hash that does not depend on the order of rows.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from .. import concurrency
from ..errors import ApusError, Corrupt, OutOfSpace, Unavailable

T = TypeVar("T")
BUSY_SECONDS = 25.0  # As stock: how long one may wait for another process to end its transaction.
ARGUMENTS_MAX = 900  # SQLite builds allow 999 at least.
_PRAGMAS = """
    PRAGMA synchronous = EXTRA;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_mode = DELETE;
"""
_CORRUPT_SIGNS = ("malformed", "is not a database", "no such table", "unsupported file format")


def chexor(old: str, name: str, state: str) -> str:
    """Return the rolling hash with one row added or, equally, taken out: XOR of the rows' MD5."""
    digest = hashlib.md5(f"{name}-{state}".encode(), usedforsecurity=False).digest()
    return f"{int(old, 16) ^ int.from_bytes(digest, 'big'):032x}"


def connect(path: str, *, busy_seconds: float) -> sqlite3.Connection:
    """Open an existing database; it is never created by being opened.

    `busy_seconds` is how long SQLite itself waits for locks: only in native threads may it wait at all.
    """
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.executescript(_PRAGMAS)
        connection.create_function("chexor", 3, chexor, deterministic=True)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def patiently(call: Callable[[], T], *, timeout_seconds: float = BUSY_SECONDS) -> T:
    """Return `call()`, tried again while another process has the database locked."""
    deadline = None
    pause = 0.001
    while True:
        try:
            return call()
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem):
                raise
            now = time.monotonic()
            deadline = deadline or now + timeout_seconds
            if now >= deadline:
                raise
        concurrency.sleep(pause)
        pause = min(pause * 2, 0.05)


def translated(problem: sqlite3.Error, path: str) -> ApusError:
    """Return the error that says how to react to what SQLite reports of the database at `path`."""
    text = str(problem)
    if any(sign in text for sign in _CORRUPT_SIGNS):
        return Corrupt(f"{path}: {text}")
    if "full" in text or "disk I/O error" in text or "readonly" in text:
        return OutOfSpace(f"{path}: {text}")
    return Unavailable(f"{path}: {text}")
