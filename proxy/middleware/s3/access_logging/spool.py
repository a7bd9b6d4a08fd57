"""Lines that wait on the proxy's disk until they are written to their buckets.

    append(place, line) ──▶ FOLDER/BATCH.log, locked by the worker that writes it ──close_current()──▶ ready
    ready(), or left by a worker that died ──batches()──▶ Batch ──keep(rest)──▶ the same file, shorter
                                                               └──remove()──▶ gone

A worker's file is its own as long as it lives: a lock says so, which ends with the process, so any worker may
take what another one has left, and no two take the same. A line is with the kernel when append() returns: it
survives the end of the process, not the end of the machine. It does not know what a line says.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

from .destination import Form, Place

log = logging.getLogger(__name__)

SUFFIX = ".log"
_NEW = ".new"
_ABANDONED_SECONDS = 3600.0  # What is not there yet is there after some milliseconds, or never.
Lines = Mapping[Place, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may wait."""

    file_bytes: int
    """A file that has so many is ready."""
    folder_bytes: int
    """Beyond so many nothing more is taken."""


class Full(Exception):
    """No more lines can be taken."""


class Spool:
    """One worker's view of the folder, which all workers of a machine share."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self._folder = folder
        self._bounds = bounds
        self._descriptor = -1
        self._size = 0
        self._folder_size = 0
        """When last looked at, without what this worker has written since."""

    def begin(self) -> None:
        """Make the folder, and look at what is in it.

        Raises:
            OSError: when there can be none.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{self._folder} is not writable")
        self._folder_size = sum(map(_size_of, self._folder.glob(f"*{SUFFIX}")))

    def append(self, where: Place, line: str) -> bool:
        """Take a line; return whether there are enough to be written to their buckets.

        Raises:
            Full: when as many wait as may, or the disk takes no more.
        """
        record = json.dumps([*astuple(where), line]).encode("ascii") + b"\n"
        try:
            if self._descriptor < 0:
                self._open()
            if self._folder_size + self._size + len(record) > self._bounds.folder_bytes:
                raise Full(f"{self._bounds.folder_bytes} bytes wait already")
            written = os.write(self._descriptor, record)
            if written < len(record):
                os.ftruncate(self._descriptor, self._size)
                raise Full("the disk is full")
        except OSError as problem:
            raise Full(str(problem)) from problem
        self._size += written
        return self._size >= self._bounds.file_bytes

    def _open(self) -> None:
        """Begin a file; it gets its name once it is locked, so that nobody takes it for a left one."""
        self.begin()
        name = f"{int(time.time()):010x}-{secrets.token_hex(8)}"
        path = self._folder / f"{name}{_NEW}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.rename(path.with_suffix(SUFFIX))
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._size = descriptor, 0

    def close_current(self) -> None:
        """Make what this worker has written ready to be taken."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._folder_size += self._size
            self._size = 0

    def has_batches(self) -> bool:
        """Tell whether anything is there, somebody's or nobody's."""
        return next(self._folder.glob(f"*{SUFFIX}"), None) is not None

    def batches(self) -> Iterator[Batch]:
        """Yield what no worker writes any more, the oldest first; each is the caller's alone meanwhile."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            batch = Batch.taken(path)
            if batch is not None:
                with batch:
                    yield batch
        for path in self._folder.glob(f"*{_NEW}"):
            _remove_abandoned(path)
        if self._folder.exists():
            self._folder_size = max(0, sum(map(_size_of, self._folder.glob(f"*{SUFFIX}"))) - self._size)


class Batch:
    """A file of lines that nobody writes any more."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.name = path.stem
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def taken(cls, path: Path) -> Batch | None:
        """Return a file as a batch; None while it is somebody else's, or when it is gone."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return cls(path, descriptor)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        os.close(self._descriptor)

    @property
    def begun(self) -> float:
        """When its first line came, in seconds since 1970."""
        stamp = self.name.partition("-")[0]
        try:
            return float(int(stamp, 16))
        except ValueError:  # Somebody else has put it there.
            return self._path.stat().st_mtime

    def lines(self) -> Lines:
        """Return its lines by where they go; what a dying machine has left half written is left out."""
        found: dict[Place, list[str]] = {}
        for record in self._path.read_bytes().split(b"\n"):
            try:
                account, source, target, prefix, form, day, text = json.loads(record)
                where = Place(account, source, target, prefix, Form(form), day)
            except (ValueError, TypeError):
                if record:
                    log.warning("a line of an access log cannot be read", extra={"batch": self.name})
                continue
            found.setdefault(where, []).append(text)
        return found

    def keep(self, lines: Lines) -> None:
        """Let it have these lines only."""
        records = [json.dumps([*astuple(where), text]) for where in lines for text in lines[where]]
        shorter = self._path.with_suffix(_NEW)
        shorter.write_text("".join(f"{record}\n" for record in records))
        shorter.rename(self._path)

    def remove(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    try:
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            path.unlink()
    except FileNotFoundError:  # It has got its name meanwhile.
        pass


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
