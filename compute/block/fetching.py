"""Blocks on their way here: each fetched once however many want it, asked for again while the store is away.

    Fetching(fetch).once(index)       joins whoever is fetching it; their failure is ours, too
    Patience(seconds).try_again(work) ──▶ what work returns, or Unavailable when the time is up

No lock of a disk is held while anything here waits: what is here already goes on being read and written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ...common.errors import OutOfSpace, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.25, 5.0


class Fetching:
    """The blocks of one disk that are on their way."""

    def __init__(self, fetch: Callable[[int], None]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._coming: dict[int, Future[None]] = {}

    def once(self, index: int) -> None:
        """Fetch a block, or wait for whoever does."""
        with self._lock:
            coming = self._coming.get(index)
            if coming is None:
                ours = self._coming[index] = Future()
        if coming is not None:
            coming.result()
            return
        try:
            self._fetch(index)
        except BaseException as problem:
            self._done(index)
            ours.set_exception(problem)
            raise
        self._done(index)
        ours.set_result(None)

    def _done(self, index: int) -> None:
        with self._lock:
            del self._coming[index]


class Patience:
    """How long one waits for a store that doesn't answer; ended at once for everyone by `end`."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._ended = threading.Event()

    def begin(self) -> None:
        """Wait from now on."""
        self._ended.clear()

    def end(self) -> None:
        """Wait no more: whoever does hears what the store said last."""
        self._ended.set()

    def try_again(self, work: Callable[[], T]) -> T:
        """Do what needs the store, again and again while it is Unavailable.

        Raises:
            Unavailable: it has been for too long.
        """
        give_up, pause = self._clock() + self._seconds, PAUSE_SECONDS
        while True:
            try:
                return work()
            except OutOfSpace:
                raise
            except Unavailable as problem:
                if self._clock() + pause > give_up:
                    raise
                log.warning("the store does not answer: waiting", extra={"why": str(problem)})
                if self._ended.wait(pause):
                    raise
                pause = min(2 * pause, PAUSE_SECONDS_MAX)
