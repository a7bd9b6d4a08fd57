"""Rows that were acknowledged and are not in the tables yet: the `.pending` file beside a database.

    rows ──▶ encoded() ──▶ append() ─── HASH.db.pending ───▶ read() ──▶ rows ──▶ tables, then clear()

The form is stock Swift's, which may write to and merge from the same file: each row is a colon and the
base64 of a pickled tuple. An entry that was cut off by a crash was never acknowledged; it is skipped. What
this process appended is known by its bytes when it is read again, and need not be decoded: 4 µs a row. Every
function here expects its caller to hold the folder's lock.
"""

from __future__ import annotations

import binascii
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from .. import restricted_pickle
from ..errors import Corrupt

log = logging.getLogger(__name__)

SUFFIX = ".pending"
CAP_BYTES = 131_072  # Stock's: beyond this they are due to be taken into the tables.
MAX_BYTES = 4 * CAP_BYTES  # Beyond this nothing is added: the next row waits until they are.

Entry = tuple[Any, ...]
Encoded = Mapping[bytes, Entry]  # Rows by what stands in the file for each, behind its colon.
T = TypeVar("T")
_NOTHING: Encoded = MappingProxyType({})


def encode(entry: Entry) -> bytes:
    """Return what stands in the file for one row, behind its colon."""
    return binascii.b2a_base64(restricted_pickle.dumps(entry), newline=False)


def data_of(rows: Encoded) -> bytes:
    """Return the bytes of several rows, to be appended at once."""
    return b":" + b":".join(rows) if rows else b""


def decode(data: bytes, known: Encoded = _NOTHING) -> tuple[list[Entry], int]:
    """Return the rows in a file's bytes, and how many entries could not be read."""
    entries: list[Entry] = []
    broken = 0
    for piece in data.split(b":"):
        if (row := known.get(piece)) is not None:
            entries.append(row)
            continue
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


class PendingFile:
    """The file beside one database; it stays open between appends.

    Another process may empty it, in place as stock does, or move or remove the whole folder: a row must go
    into the file that has this name now, and what is read is what stands there. The rows that are known
    by their bytes were appended before `_end`, so they are never more than the file may hold.
    """

    __slots__ = ("_database", "_descriptor", "_end", "_inode", "_known", "path")

    def __init__(self, database: str) -> None:
        self._database = database
        self.path = database + SUFFIX
        self._descriptor = -1
        self._inode = (0, 0)
        self._known: dict[bytes, Entry] = {}
        self._end = 0

    def append(self, rows: Encoded) -> int:
        """Add rows; return the size before, and add nothing where that is beyond MAX_BYTES.

        On failure the file is as it was.
        """
        before = self._size_of_opened()
        if before > MAX_BYTES:
            return before
        if before < self._end:
            self._known.clear()  # Somebody else has taken them into the tables.
        data = data_of(rows)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise
        self._known.update(rows)
        self._end = before + written
        return before

    @property
    def device(self) -> int:
        """The number of the file system on which rows have been appended."""
        return self._inode[0]

    def size(self) -> int:
        """Return how many bytes wait."""
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def read(self, start: int = 0) -> tuple[list[Entry], int]:
        """Return the rows that wait from a position on, and the position behind them."""
        try:
            with open(self.path, "rb") as handle:
                handle.seek(start)
                data = handle.read()
        except FileNotFoundError:
            return [], start
        entries, broken = decode(data, self._known)
        if broken:
            log.warning(
                "skipped unreadable pending entries", extra={"database": self._database, "entries": broken}
            )
        return entries, start + len(data)

    def clear(self) -> None:
        """Forget the rows: they are in the tables, durably."""
        self._known.clear()
        self._end = 0
        try:
            os.truncate(self.path, 0)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()

    def _size_of_opened(self) -> int:
        """See to it that the file of this name is open; return its size."""
        if self._descriptor >= 0:
            try:
                status = os.stat(self.path)
            except FileNotFoundError:
                self.close()
            else:
                if (status.st_dev, status.st_ino) == self._inode:
                    return status.st_size
                self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o666)
        status = os.fstat(self._descriptor)
        self._inode = (status.st_dev, status.st_ino)
        return status.st_size
