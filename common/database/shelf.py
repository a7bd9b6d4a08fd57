"""The brokers that a server keeps open, so that a request need not open files.

    path ──▶ Shelf.take() ──▶ the broker of that database, its connections perhaps still open

The least recently used are closed when there are too many, and all that nobody has used for a while: an open
file keeps a device from being unmounted.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from .. import concurrency
from .broker import Broker

B = TypeVar("B", bound=Broker)
IDLE_SECONDS = 5.0


class Shelf(Generic[B]):
    """At most `capacity` brokers with open files."""

    def __init__(self, make: Callable[[str], B], *, capacity: int) -> None:
        assert capacity > 0
        self._make = make
        self._capacity = capacity
        self._brokers: OrderedDict[str, tuple[B, float]] = OrderedDict()
        self._tidying = False

    def take(self, path: str) -> B:
        """Return the broker for the database at `path`."""
        kept = self._brokers.pop(path, None)
        broker = self._make(path) if kept is None else kept[0]
        self._brokers[path] = broker, time.monotonic()
        if len(self._brokers) > self._capacity:
            _, (oldest, _) = self._brokers.popitem(last=False)
            oldest.close()
        if not self._tidying:
            self._tidying = True
            concurrency.spawn(self._tidy)
        return broker

    def close(self) -> None:
        """Close every broker."""
        while self._brokers:
            _, (broker, _) = self._brokers.popitem()
            broker.close()

    def _tidy(self) -> None:
        """Close what has become idle, until nothing is open."""
        while self._brokers:
            concurrency.sleep(IDLE_SECONDS)
            limit = time.monotonic() - IDLE_SECONDS
            for path, (broker, used) in list(self._brokers.items()):
                if used > limit:
                    break  # They lie in the order of their use.
                del self._brokers[path]
                broker.close()
        self._tidying = False
