"""Making many writes durable with one call: a group commit per device.

    green threads ── sync() ──▶ ┐
                                ├─ one request ─▶ Line ─▶ a round of syncfs for all processes ─▶ woken
          all of a hub's turn   ┘

A caller that returns from `sync()` knows that all it wrote to the device before the call survives a power
loss. A round that fails fails for each of its callers. Because the kernel tells of a lost page only once,
and not to whom it belonged, a failed round also fails every write that was under way while it ran: such
writers bracket their work with `begin()` and `finish()` and pass the ticket to `sync()`.

Servers share their rounds with all other processes of the file system (`share_rounds`, `shared_rounds`).
Whoever does not, and whoever has lost the line, makes rounds of his own in a native thread.

It does not know what was written, nor which order of writes is right: its callers sync once when data
is written and again when the data has got its name.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import tempfile
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet

from .commit_rounds import sync_filesystem
from .concurrency import current_hub, original
from .shared_rounds import Broken, Line

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # An open descriptor keeps a device from being unmounted; an idle one must not.
RETRY_SECONDS = 5.0  # Between attempts to share rounds again after the line broke.
PATIENCE_SECONDS = 5.0  # With one request: rounds take milliseconds; who is stopped or frozen never answers.
_SYNC_FILE_RANGE_WAIT_BEFORE, _SYNC_FILE_RANGE_WRITE, _SYNC_FILE_RANGE_WAIT_AFTER = 1, 2, 4
_threading = original("threading")
_libc = ctypes.CDLL(None, use_errno=True)
Waiters = list[Any]  # Green threads of one round.


class GroupCommitter:
    """One device's group commit for one process; get it from `committer_for`.

    It is in one of two states. On the line, each turn's callers send one request and are woken by its
    answer. Alone, a native thread flushes for them, one round after the other. From the line to alone it
    goes at any moment: its own descriptor, open for as long as anybody writes, tells of all that was
    lost, so nothing depends on what the other end did last. Back to the line it goes only when the other
    end has answered, and behind a round of its own that began after the line was open, so that a loss in
    between is heard by one or the other.
    """

    def __init__(
        self, path: str, flush: Callable[[int], None] | None = None, *, is_shared: bool = False
    ) -> None:
        self.path = path
        self._flush = flush or sync_filesystem
        self._is_shared = is_shared
        self._process_id = 0
        self._reset()

    def _reset(self) -> None:
        """Start afresh: in the first use of a process, and in a forked child, which has no threads."""
        self._process_id = os.getpid()
        self._hub = current_hub()
        self.failures = 0
        self.rounds = 0
        self._intents = 0
        self._descriptor = -1
        self._waiting: Waiters = []
        self._dispatch_is_due = False
        self._idle_timer: Any = None
        self._line: Line | None = None
        self._sent: deque[Waiters] = deque()
        self._watch: Any = None
        self._watched: Waiters | None = None  # The oldest request at the watch's last look.
        self._coming: Line | None = None
        self._coming_has_answered = False
        self._is_trusted = True  # A line is good until it broke.
        self._alone_until = 0.0
        self._go = self._done = -1
        self._outcome: OSError | None = None
        self._orphans: Waiters = []
        self._flying: Waiters = []
        self._is_flying = False
        self._woken: deque[tuple[Waiters, OSError | None]] = deque()

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
            self._idle_timer = self._hub.schedule_call_global(IDLE_SECONDS, self._close_if_idle)

    def sync(self, ticket: int | None = None) -> None:
        """Return when all that the caller has written to the device is durable.

        Raises:
            OSError: when this round failed, or any since the ticket was given: the data may be lost.
        """
        if ticket is None:
            self.begin()
            try:
                self._wait()
            finally:
                self.finish()
            return
        assert self._intents
        if ticket != self.failures:
            raise OSError(errno.EIO, "the device lost writes while this one was under way", self.path)
        self._wait()

    def _wait(self) -> None:
        """Sleep until a round that has yet to begin is over; the hub's greenlet wakes us itself."""
        if not self._waiting and not self._is_flying:
            self._dispatch_soon()
        waiter = greenlet.getcurrent()
        self._waiting.append(waiter)
        try:
            failure = self._hub.switch()
        except BaseException:
            self._forget(waiter)
            raise
        if failure is not None:
            raise OSError(failure.errno, failure.strerror, self.path)

    def _forget(self, waiter: Any) -> None:
        """Strike off one who does not wait any longer: it timed out, or was killed."""
        woken = (waiters for waiters, _ in self._woken)
        for waiters in (self._waiting, self._orphans, self._flying, *self._sent, *woken):
            if waiter in waiters:
                waiters.remove(waiter)

    def _open(self) -> None:
        assert not self._intents
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        if self._line is not None:
            try:
                self._introduce(self._line)
            except OSError:
                self._hang_up()
        elif self._is_trusted:
            self._line = self._new_line()
            self._listen()

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self._intents or self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        self._drop_coming()
        if self._line is not None:
            try:
                self._line.rest()
            except Broken:
                self._hang_up()

    def _dispatch_soon(self) -> None:
        """Whoever else is ready to run in this turn of the hub joins the round."""
        if not self._dispatch_is_due:
            self._dispatch_is_due = True
            self._hub.soon(self._dispatch)

    def _dispatch(self) -> None:
        """Send those who wait on their way (in the hub's turn)."""
        self._dispatch_is_due = False
        if self._line is None:
            self._fly_alone()
        elif self._waiting:
            self._sent.append(self._waiting)
            self._waiting = []
            if self._watch is None:
                self._watch = self._hub.schedule_call_global(PATIENCE_SECONDS, self._look)
            try:
                self._line.ask()
            except Broken:
                self._hang_up()

    def _look(self) -> None:
        """Hang up on who has let the same request wait since the last look."""
        self._watch = None
        oldest = self._sent[0] if self._sent else None
        if oldest is not None and oldest is self._watched:
            self._hang_up()
            oldest = None
        self._watched = oldest
        if oldest is not None:
            self._watch = self._hub.schedule_call_global(PATIENCE_SECONDS, self._look)

    def _fail(self, outcome: OSError) -> Waiters:
        """Remember the failure; return those who were waiting: they fail too, the lost page may be theirs."""
        self.failures += 1
        log.error("device lost writes", extra={"device": self.path, "problem": str(outcome)})
        failed = [*self._orphans, *(waiter for waiters in self._sent for waiter in waiters), *self._waiting]
        self._sent = deque([] for _ in self._sent)  # Their answers will still come.
        self._orphans, self._waiting = [], []
        return failed

    def _wake(self, waiters: Waiters, outcome: OSError | None) -> None:
        """Have `_switch_to_woken` let each of them go on, in the order in which they came."""
        self._woken.append((waiters[::-1], outcome))

    def _switch_to_woken(self) -> None:
        """Let those go on who are to be woken: the hub's last step, as they change all that is here.

        Should one of them end by an exception the others are woken in the hub's next turn.
        """
        try:
            while self._woken:
                waiters, outcome = self._woken[0]
                while waiters:
                    waiters.pop().switch(outcome)
                self._woken.popleft()
        finally:
            if self._woken:
                self._hub.soon(self._switch_to_woken)

    # On the line.

    def _new_line(self) -> Line | None:
        """Return a line to the shared rounds, open for writing, or None where there is none to be had."""
        if not self._is_shared or time.monotonic() < self._alone_until:
            return None
        line = None
        try:
            line = Line(self.path)
            self._introduce(line)
        except OSError as problem:
            if line is not None:
                line.close()
            log.info("rounds are not shared", extra={"device": self.path, "problem": str(problem)})
            self._alone_until = time.monotonic() + RETRY_SECONDS
            return None
        return line

    def _introduce(self, line: Line) -> None:
        device = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            line.open(device)
        finally:
            os.close(device)

    def _listen(self) -> None:
        if self._line is not None:
            self._hub.hear(self._line.descriptor, self._answered, select.EPOLLIN)

    def _answered(self, _events: int) -> None:
        """Wake those whose requests are served (in the hub)."""
        assert self._line is not None
        try:
            answers = self._line.answers()
        except Broken:
            self._hang_up()
            return
        for count, code in answers:
            self.rounds += 1
            served = [waiter for _ in range(count) for waiter in self._sent.popleft()]
            outcome = OSError(code, os.strerror(code)) if code else None
            if outcome is not None:
                served += self._fail(outcome)
            self._wake(served, outcome)
        self._switch_to_woken()

    def _hang_up(self) -> None:
        """Go on alone: those whose answers are missing now wait for a round of our own."""
        assert self._line is not None
        log.warning("the line to shared rounds broke", extra={"device": self.path})
        self._hub.ignore(self._line.descriptor, self._answered)
        self._line.close()
        self._line = None
        self._is_trusted = False
        self._alone_until = time.monotonic() + RETRY_SECONDS
        self._orphans += [waiter for waiters in self._sent for waiter in waiters]
        self._sent.clear()
        if self._orphans:
            self._dispatch_soon()

    # Alone.

    def _fly_alone(self) -> None:
        if self._is_flying:
            return
        self._flying = [*self._orphans, *self._waiting]
        self._orphans, self._waiting = [], []
        if not self._flying:
            return
        self._is_flying = True
        if self._coming is None:
            self._invite()
        if self._go < 0:
            self._start_thread()
        os.eventfd_write(self._go, 1)

    def _invite(self) -> None:
        """Open a line to come back to, and ask for a round: its answer shows that somebody is there."""
        self._coming, self._coming_has_answered = self._new_line(), False
        if self._coming is not None:
            try:
                self._coming.ask()
            except Broken:
                self._drop_coming()

    def _hear_coming(self) -> None:
        """Listen to the line to come back to: it may be there, and it may tell of a loss."""
        if self._coming is None:
            return
        try:
            answers = self._coming.answers()
        except Broken:
            self._drop_coming()
            return
        for count, code in answers:
            self._coming_has_answered |= count > 0
            if code:
                outcome = OSError(code, os.strerror(code))
                self._wake(self._fail(outcome), outcome)

    def _drop_coming(self) -> None:
        if self._coming is not None:
            self._coming.close()
            self._coming = None
            self._alone_until = time.monotonic() + RETRY_SECONDS

    def _start_thread(self) -> None:
        self._go = os.eventfd(0, os.EFD_CLOEXEC)
        self._done = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._hub.hear(self._done, self._landed, select.EPOLLIN)
        _threading.Thread(target=self._serve, args=(self._go, self._done), daemon=True).start()

    def _landed(self, _events: int) -> None:
        """Wake everyone of the round that came back (in the hub)."""
        try:
            os.eventfd_read(self._done)
        except BlockingIOError:
            return
        landed, self._flying, self._is_flying = self._flying, [], False
        self.rounds += 1
        if self._outcome is not None:
            landed += self._fail(self._outcome)
        self._hear_coming()
        if self._coming is not None and self._coming_has_answered:
            self._line, self._coming = self._coming, None
            self._is_trusted = True
            self._listen()
        if self._orphans or self._waiting:
            self._dispatch_soon()
        self._wake(landed, self._outcome)
        self._switch_to_woken()

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
_are_shared = False


def share_rounds() -> None:
    """Have committers share their rounds with other processes'; for servers and daemons, at start."""
    global _are_shared
    _are_shared = True


def committer_for(path_on_device: str, file_system: int | None = None) -> GroupCommitter:
    """Return the committer of the file system that holds the path: one per device, process and hub.

    Who has just looked at the path says which file system that is (`st_dev`).
    """
    if file_system is None:
        file_system = os.stat(path_on_device).st_dev
    key = (file_system, id(current_hub()))
    committer = _committers.get(key)
    if committer is None:
        committer = _committers[key] = GroupCommitter(path_on_device, is_shared=_are_shared)
    committer.path = path_on_device  # It opens the device anew after a rest; an earlier path may be gone.
    return committer


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


def write_beside(path: str, data: bytes) -> str:
    """Write a durable file to take the place of the one at `path`; return its name, for `os.rename`.

    So a reader, and a crash, find the old bytes or the new, never less.
    """
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".tmp")
    try:
        try:
            with memoryview(data) as rest:
                written = 0
                while written < len(data):
                    written += os.write(descriptor, rest[written:])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary
