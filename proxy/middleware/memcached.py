"""A memory shared by all proxies, that may be gone at any moment.

    key ──md5──▶ Circle ──servers to try──▶ memcached ──▶ JSON value, or None: not there, or not reachable

Keys, value encoding and the choice of server are OpenStack Swift's, so that proxies of both kinds and other
people's middleware share one memory. A server that fails again and again is left alone for a while.
Reading and writing never raise for a dead server unless asked to; counting does, because a count that
was not kept is no count.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheError

from ...common.errors import Unavailable

log = logging.getLogger(__name__)

JSON_FLAG = 2
POINTS_PER_SERVER = 50
DEFAULT_PORT = 11211
RELATIVE_SECONDS_MAX = 30 * 24 * 3600  # Memcached takes larger numbers for moments since the epoch.

# RuntimeError is what the pool raises when all its connections are in use.
_FAILURES = (OSError, MemcacheError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is waited for, and when it is given up."""

    connect_seconds: float = 0.3
    answer_seconds: float = 2.0
    tries: int = 3
    failures_max: int = 10
    window_seconds: float = 60.0
    rest_seconds: float = 60.0


class Circle:
    """Consistent hashing: which server keeps a key, and which one to try next."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = {
            hash_of(f"{server}-{point}"): server
            for server in sorted(servers)
            for point in range(POINTS_PER_SERVER)
        }
        self._points = sorted(self._servers)

    def order(self, key_hash: str) -> Iterator[str]:
        """Yield every server once, the key's own first."""
        start = bisect(self._points, key_hash) + 1
        seen: set[str] = set()
        for step in range(len(self._points)):
            server = self._servers[self._points[(start + step) % len(self._points)]]
            if server not in seen:
                seen.add(server)
                yield server


class _Health:
    """When a server failed lately, and until when it rests."""

    __slots__ = ("failures", "rests_until")

    def __init__(self) -> None:
        self.failures: list[float] = []
        self.rests_until = 0.0

    def failed(self, now: float, patience: Patience) -> bool:
        """Note a failure; return whether the server is to rest from now on."""
        self.failures = [moment for moment in self.failures if moment > now - patience.window_seconds]
        self.failures.append(now)
        if len(self.failures) <= patience.failures_max:
            return False
        self.rests_until = now + patience.rest_seconds
        self.failures.clear()
        return True


