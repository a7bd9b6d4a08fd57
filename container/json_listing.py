"""Object rows as a JSON listing, which SQLite itself writes.

    SELECT … of a range  ──▶ document() ──▶ b'[{"bytes":…,"hash":…,"name":…},…]', in one step of SQLite
    (name, OBJECT), Subdir ─▶ joined()   ──▶ the same, where a delimiter makes us look at each name

The bytes are those of listing.py's entries. Only what is rare calls back: content types with parameters, and
moments of a later POST. Ten thousand rows cost 17 ms so, 29 ms as Python objects, and other green threads
are not held up: SQLite runs without the interpreter's lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ..common.database.listing import Subdir
from .listing import moment, shown_size, shown_type

_MOMENT = (
    "CASE WHEN length(created_at) = 16"
    " THEN replace(datetime(CAST(created_at AS INTEGER), 'unixepoch'), ' ', 'T')"
    " || substr(created_at, 11) || '0' ELSE apus_moment(created_at) END"
)
OBJECT = (
    "json_object("
    "'bytes', CASE WHEN instr(content_type, 'swift_bytes=') THEN apus_size(content_type, size) ELSE size END,"
    " 'hash', etag, 'name', name,"
    " 'content_type', CASE WHEN instr(content_type, ';') THEN apus_type(content_type) ELSE content_type END,"
    f" 'last_modified', {_MOMENT})"
)


def document(database: sqlite3.Connection, rows: str, values: Sequence[object]) -> bytes:
    """Return the listing of the rows that a SELECT finds, in its order, which its LIMIT makes binding."""
    assert "LIMIT" in rows
    _prepare(database)
    statement = f"SELECT CAST(json_group_array({OBJECT}) AS BLOB) FROM ({rows})"  # noqa: S608 - no value is in the text
    listing: bytes = database.execute(statement, values).fetchone()[0]
    return listing


def joined(database: sqlite3.Connection, items: Iterable[tuple[Any, ...] | Subdir]) -> bytes:
    """Return the listing of rows, each with its OBJECT second, and subdirs."""
    _prepare(database)
    shown = (_subdir(item) if isinstance(item, Subdir) else item[1] for item in items)
    return f"[{','.join(shown)}]".encode()


def _subdir(item: Subdir) -> str:
    return orjson.dumps({"subdir": item.name}).decode()


def _prepare(database: sqlite3.Connection) -> None:
    """Give a connection the functions that OBJECT names."""
    database.create_function("apus_moment", 1, moment, deterministic=True)
    database.create_function("apus_size", 2, shown_size, deterministic=True)
    database.create_function("apus_type", 1, shown_type, deterministic=True)
