"""Who may sweep a project now: one at a time, until it is silent for too long.

    lock = SweepLock(…); lock.take() ──▶ True ── lock.renew() … ──▶ lock.release()
                                     └─▶ False  another one has it

A conditional PUT decides; where a store decides those less than atomically, reading back does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import orjson

from ...common.errors import Missing, Unavailable
from ..store.errors import Exists
from ..store.interface import Store
from .naming import SWEEPER


class SweepLock:
    """One who would like to sweep."""

    def __init__(self, store: Store, container: str, *, seconds: float, clock: Callable[[], float]) -> None:
        self._store, self._container = store, container
        self._seconds, self._clock = seconds, clock
        self._owner = uuid.uuid4().hex
        self._renewed = 0.0

    def take(self) -> bool:
        """Become the one who sweeps; False when somebody else is."""
        now = self._clock()
        if not self._put(now, only_new=True):
            holder, moment = self._holder()
            if holder != self._owner:
                if holder and now - moment <= self._seconds:
                    return False
                self._store.delete(self._container, SWEEPER)
                if not self._put(now, only_new=True):
                    return False
        holder, _ = self._holder()
        self._renewed = now
        return holder == self._owner

    def renew(self) -> None:
        """Say that we are still there, when it is time to.

        Raises:
            Unavailable: we have been silent for so long that another one may be sweeping.
        """
        now = self._clock()
        if now - self._renewed > self._seconds / 2:
            raise Unavailable("the sweep took too long between two of its steps; it goes on next time")
        if now - self._renewed > self._seconds / 8:
            holder, _ = self._holder()
            if holder != self._owner:
                raise Unavailable("another one sweeps")
            self._put(now, only_new=False)
            self._renewed = now

    def release(self) -> None:
        """Let the next one sweep."""
        holder, _ = self._holder()
        if holder == self._owner:
            self._store.delete(self._container, SWEEPER)

    def _put(self, now: float, *, only_new: bool) -> bool:
        body = orjson.dumps({"owner": self._owner, "at": now})
        try:
            self._store.put(self._container, SWEEPER, body, only_new=only_new)
        except Exists:
            return False
        return True

    def _holder(self) -> tuple[str, float]:
        try:
            found = orjson.loads(self._store.read(self._container, SWEEPER, newest=True))
            return str(found["owner"]), float(found["at"])
        except (Missing, ValueError, KeyError, TypeError):
            return "", 0.0
