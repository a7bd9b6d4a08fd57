"""What a database complains of, as what the caller can do about it.

    complaint ──▶ problem_of() ──▶ BadRequest      the value: no column can hold it
                              ├──▶ Collision       it met another transaction: once more
                              ├──▶ Unavailable     no answer, or no room
                              ├──▶ IntegrityError  a rule of the tables
                              └──▶ None            a defect of ours

Complaints are told apart by their numbers, never by their words, but for SQLite's, which have none of use.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError

from ...common.errors import OutOfSpace, Unavailable
from ..api.faults import BadRequest


class Collision(Unavailable):
    """The transaction met another one; the same may go well the next time."""


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES = (
    (("40001", "40P01", "55P03"), "collision"),
    (("23",), "rule"),
    (("22", "54"), "value"),
    (("53100",), "room"),
    (("08", "53", "57P"), "silence"),
)
# https://mariadb.com/kb/en/mariadb-error-code-reference/
_MARIADB = {
    **dict.fromkeys((1020, 1205, 1213), "collision"),
    **dict.fromkeys((1022, 1048, 1062, 1216, 1217, 1451, 1452, 1557, 1586, 1761, 1762), "rule"),
    **dict.fromkeys((1153, 1264, 1265, 1292, 1366, 1406, 1525, 1690, 3854, 4025), "value"),
    **dict.fromkeys((1021, 1114), "room"),
    **dict.fromkeys((1040, 1053, 1129, 1203, 1927, 2002, 2003, 2006, 2013, 2055), "silence"),
}
_SQLITE = (
    (("database is locked", "database table is locked", "database is busy"), "collision"),
    (("database or disk is full",), "room"),
    (("unable to open", "disk i/o error", "readonly database"), "silence"),
    (("too big",), "value"),
)


def problem_of(dialect: str, complaint: BaseException, statement: str | None) -> Exception | None:
    """Return what to raise instead of what the database's driver raised; None: that itself."""
    kind = _kind(dialect, complaint)
    if kind == "value":
        return BadRequest("A value is too long, too large, or has characters that cannot be kept.")
    if kind == "collision":
        return Collision("the database is too busy; try again later")
    if kind == "room":
        return OutOfSpace(f"the database has no room left: {complaint}")
    if kind == "silence":
        return Unavailable(f"the database does not answer: {complaint}")
    if kind == "rule" and isinstance(complaint, Exception):
        return IntegrityError(statement, None, complaint)
    return None


def _kind(dialect: str, complaint: BaseException) -> str:
    if isinstance(complaint, (OverflowError, UnicodeError)):  # The driver itself cannot say the value.
        return "value"
    said: Any = complaint.args[0] if complaint.args else ""
    if dialect == "postgresql":
        return _of_postgres(said, complaint)
    if dialect in ("mysql", "mariadb"):
        return _MARIADB.get(said, "") if isinstance(said, int) else ""
    return _first(_SQLITE, lambda words: words in str(said).lower())


def _of_postgres(said: Any, complaint: BaseException) -> str:
    if not isinstance(said, dict):  # Of the driver, not of the server.
        return (
            "silence"
            if isinstance(complaint, OSError) or type(complaint).__name__ == "InterfaceError"
            else ""
        )
    return _first(_POSTGRES, str(said.get("C", "")).startswith)


def _first(table: Any, fits: Any) -> str:
    return next((kind for marks, kind in table if any(fits(mark) for mark in marks)), "")
