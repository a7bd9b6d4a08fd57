"""Object rows as a JSON listing, which SQLite itself writes.

    SELECT OBJECT AS object … ─▶ document() ──▶ b'[{"bytes":…,"hash":…,"name":…},…]', in one step of SQLite
    (name, OBJECT), Subdir    ─▶ joined()   ──▶ the same, where a delimiter makes us look at each name

The bytes are those of listing.py's entries. Only what is rare calls back: content types with parameters, and
moments of a later POST. Ten thousand rows cost 15 ms so, 29 ms as Python objects, and other green threads
are not held up: SQLite runs without the interpreter's lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ..common.database.listing import Query, Subdir
from .listing import moment, shown_size, shown_type

_USUAL_MOMENT = (
    "replace(datetime(CAST(created_at AS INTEGER), 'unixepoch'), ' ', 'T') || substr(created_at, 11) || '0'"
)


def _object(size: str, content_type: str, last_modified: str) -> str:
    return (
        f"json_object('bytes', {size}, 'hash', etag, 'name', name,"
        f" 'content_type', {content_type}, 'last_modified', {last_modified})"
    )


_USUAL = _object("size", "content_type", _USUAL_MOMENT)
_RARE = _object(
    "CASE WHEN instr(content_type, ';') THEN apus_size(content_type, size) ELSE size END",
    "CASE WHEN instr(content_type, ';') THEN apus_type(content_type) ELSE content_type END",
    f"CASE WHEN length(created_at) = 16 THEN {_USUAL_MOMENT} ELSE apus_moment(created_at) END",
)
OBJECT = f"CASE WHEN length(created_at) = 16 AND NOT instr(content_type, ';') THEN {_USUAL} ELSE {_RARE} END"


def columns(query: Query) -> tuple[str, Sequence[object]]:
    """Return what to select of each row that may be shown, and its values: nothing of those rolled up."""
    if not query.delimiter or query.path is not None or query.reserved:  # SQLite's substr ends at a NUL.
        return OBJECT, ()
    rolled_up = f"instr(substr(name, {len(query.prefix) + 1}), ?)"
    return f"CASE WHEN {rolled_up} THEN NULL ELSE {OBJECT} END", (query.delimiter,)


def document(database: sqlite3.Connection, objects: str, values: Sequence[object]) -> bytes:
    """Return the listing of a SELECT of OBJECTs, in its order, which its LIMIT makes binding."""
    assert "LIMIT" in objects
    _prepare(database)
    statement = f"SELECT CAST(group_concat(object) AS BLOB) FROM ({objects})"  # noqa: S608 - no value is in the text
    listing: bytes | None = database.execute(statement, values).fetchone()[0]
    return b"[%b]" % (listing or b"")


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
