"""Merging reported rows into a container's table, its counts and its hash.

    rows ──▶ merge() ──▶ for what tells something new: the old row out, the new one in, under a new ROWID
                    └──▶ counts and hash: by the schema's triggers, or all at once

The triggers are stock Swift's and cost twice what the row itself costs: three statements and a call of Python
for each row that comes or goes. Many rows are therefore merged without them: they are dropped, what they
would have done is written with one statement each, and they are made again as they were, all in the one
transaction: nobody else ever sees the table without them.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from ..common.hashing import short_md5
from . import schema
from .rows import ObjectRow, joined

MERGED_TOGETHER = 400
"""Rows whose pages SQLite's cache, of 500 by default, still holds when they are written."""
INSERTED_TOGETHER = 100  # Of seven values each: some builds of SQLite take 999 at once.
MANY = 64  # Dropping the triggers and making them again takes as long as they take for 30 rows.
_COLUMNS = "name, created_at, size, content_type, etag, deleted, storage_policy_index"
_INSERT = f"INSERT INTO object ({_COLUMNS}) VALUES "  # noqa: S608 - constants
_ROW = "(?, ?, ?, ?, ?, ?, ?)"
Key = tuple[str, int]


def merge(database: sqlite3.Connection, rows: Iterable[ObjectRow]) -> None:
    """Merge rows, neighbours in the index together, in the caller's transaction; old news change nothing."""
    news: dict[Key, ObjectRow] = {}
    for row in rows:
        key = row.key
        known = news.get(key)
        news[key] = row if known is None else joined(known, row)
    ordered = sorted(news.items())
    triggers = _dropped_triggers(database) if len(ordered) >= MANY else []
    tally = Tally()
    for start in range(0, len(ordered), MERGED_TOGETHER):
        went, came = _merge_some(database, dict(ordered[start : start + MERGED_TOGETHER]))
        if triggers:
            tally.count(went, -1)
            tally.count(came, 1)
    if triggers:
        tally.write(database)
        for statement in triggers:
            database.execute(statement)


class Tally:
    """What rows that come and go mean to a container's counts and hash."""

    def __init__(self) -> None:
        self.hash = 0
        self.policies: dict[int, list[int]] = {}  # Objects and bytes of each.

    def count(self, rows: Sequence[ObjectRow], sign: int) -> None:
        """Count rows that came (1) or went (-1)."""
        policies = self.policies
        for name, created_at, size, _, _, deleted, policy_index in rows:
            sums = policies.get(policy_index) or policies.setdefault(policy_index, [0, 0])
            sums[0] += sign * (1 - deleted)
            sums[1] += sign * size if isinstance(size, int) else 0  # As SQL adds a text that is no number.
            self.hash ^= int.from_bytes(short_md5(f"{name}-{created_at}".encode()).digest(), "big")

    def write(self, database: sqlite3.Connection) -> None:
        """Add it to what the database says."""
        for policy_index, (objects, size) in self.policies.items():
            database.execute(
                "INSERT INTO policy_stat (storage_policy_index, object_count, bytes_used) VALUES (?1, ?2, ?3)"
                " ON CONFLICT (storage_policy_index) DO UPDATE"
                " SET object_count = object_count + ?2, bytes_used = bytes_used + ?3",
                (policy_index, objects, size),
            )
        (stored,) = database.execute("SELECT hash FROM container_info").fetchone()
        database.execute("UPDATE container_info SET hash = ?", (f"{int(stored, 16) ^ self.hash:032x}",))


def _dropped_triggers(database: sqlite3.Connection) -> list[str]:
    """Drop the triggers that count rows; return the statements that make them again.

    None is dropped where any is unknown: whoever made it wants more done than is known here.
    """
    found = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'object'"
    )
    statements = {name: sql for name, sql in found if name != schema.UPDATE_TRIGGER}
    if set(map(schema.spoken, statements.values())) != schema.COUNTING_TRIGGERS:
        return []
    for name in statements:
        database.execute(f"DROP TRIGGER {name}")
    return list(statements.values())


def _merge_some(
    database: sqlite3.Connection, rows: Mapping[Key, ObjectRow]
) -> tuple[list[ObjectRow], list[ObjectRow]]:
    """Merge rows of different objects; return the rows that went and those that came."""
    stored = _stored(database, list({name for name, _ in rows}))
    went: list[ObjectRow] = []
    came: list[ObjectRow] = []
    numbers: list[int] = []
    for key, row in rows.items():
        held = stored.get(key)
        if held is None:
            came.append(row)
            continue
        result = row
        for _, known in held:
            result = joined(known, result)
        if len(held) > 1 or result != held[0][1]:
            came.append(result)
            for number, known in held:
                went.append(known)
                numbers.append(number)
    if numbers:
        database.execute(f"DELETE FROM object WHERE ROWID IN ({', '.join('?' * len(numbers))})", numbers)  # noqa: S608 - only marks
    _insert(database, came)
    return went, came


def _insert(database: sqlite3.Connection, rows: Sequence[ObjectRow]) -> None:
    """Insert rows; a hundred in one statement cost half of what a hundred statements do."""
    whole = len(rows) - len(rows) % INSERTED_TOGETHER
    for start in range(0, whole, INSERTED_TOGETHER):
        values = list(itertools.chain.from_iterable(rows[start : start + INSERTED_TOGETHER]))
        database.execute(_INSERT + ", ".join([_ROW] * INSERTED_TOGETHER), values)
    database.executemany(_INSERT + _ROW, rows[whole:])


def _stored(database: sqlite3.Connection, names: Sequence[str]) -> dict[Key, list[tuple[int, ObjectRow]]]:
    """Return what the table holds of these names, with ROWIDs."""
    found = database.execute(
        f"SELECT ROWID, {_COLUMNS} FROM object WHERE deleted IN (0, 1)"  # noqa: S608 - constants and marks
        f" AND name IN ({', '.join('?' * len(names))})",
        names,
    )
    stored: dict[Key, list[tuple[int, ObjectRow]]] = {}
    for values in found:
        row = ObjectRow._make(values[1:])
        stored.setdefault(row.key, []).append((values[0], row))
    return stored