class Memcached:
    """What filters find as `environ["swift.cache"]`."""

    def __init__(
        self,
        servers: Sequence[str],
        *,
        patience: Patience | None = None,
        connections_max: int = 64,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.patience = patience or Patience()
        self._clock = clock
        self._circle = Circle(servers)
        self._health = {server: _Health() for server in servers}
        self._clients = {
            server: PooledClient(
                _address(server),
                connect_timeout=self.patience.connect_seconds,
                timeout=self.patience.answer_seconds,
                max_pool_size=connections_max,
                no_delay=True,
                serde=_Serde(),
                default_noreply=False,
            )
            for server in servers
        }

    def get(self, key: str, raise_on_error: bool = False) -> Any:  # noqa: FBT001, FBT002 - Swift's signature
        """Return the value, None when there is none."""
        key_hash = hash_of(key)
        return self._tried(key_hash, lambda client: client.get(key_hash), must=raise_on_error)

    def set(  # noqa: PLR0913, RUF100 - Swift's signature
        self,
        key: str,
        value: Any,
        serialize: bool = True,  # noqa: FBT001, FBT002
        time: float = 0,
        min_compress_len: int = 0,  # noqa: ARG002
        raise_on_error: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Keep a value for some seconds, 0 for as long as there is room."""
        key_hash, expire = hash_of(key), self._expiry(time)
        packed = _Packed(value, as_json=serialize)
        self._tried(key_hash, lambda client: client.set(key_hash, packed, expire=expire), must=raise_on_error)

    def delete(self, key: str, server_key: str | None = None) -> None:
        """Forget a value."""
        key_hash = hash_of(key)
        self._tried(hash_of(server_key) if server_key else key_hash, lambda client: client.delete(key_hash))

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Add to a counter, which begins at zero and does not go below it; return what it is then.

        Raises:
            Unavailable: when it could not be counted.
        """
        key_hash, expire, step = hash_of(key), self._expiry(time), abs(int(delta))

        def count(client: PooledClient) -> int | None:
            change = client.incr if delta >= 0 else client.decr
            start = _Packed(step if delta >= 0 else 0, as_json=False)
            value: int | None = change(key_hash, step)
            if value is None and client.add(key_hash, start, expire=expire):
                return step if delta >= 0 else 0
            if value is None:
                value = change(key_hash, step)
            return value

        value = self._tried(key_hash, count, must=True)
        if value is None:
            raise Unavailable(f"the counter {key} expired while it was counted")
        return int(value)

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Subtract from a counter."""
        return self.incr(key, -delta, time)

    def set_multi(
        self,
        mapping: Mapping[str, Any],
        server_key: str,
        serialize: bool = True,  # noqa: FBT001, FBT002
        time: float = 0,
        min_compress_len: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep several values on the server of one key."""
        packed = {hash_of(key): _Packed(value, as_json=serialize) for key, value in mapping.items()}
        expire = self._expiry(time)
        self._tried(hash_of(server_key), lambda client: client.set_many(packed, expire=expire))

    def get_multi(self, keys: Sequence[str], server_key: str) -> list[Any]:
        """Return the values kept by `set_multi`, None for those that are not there."""
        hashes = [hash_of(key) for key in keys]
        found = self._tried(hash_of(server_key), lambda client: client.get_many(hashes)) or {}
        return [found.get(key_hash) for key_hash in hashes]

    def _tried(self, key_hash: str, ask: Callable[[PooledClient], Any], *, must: bool = False) -> Any:
        """Ask one server after the other until one answers; return its answer."""
        tries = 0
        for server in self._circle.order(key_hash):
            health = self._health[server]
            if health.rests_until > self._clock():
                continue
            if tries == self.patience.tries:
                break
            tries += 1
            try:
                return ask(self._clients[server])
            except _FAILURES as problem:
                log.info("memcached failed", extra={"server": server, "problem": repr(problem)})
                if health.failed(self._clock(), self.patience):
                    log.warning(
                        "memcached server is left alone: check that it runs",
                        extra={"server": server, "seconds": self.patience.rest_seconds},
                    )
        if must:
            raise Unavailable("no memcached server could be reached")
        return None

    def _expiry(self, seconds: float) -> int:
        return int(seconds + self._clock()) if seconds > RELATIVE_SECONDS_MAX else int(seconds)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A value, and whether it is kept as JSON."""

    value: Any
    as_json: bool


class _Serde:
    """Swift's encoding: JSON is flagged; anything else is bytes, and flagged pickles are never loaded."""

    def serialize(self, key: str, packed: _Packed) -> tuple[bytes, int]:  # noqa: ARG002 - pymemcache's interface
        """Return the bytes to keep, and their flag."""
        value = packed.value
        if packed.as_json:
            return json.dumps(value.decode() if isinstance(value, bytes) else value).encode(
                "ascii"
            ), JSON_FLAG
        return value if isinstance(value, bytes) else str(value).encode(), 0

    def deserialize(self, key: str, value: bytes, flags: int) -> Any:  # noqa: ARG002
        """Return the value that was kept; what is neither JSON nor plain is as good as absent."""
        if flags & JSON_FLAG:
            return json.loads(value)
        return value if not flags else None


def hash_of(key: str) -> str:
    """Return the name under which memcached keeps a key: any length, any characters, no injection."""
    return hashlib.md5(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _address(server: str) -> tuple[str, int]:
    """Split `host`, `host:port`, `[v6]` or `[v6]:port`."""
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        return host, int(rest.lstrip(":") or DEFAULT_PORT)
    host, _, port = server.partition(":")
    return host, int(port or DEFAULT_PORT)
