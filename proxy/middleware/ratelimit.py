"""How many changes a second an account or a container takes, and what becomes of more.

    request ──limits_of()──▶ (key, requests a second) … ──Clock──▶ seconds to wait ──▶ sleep, then on
                                                                    └ too long ──▶ 498 `Slow down`

The larger a container, the slower it may have to be: rates are given for sizes, and drawn as straight lines
between them. The clock lies in memcached, so that all proxies count together; without one each worker counts
for itself. An account's X-Account-Sysmeta-Global-Write-Ratelimit is a rate for all its changes, or one of the
words WHITELIST and BLACKLIST.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...common import info as capabilities
from ...common.concurrency import sleep
from ...common.config import parse, setting
from ...common.constraints import API_VERSIONS
from ...common.errors import Refused, Unavailable
from ...common.http.answer import Answer
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..info import get_account_info, get_container_info

log = logging.getLogger(__name__)

CHANGES = frozenset({"PUT", "DELETE", "POST", "COPY"})
HANDLED = "swift.ratelimit.handled"
BLACKLIST_SECONDS = 1.0
"""Who is shut out waits at least that long for each refusal."""
KEYS_MAX = 10_000
RATE_MIN = 1e-6
"""One request in twelve days; the clock has no room for less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatelimitConfig:
    """The filter's settings, beside container_ratelimit_SIZE and container_listing_ratelimit_SIZE.

    container_ratelimit_100 = 50 lets containers of a hundred objects take fifty changes a second; between two
    sizes the rate lies on the line between their rates.
    """

    account_ratelimit: float = setting(
        0.0, help="PUTs and DELETEs of containers a second in one account; 0 is no limit.", minimum=0
    )
    max_sleep_time_seconds: float = setting(
        60.0, help="Longer than this no request waits: it is refused with 498.", minimum=0
    )
    log_sleep_time_seconds: float = setting(
        0.0, help="Log requests that have to wait longer than this; 0 logs none.", minimum=0
    )
    clock_accuracy: int = setting(1000, help="Parts of a second that are counted.", minimum=1)
    rate_buffer_seconds: int = setting(
        5, help="Seconds of unused rate that may be caught up at once.", minimum=0
    )
    account_whitelist: tuple[str, ...] = setting((), help="Accounts without limits.")
    account_blacklist: tuple[str, ...] = setting((), help="Accounts that get 497 for everything.")


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second by the number of objects in a container."""

    points: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, options: Mapping[str, str], prefix: str) -> Rates:
        """Read them from settings whose names end in a size.

        Raises:
            Refused: naming the setting that is no number.
        """
        points = []
        for name, value in options.items():
            if name.startswith(prefix):
                try:
                    points.append((int(name.removeprefix(prefix)), float(value)))
                except ValueError as problem:
                    raise Refused(f"{name} = {value!r}: expected numbers") from problem
        return cls(tuple(sorted(points)))

    def at(self, size: int) -> float | None:
        """Return the rate for a size; None for an empty container or one below the first size."""
        below = [point for point in self.points if point[0] <= size]
        if size <= 0 or not below:
            return None
        start, rate = below[-1]
        if len(below) == len(self.points):
            return rate
        end, end_rate = self.points[len(below)]
        return rate + (size - start) * (end_rate - rate) / (end - start)


class Counters(Protocol):
    """What memcached does, and the worker's own memory where there is none."""

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Add to a counter; return what it is then."""

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Take from a counter; return what it is then."""

    def set(self, key: str, value: Any, serialize: bool = True) -> None:  # noqa: FBT001, FBT002 - Swift's signature
        """Give a counter a value."""


