"""The lock that stock Swift and Apus both take before they touch a database's folder.

    with locked(folder, timeout_seconds=10): append to .pending, merge, rename, remove
    lock = FolderLock(folder, …); with lock: …; with lock: …        the same, cheaper when it is often needed

It is an flock on `.lock` in the folder, as stock Swift's, so daemons of both may run side by side. A
folder can be removed while we wait; then the lock we got guards nothing and is refused as Missing.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .. import concurrency
from ..errors import Missing, Unavailable

FILE_NAME = ".lock"
_PAUSE_SECONDS_MAX = 0.05


class FolderLock:
    """The lock of one folder, for one green thread at a time; its file stays open between uses."""

    __slots__ = ("_descriptor", "_folder", "_held", "_identity", "_path", "_shall_close", "_timeout_seconds")

    def __init__(self, folder: str, *, timeout_seconds: float) -> None:
        self._folder = folder
        self._path = f"{folder}/{FILE_NAME}"
        self._timeout_seconds = timeout_seconds
        self._descriptor = -1
        self._identity = (0, 0)
        self._held = self._shall_close = False

    def __enter__(self) -> None:
        self.take(self._timeout_seconds)

    def take(self, timeout_seconds: float) -> None:
        """Take the lock; with 0 no other green thread runs meanwhile."""
        assert not self._held
        if self._descriptor >= 0:
            _acquire(self._descriptor, self._folder, timeout_seconds)
            if self._is_current():
                self._held = True
                return
            self._close()
        self._open()
        try:
            _acquire(self._descriptor, self._folder, timeout_seconds)
            if not self._is_current():
                raise Missing(f"{self._folder} was removed")
        except BaseException:
            self._close()
            raise
        self._held = True

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let the next one have it."""
        self._held = False
        if self._shall_close:
            self._close()
        else:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; one who holds the lock keeps it until the end of its block."""
        if self._held:
            self._shall_close = True
        elif self._descriptor >= 0:
            self._close()

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError as problem:
            raise Missing(f"{self._folder} does not exist") from problem
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._shall_close = False

    def _is_current(self) -> bool:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self._identity


@contextmanager
def locked(folder: str, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the folder's lock once.

    Raises:
        Unavailable: when somebody else holds it for `timeout_seconds`.
        Missing: when there is no such folder (any more).
    """
    lock = FolderLock(folder, timeout_seconds=timeout_seconds)
    try:
        with lock:
            yield
    finally:
        lock.close()


def _acquire(descriptor: int, folder: str, timeout_seconds: float) -> None:
    """Ask again and again without blocking: whoever holds the lock may be another green thread of ours."""
    deadline = None
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            deadline = deadline or now + timeout_seconds
            if now >= deadline:
                raise Unavailable(f"{folder} is locked by another process") from None
            concurrency.sleep(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
        else:
            return
