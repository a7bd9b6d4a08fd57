"""Making many writes durable with one call: a group commit per device.

    green threads ── sync() ──▶ waiting ┐
                                        ├─ one round: syncfs in a native thread ─▶ eventfd ─▶ all woken
    (the next ones wait for the next round) ┘

A caller that returns from `sync()` knows that all it wrote to the device before the call survives a power
loss. A round that fails fails for each of its callers. Because the kernel tells of a lost page only once,
and not to whom it belonged, a failed round also fails every write that was under way while it ran: such
writers bracket their work with `begin()` and `finish()` and pass the ticket to `sync()`.

It does not know what was written, nor which order of writes is right: its callers sync once when data
is written and again when the data has got its name.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import tempfile
from collections.abc import Callable
from typing import Any

import eventlet.event
import eventlet.hubs
import eventlet.patcher

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # An open descriptor keeps a device from being unmounted; an idle one must not.
_SYNC_FILE_RANGE_WAIT_BEFORE, _SYNC_FILE_RANGE_WRITE, _SYNC_FILE_RANGE_WAIT_AFTER = 1, 2, 4
_threading = eventlet.patcher.original("threading")
_libc = ctypes.CDLL(None, use_errno=True)


class GroupCommitter:
    """One device's group commit for one process; get it from `committer_for`."""

    def __init__(self, path: str, flush: Callable[[int], None] | None = None) -> None:
        self.path = path
        self._flush = flush or sync_filesystem
        self._process_id = 0
        self._reset()

    def _reset(self) -> None:
        """Start afresh: in the first use of a process, and in a forked child, which has no threads."""
        self._process_id = os.getpid()
        self.failures = 0
        self.rounds = 0
        self._intents = 0
        self._descriptor = -1
        self._go = self._done = -1
        self._outcome: OSError | None = None
        self._waiting: eventlet.event.Event | None = None
        self._flying: eventlet.event.Event | None = None
        self._dispatch_is_due = False
        self._idle_timer: Any = None

    def begin(self) -> int:
        """Announce a write; return the ticket that its `sync()` must show. End it with `finish()`."""
        if self._process_id != os.getpid():
            self._reset()
        if self._descriptor < 0:
            self._open()
        self._intents += 1
        return self.failures

    def finish(self) -> None:
        """End what `begin()` announced, whatever came of it."""
        self._intents -= 1
        assert self._intents >= 0
        if not self._intents and self._idle_timer is None:
            hub = eventlet.hubs.get_hub()
            self._idle_timer = hub.schedule_call_global(IDLE_SECONDS, self._close_if_idle)

    def sync(self, ticket: int | None = None) -> None:
        """Return when all that the caller has written to the device is durable.

        Raises:
            OSError: when this round failed, or any since the ticket was given: the data may be lost.
        """
        began = self.begin()
        try:
            if ticket is not None and ticket != began:
                raise OSError(errno.EIO, "the device lost writes while this one was under way", self.path)
            if self._waiting is None:
                self._waiting = eventlet.event.Event()
            round_done = self._waiting
            if self._flying is None and not self._dispatch_is_due:
                # Whoever else is ready to run in this turn of the hub joins the round.
                self._dispatch_is_due = True
                eventlet.hubs.get_hub().schedule_call_global(0, self._dispatch)
            failure = round_done.wait()
            if failure is not None:
                raise OSError(failure.errno, failure.strerror, self.path)
        finally:
            self.finish()

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        if self._go >= 0:
            return
        self._go = os.eventfd(0, os.EFD_CLOEXEC)
        self._done = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        hub = eventlet.hubs.get_hub()
        hub.add(hub.READ, self._done, self._landed, lambda *_: None, lambda *_: None)
        thread = _threading.Thread(target=self._serve, args=(self._go, self._done), daemon=True)
        thread.start()

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if not self._intents and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _dispatch(self) -> None:
        """Send the waiting round on its way (in the hub's turn)."""
        self._dispatch_is_due = False
        assert self._flying is None
        self._flying, self._waiting = self._waiting, None
        os.eventfd_write(self._go, 1)

    def _landed(self, _descriptor: int) -> None:
        """Wake everyone of the round that came back (in the hub)."""
        try:
            os.eventfd_read(self._done)
        except BlockingIOError:
            return
        landed, self._flying = self._flying, None
        assert landed is not None
        self.rounds += 1
        if self._outcome is not None:
            self._fail(self._outcome)
        if self._waiting is not None and not self._dispatch_is_due:
            self._dispatch_is_due = True
            eventlet.hubs.get_hub().schedule_call_global(0, self._dispatch)
        landed.send(self._outcome)

    def _fail(self, outcome: OSError) -> None:
        """Remember the failure, and fail those too who were waiting: the lost page may be theirs."""
        self.failures += 1
        log.error("device lost writes", extra={"device": self.path, "problem": str(outcome)})
        if self._waiting is not None:
            self._waiting.send(outcome)
            self._waiting = None

    def _serve(self, go: int, done: int) -> None:
        """The native thread: no green call may happen in here."""
        while True:
            os.eventfd_read(go)
            outcome = None
            try:
                self._flush(self._descriptor)
            except OSError as problem:
                outcome = problem
            self._outcome = outcome
            os.eventfd_write(done, 1)


