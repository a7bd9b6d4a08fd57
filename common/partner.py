"""A native thread beside one green thread, for work that comes piece by piece.

    begin(work) ──eventfd──▶ thread: work() ──eventfd──▶ wait() returns, or raises what work raised

A piece costs two writes and two reads of eight bytes; through the pool of `in_native_thread` it cost a
queue, locks and a new green thread, as much CPU per MiB of an upload as receiving it. Nothing green may
happen in the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import greenlet

from .concurrency import current_hub, native_thread
from .errors import Unavailable


class Partner:
    """One native thread; close it when it is not needed any more. Unavailable where there can be none."""

    __slots__ = ("_at_end", "_done", "_failure", "_go", "_hub", "_is_busy", "_listener", "_waiter", "_work")

    def __init__(self) -> None:
        self._go, self._done = _two_eventfds()
        self._work: Callable[[], object] | None = None
        self._failure: BaseException | None = None
        self._is_busy = False
        self._at_end: Callable[[], object] | None = None  # Set by `close()`.
        self._waiter: Any = None
        hub = self._hub = current_hub()
        self._listener = hub.add(hub.READ, self._done, self._landed, _nothing, _nothing)
        try:
            native_thread(self._serve, "partner")
        except RuntimeError as problem:
            hub.remove(self._listener)
            os.close(self._done)
            os.close(self._go)
            raise Unavailable(f"no thread to work beside this one: {problem}") from problem

    def begin(self, work: Callable[[], object]) -> None:
        """Have the thread do something; only after `wait()` for what it did before."""
        assert not self._is_busy
        assert self._at_end is None
        self._is_busy, self._work = True, work
        os.eventfd_write(self._go, 1)

    def wait(self) -> None:
        """Return when the thread is idle; raise what its last work raised."""
        while self._is_busy:
            assert self._waiter is None
            self._waiter = greenlet.getcurrent()
            try:
                self._hub.switch()
            finally:
                self._waiter = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self, at_end: Callable[[], object] = lambda: None) -> None:
        """Let the thread end when it is idle, and do then what must not be done before; wait for neither."""
        self._at_end = at_end
        if not self._is_busy:
            self._end()

    def _end(self) -> None:
        assert self._at_end is not None
        self._work = None
        os.eventfd_write(self._go, 1)
        self._hub.remove(self._listener)
        os.close(self._done)
        self._at_end()

    def _landed(self, _descriptor: int) -> None:
        """Wake who waits (in the hub)."""
        os.eventfd_read(self._done)
        self._is_busy = False
        if self._at_end is not None:
            self._end()
        elif self._waiter is not None:
            self._waiter.switch()

    def _serve(self) -> None:
        """The native thread."""
        while True:
            os.eventfd_read(self._go)
            if self._work is None:
                os.close(self._go)
                return
            try:
                self._work()
            except BaseException as failure:  # noqa: BLE001 - kept for whoever waits
                self._failure = failure
            os.eventfd_write(self._done, 1)


def _two_eventfds() -> tuple[int, int]:
    go = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        return go, os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    except OSError:
        os.close(go)
        raise


def _nothing(*_: object) -> None:
    return None
