"""Rows that were acknowledged and are not in the tables yet: the `.pending` file beside a database.

    row ──▶ encode() ──▶ append() ─── HASH.db.pending ───▶ read() ──▶ rows ──▶ tables, then clear()

The form is stock Swift's, which may write to and merge from the same file: each row is a colon and the
base64 of a pickled tuple. An entry that was cut off by a crash was never acknowledged; it is skipped. Every
function here expects its caller to hold the folder's lock.
"""

from __future__ import annotations

import binascii
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from .. import restricted_pickle
from ..errors import Corrupt

log = logging.getLogger(__name__)

SUFFIX = ".pending"
CAP_BYTES = 131_072  # Stock's: beyond this the next row takes all of them into the tables.

Entry = tuple[Any, ...]
T = TypeVar("T")


def encode(entry: Entry) -> bytes:
    """Return what stands in the file for one row."""
    return b":" + binascii.b2a_base64(restricted_pickle.dumps(entry), newline=False)


def decode(data: bytes) -> tuple[list[Entry], int]:
    """Return the rows in a file's bytes, and how many entries could not be read."""
    entries: list[Entry] = []
    broken = 0
    for piece in data.split(b":"):
        if not piece:
            continue
        try:
            entry = restricted_pickle.loads(binascii.a2b_base64(piece, strict_mode=True))
        except (Corrupt, binascii.Error):
            entry = None
        if isinstance(entry, tuple):
            entries.append(entry)
        else:
            broken += 1
    return entries, broken


def readable(entries: Iterable[Entry], read: Callable[[Entry], T]) -> list[T]:
    """Return what the entries say; one that is no row must not keep the others from the tables."""
    rows = []
    for entry in entries:
        try:
            rows.append(read(entry))
        except (ValueError, TypeError, LookupError) as problem:
            log.warning(
                "skipped a pending entry", extra={"entry": repr(entry)[:200], "problem": str(problem)}
            )
    return rows


def size(database: str) -> int:
    """Return how many bytes are pending beside the database."""
    try:
        return os.stat(database + SUFFIX).st_size
    except FileNotFoundError:
        return 0


def append(database: str, data: bytes) -> bool:
    """Add encoded rows; return False when so many wait already that they should be merged instead.

    On failure the file is as it was.
    """
    descriptor = os.open(database + SUFFIX, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        if before > CAP_BYTES:
            return False
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    return True


def read(database: str) -> list[Entry]:
    """Return the rows that wait beside the database."""
    try:
        with open(database + SUFFIX, "rb") as handle:
            entries, broken = decode(handle.read())
    except FileNotFoundError:
        return []
    if broken:
        log.warning("skipped unreadable pending entries", extra={"database": database, "entries": broken})
    return entries


def clear(database: str) -> None:
    """Forget the rows: they are in the tables, durably."""
    try:
        os.truncate(database + SUFFIX, 0)
    except FileNotFoundError:
        return


def entries_of(rows: Sequence[Entry]) -> bytes:
    """Return the bytes of several rows, to be appended at once."""
    return b"".join(encode(row) for row in rows)