_committers: dict[tuple[int, int], GroupCommitter] = {}


def committer_for(path_on_device: str) -> GroupCommitter:
    """Return the committer of the file system that holds the path: one per device, process and hub."""
    key = (os.stat(path_on_device).st_dev, id(eventlet.hubs.get_hub()))
    committer = _committers.get(key)
    if committer is None:
        committer = _committers[key] = GroupCommitter(path_on_device)
    committer.path = path_on_device  # It opens the device anew after a rest; an earlier path may be gone.
    return committer


def sync_filesystem(descriptor: int) -> None:
    """Write all dirty data of the file system that holds `descriptor`, and wait until it is there.

    Where the C library lacks syncfs all file systems are written, and failures go unreported.
    """
    syncfs = getattr(_libc, "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(descriptor):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write_back(descriptor: int, offset: int, length: int) -> None:
    """Write a range of a file to the device and wait for it; its size and name are not made durable.

    This blocks, so call it in a native thread. It keeps a large upload from leaving gigabytes of
    dirty pages to the final sync.
    """
    flags = _SYNC_FILE_RANGE_WAIT_BEFORE | _SYNC_FILE_RANGE_WRITE | _SYNC_FILE_RANGE_WAIT_AFTER
    _sync_file_range(descriptor, offset, length, flags)


def begin_write_back(descriptor: int, offset: int, length: int) -> None:
    """Have the device write a range of a file while its writer goes on."""
    _sync_file_range(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


def _sync_file_range(descriptor: int, offset: int, length: int, flags: int) -> None:
    call = getattr(_libc, "sync_file_range", None)
    if call is None:
        os.fdatasync(descriptor)
    elif call(descriptor, ctypes.c_int64(offset), ctypes.c_int64(length), ctypes.c_uint(flags)):
        code = ctypes.get_errno()
        if code in (errno.ESPIPE, errno.ENOSYS, errno.EINVAL):
            os.fdatasync(descriptor)
        else:
            raise OSError(code, os.strerror(code))


def fsync_directory(path: str) -> None:
    """Make the names in one directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: str, data: bytes, committer: GroupCommitter | None = None) -> None:
    """Replace the file at `path` so that a reader, and a crash, find the old bytes or the new, never less."""
    folder = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    try:
        try:
            with memoryview(data) as rest:
                written = 0
                while written < len(data):
                    written += os.write(descriptor, rest[written:])
            if committer is None:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if committer is not None:
            committer.sync()
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if committer is None:
        fsync_directory(folder)
    else:
        committer.sync()
