"""What a worker remembers of accounts and containers, and for how long.

    facts ──▶ InfoCache.put() ──▶ own memory (seconds) ──▶ InfoCache.get()
                             └──▶ memcached, where the pipeline has one (a minute) ──▶ all workers

Only things that exist are remembered: a stale absence would refuse an upload right after its
container was made by another worker. A write through this proxy forgets what it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Known(Protocol):
    """A fact."""

    @property
    def is_plain(self) -> bool:
        """Tell whether no filter has to know anything of it."""


Fact = TypeVar("Fact", bound=Known)

FRESH_SHARE = 0.8
"""Of a fact's life: then one request asks anew, while the others still use it; or all would ask at once."""


class SharedCache(Protocol):
    """The memcached client that a cache filter puts into the environ."""

    def get(self, key: str) -> Any:
        """Return the value or None."""

    def set(self, key: str, value: Any, time: float = 0) -> None:
        """Keep a JSON-like value for some seconds."""

    def delete(self, key: str) -> None:
        """Forget the value."""


@dataclass(slots=True)
class _Remembered(Generic[Fact]):
    """A fact, until when it is fresh, and until when it may be used."""

    fact: Fact
    is_plain: bool
    renew_at: float
    stale_at: float


class InfoCache(Generic[Fact]):
    """Facts of one kind; the key is the path."""

    def __init__(self, *, seconds: float, entries_max: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._entries_max = entries_max
        self._clock = clock
        self._facts: dict[str, _Remembered[Fact]] = {}

    def get(self, key: str) -> Fact | None:
        """Return the fact, unless it is unknown or stale, or the caller is to ask anew before it is stale."""
        entry = self._facts.get(key)
        if entry is None:
            return None
        now = self._clock()
        if now <= entry.renew_at:
            return entry.fact
        if now > entry.stale_at:
            self._facts.pop(key, None)
            return None
        entry.renew_at = entry.stale_at  # Nobody else is to ask.
        return None

    def are_plain(self, container: str, account: str) -> bool:
        """Tell whether both are known to be plain; who only looks need not ask anew."""
        first, second = self._facts.get(container), self._facts.get(account)
        if first is None or second is None or not (first.is_plain and second.is_plain):
            return False
        return self._clock() <= min(first.stale_at, second.stale_at)

    def put(self, key: str, fact: Fact) -> None:
        """Remember a fact; the oldest makes room."""
        if len(self._facts) >= self._entries_max:
            self._facts.pop(next(iter(self._facts)), None)
        now = self._clock()
        renew_at, stale_at = now + self._seconds * FRESH_SHARE, now + self._seconds
        self._facts[key] = _Remembered(fact, fact.is_plain, renew_at, stale_at)

    def forget(self, key: str) -> None:
        """Drop a fact that a write has just made doubtful."""
        self._facts.pop(key, None)
