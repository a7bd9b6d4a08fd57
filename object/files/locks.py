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
from collections.abc import Iterator
from contextlib import contextmanager

from ...common import concurrency
from ...common.errors import Unavailable

TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.005


class LockTimeout(Unavailable):
    """Somebody else held the lock for too long."""


@contextmanager
def locked(
    folder: str, name: str = "", *, timeout_seconds: float = TIMEOUT_SECONDS, holders: int = 1
) -> Iterator[None]:
    """Hold one of `holders` locks on the folder while the block runs; wait for it without blocking others.

    Raises:
        FileNotFoundError: when the folder is gone.
        LockTimeout: when the lock was not to be had in time.
    """
    assert holders > 0
    path = f"{folder}/.lock-{name}" if name else f"{folder}/.lock"
    descriptors: list[int] = []
    try:
        for index in range(holders):
            numbered = f"{path}-{index}" if index else path
            descriptors.append(os.open(numbered, os.O_WRONLY | os.O_CREAT, 0o644))
        deadline = None
        while not any(_try(descriptor) for descriptor in descriptors):
            deadline = deadline or time.monotonic() + timeout_seconds
            if time.monotonic() > deadline:
                raise LockTimeout(f"{path} stayed locked for {timeout_seconds} seconds")
            concurrency.sleep(_POLL_SECONDS)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


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


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
