"""Locks on folders of a device, shared with stock Swift's processes.

    folder ──▶ locked(folder, name) ──▶ flock on folder/.lock[-name]: one holder among all processes

The lock is the kernel's, on a hidden file, so it goes with its process. `.lock` in a partition guards
hashes.pkl and hashes.invalid, `.lock-replication` its transfer, and `.lock`, `.lock-1`, … in a device
how many transfers it serves at once.
"""

from __future__ import annotations

import fcntl
import os
import time
from posix import open as open_file  # The hub library replaces os.open by one that costs twice as much.

from ...common import concurrency
from ...common.errors import Unavailable

TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.005
_EXCLUSIVE_NOW = fcntl.LOCK_EX | fcntl.LOCK_NB
_HOW = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC


class LockTimeout(Unavailable):
    """Somebody else held the lock for too long."""


class locked:  # noqa: N801 - used as the statement `with locked(folder):`, half the cost of a generator's
    """Hold one of `holders` locks on the folder while the block runs; wait for it without blocking others.

    Raises, on entry:
        FileNotFoundError: when the folder is gone.
        LockTimeout: when the lock was not to be had in time.
    """

    __slots__ = ("_descriptors", "_holders", "_path", "_timeout_seconds")

    def __init__(
        self, folder: str, name: str = "", *, timeout_seconds: float = TIMEOUT_SECONDS, holders: int = 1
    ) -> None:
        assert holders > 0
        self._path = f"{folder}/.lock-{name}" if name else f"{folder}/.lock"
        self._timeout_seconds = timeout_seconds
        self._holders = holders
        self._descriptors: list[int] = []

    def __enter__(self) -> None:
        self._descriptors.append(open_file(self._path, _HOW, 0o644))
        try:
            if not try_lock(self._descriptors[0]):
                self._lock_another()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _lock_another(self) -> None:
        """Take the next one that is to be had."""
        for index in range(1, self._holders):
            self._descriptors.append(open_file(f"{self._path}-{index}", _HOW, 0o644))
        if not any(map(try_lock, self._descriptors[1:])):
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            concurrency.sleep(_POLL_SECONDS)
            if any(map(try_lock, self._descriptors)):
                return
            if time.monotonic() > deadline:
                raise LockTimeout(f"{self._path} stayed locked for {self._timeout_seconds} seconds")


def is_locked(folder: str, name: str) -> bool:
    """Say whether somebody holds the lock just now; nobody is kept from taking it for longer than that."""
    try:
        descriptor = os.open(f"{folder}/.lock-{name}", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder unless that means to wait; return whether it is ours now."""
    try:
        fcntl.flock(descriptor, _EXCLUSIVE_NOW)
    except BlockingIOError:
        return False
    return True