class OwnCounters:
    """Counters of one worker; the one that was used longest ago makes room."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:  # noqa: ARG002 - Swift's signature
        """Add to a counter; return what it is then."""
        self.set(key, self._counts.get(key, 0) + delta)
        return self._counts[key]

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:  # noqa: ARG002 - Swift's signature
        """Take from a counter; return what it is then."""
        return self.incr(key, -delta)

    def set(self, key: str, value: Any, serialize: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
        """Give a counter a value."""
        self._counts[key] = int(value)
        self._counts.move_to_end(key)
        if len(self._counts) > KEYS_MAX:
            self._counts.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Clock:
    """Counters that run ahead of the real time by what has been let in."""

    accuracy: int
    buffer_seconds: float
    wait_max_seconds: float
    now: Callable[[], float] = time.time

    def wait(self, counters: Counters, key: str, rate: float) -> float | None:
        """Return the seconds that a request has to wait; None, uncounted, when that is too long."""
        now = round(self.now() * self.accuracy)
        each = round(self.accuracy / rate)
        running = counters.incr(key, delta=each)
        if now - running > self.buffer_seconds * self.accuracy:
            counters.set(key, str(now + each), serialize=False)
            return 0.0
        wait = max(running - now - each, 0) / self.accuracy
        if wait >= self.wait_max_seconds - 0.01:
            counters.decr(key, delta=each)
            return None
        return wait


class Ratelimit:
    """The filter."""

    def __init__(
        self, app: WSGIApp, config: RatelimitConfig, changes: Rates, listings: Rates, clock: Clock
    ) -> None:
        self.app = app
        self._config = config
        self._changes = changes
        self._listings = listings
        self._clock = clock
        self._own = OwnCounters()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        refusal = None
        method = environ["REQUEST_METHOD"]
        if method in CHANGES or (method == "GET" and self._listings.points):
            refusal = self._refusal(environ)
        return (refusal or self.app)(environ, start_response)

    def _refusal(self, environ: Environ) -> Answer | None:
        """Return None once a request may go on, having slept if need be."""
        names = _names(environ)
        if names is None or environ.get(HANDLED):
            return None
        environ[HANDLED] = True
        account = from_wsgi(names[0])
        word = get_account_info(environ, self.app).sysmeta.get("global-write-ratelimit")
        if account in self._config.account_whitelist or word == "WHITELIST":
            return None
        if account in self._config.account_blacklist or word == "BLACKLIST":
            log.info("refused an account that is shut out", extra={"account": account})
            sleep(BLACKLIST_SECONDS)
            return Answer.text(497, "Your account has been blacklisted")
        counters: Counters = environ.get("swift.cache") or self._own
        for key, rate in self._limits(environ, names, word):
            try:
                wait = self._clock.wait(counters, key, rate)
            except Unavailable:
                wait = self._clock.wait(self._own, key, rate)
            if wait is None:
                log.info("refused: its turn would come too late", extra={"key": key, "rate": rate})
                return Answer.text(498, "Slow down")
            if wait > 0:
                self._sleep(key, wait)
        return None

    def _sleep(self, key: str, seconds: float) -> None:
        if 0 < self._config.log_sleep_time_seconds < seconds:
            log.warning("a request waits for its turn", extra={"key": key, "seconds": seconds})
        sleep(seconds)

    def _limits(self, environ: Environ, names: Sequence[str], word: str | None) -> list[tuple[str, float]]:
        """Return the counters that a request concerns, and their rates."""
        method, depth = environ["REQUEST_METHOD"], len(names)
        account, path = names[0], "/".join(names[:2])
        limits = []
        if depth == 2 and method in ("PUT", "DELETE") and self._config.account_ratelimit:
            limits.append((f"ratelimit/{account}", self._config.account_ratelimit))
        if depth == 3 and method in CHANGES:
            limits += self._by_size(environ, self._changes, f"ratelimit/{path}")
        if depth == 2 and method == "GET":
            limits += self._by_size(environ, self._listings, f"ratelimit_listing/{path}")
        if method in CHANGES and (rate := _rate(word)):
            limits.append((f"ratelimit/global-write/{account}", rate))
        return limits

    def _by_size(self, environ: Environ, rates: Rates, key: str) -> list[tuple[str, float]]:
        if not rates.points:
            return []
        rate = rates.at(get_container_info(environ, self.app).object_count)
        return [(key, rate)] if rate else []


def _names(environ: Environ) -> list[str] | None:
    """Return account, container and object as far as the path names them, as WSGI strings."""
    _, version, *names = [*environ["PATH_INFO"].split("/", 4), "", ""][:5]
    if version not in API_VERSIONS or not names[0]:
        return None
    return names[: next((depth for depth, name in enumerate(names) if not name), 3)]


def _rate(word: str | None) -> float | None:
    try:
        rate = float(word or 0)
    except ValueError:
        return None
    return rate if RATE_MIN <= rate < float("inf") else None


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Ratelimit]:
    """PasteDeploy's entry: `use = egg:apus#ratelimit`."""
    options = {**global_conf, **local_conf}
    config = parse(RatelimitConfig, options)
    changes = Rates.of(options, "container_ratelimit_")
    listings = Rates.of(options, "container_listing_ratelimit_")
    capabilities.register(
        "ratelimit",
        account_ratelimit=config.account_ratelimit,
        max_sleep_time_seconds=config.max_sleep_time_seconds,
        container_ratelimits=[list(point) for point in changes.points],
        container_listing_ratelimits=[list(point) for point in listings.points],
    )
    clock = Clock(config.clock_accuracy, config.rate_buffer_seconds, config.max_sleep_time_seconds)
    return lambda app: Ratelimit(app, config, changes, listings, clock)
