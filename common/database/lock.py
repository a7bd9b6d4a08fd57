"""The lock that stock Swift and Apus both take before they touch a database's folder.

    with locked(folder, timeout_seconds=10): append to .pending, merge, rename, remove

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


@contextmanager
def locked(folder: str, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        Unavailable: when somebody else holds it for `timeout_seconds`.
        Missing: when there is no such folder (any more).
    """
    descriptor = _open(folder)
    try:
        _acquire(descriptor, folder, timeout_seconds)
        if not _is_current(descriptor, folder):
            raise Missing(f"{folder} was removed")
        yield
    finally:
        os.close(descriptor)


def _open(folder: str) -> int:
    try:
        return os.open(f"{folder}/{FILE_NAME}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError as problem:
        raise Missing(f"{folder} does not exist") from problem


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


def _is_current(descriptor: int, folder: str) -> bool:
    ours = os.fstat(descriptor)
    try:
        theirs = os.stat(f"{folder}/{FILE_NAME}")
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)
