"""Gives every request the memory that the proxies share.

    memcache_servers ──▶ one Memcached per worker ──▶ environ["swift.cache"]

It does not know what others keep there. Without a reachable server, requests go on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...common.cluster import DEFAULT_DIRECTORY
from ...common.config import parse, read_ini, setting
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from .memcached import Memcached, Patience

CONF_FILE = "memcache.conf"  # Where Swift's operators keep these settings for all proxies of a cluster.


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheConfig:
    """The filter's settings."""

    memcache_servers: tuple[str, ...] = setting(
        ("127.0.0.1:11211",), help="host:port of each memcached; the same list, in any order, on every proxy."
    )
    memcache_max_connections: int = setting(64, help="Connections of one worker to one server.", minimum=1)
    connect_timeout: float = setting(0.3, help="Seconds that a connection may take.", minimum=0.001)
    io_timeout: float = setting(2.0, help="Seconds that an answer may take.", minimum=0.001)
    tries: int = setting(3, help="Servers that are tried for one key.", minimum=1)
    error_suppression_limit: int = setting(10, help="Failures after which a server is left alone.", minimum=0)
    error_suppression_interval: float = setting(60.0, help="Seconds for which it is left alone.", minimum=0)
    swift_dir: str = setting(
        DEFAULT_DIRECTORY, help="Folder of memcache.conf, which counts where this does not say."
    )


class Cache:
    """The filter."""

    def __init__(self, app: WSGIApp, memory: Memcached) -> None:
        self.app = app
        self.memory = memory

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ["swift.cache"] = self.memory
        return self.app(environ, start_response)


def memory_of(config: CacheConfig) -> Memcached:
    """Return the memory that the settings describe."""
    patience = Patience(
        connect_seconds=config.connect_timeout,
        answer_seconds=config.io_timeout,
        tries=config.tries,
        failures_max=config.error_suppression_limit,
        window_seconds=config.error_suppression_interval,
        rest_seconds=config.error_suppression_interval,
    )
    return Memcached(
        config.memcache_servers, patience=patience, connections_max=config.memcache_max_connections
    )


def _shared_options(options: Mapping[str, str]) -> dict[str, str]:
    path = Path(options.get("swift_dir", DEFAULT_DIRECTORY)) / CONF_FILE
    return read_ini(path).get("memcache", {}) if path.exists() else {}


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Cache]:
    """PasteDeploy's entry: `use = egg:apus#cache`."""
    options = {**global_conf, **local_conf}
    config = parse(CacheConfig, {**_shared_options(options), **options})
    return lambda app: Cache(app, memory_of(config))
