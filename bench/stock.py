"""Stock OpenStack Swift as a peer, with memcached.

    Stock(folder, venv, FULL or LEAN) ──▶ the programs of the environment in the common shape (shape.py)

Settings are stock's defaults, one worker each; but its proxy may have as many connections to memcached as it
has clients, for with the two of the default a slow machine's requests wait until tokens are not found. Log
lines go to a file by the way of the system log's protocol, as an operator would have it.
"""

from __future__ import annotations

import getpass
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters import ROOT
from stock import await_port

from .peer import Role
from .shape import Shape, sections

_LAUNCHER = ROOT / "test" / "support" / "stock_launch.py"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A proxy pipeline worth comparing with."""

    name: str
    title: str
    filters: str


FULL = Pipeline(
    "stock",
    "full pipeline",
    "catch_errors gatekeeper healthcheck"
    " proxy_logging memcache listing_formats etag_quoter container_sync bulk"
    " tempurl ratelimit crossdomain s3api tempauth staticweb copy container_quotas account_quotas slo dlo"
    " versioned_writes symlink proxy_logging",
)
LEAN = Pipeline("stock-lean", "lean pipeline", "catch_errors healthcheck memcache tempauth")
STORAGE_FILTERS = ("healthcheck", "recon", "backend_ratelimit")
SINK = """
import os, socket, sys
place = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
place.bind(sys.argv[1])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    os.write(log, place.recv(65536) + b"\\n")
"""


class Stock(Shape):
    """One cluster of stock's programs."""

    def __init__(self, folder: Path, venv: Path, pipeline: Pipeline = FULL) -> None:
        super().__init__(folder, pipeline.name)
        self.title = f"stock Swift, {pipeline.title}"
        self._pipeline = pipeline
        self._venv = venv

    def start_helpers(self) -> None:
        """Start memcached, and what takes the log lines."""
        self.run(
            Role.DAEMONS,
            [sys.executable, "-c", SINK, str(self.home / "log.socket"), str(self.home / "swift.log")],
        )
        memcached = shutil.which("memcached")
        assert memcached, "memcached is missing; run: .ci/install test"
        cache = ["-u", getpass.getuser(), "-l", "127.0.0.1", "-p", str(self.port_of("cache")), "-U", "0"]
        self.run(Role.CACHE, [memcached, *cache, "-m", "256", "-c", "4096"])
        await_port(self.port_of("cache"))

    def program(self, kind: str, conf: Path) -> Sequence[str]:
        """Stock's server, with a swift.conf of our own choice."""
        program = self._venv / "bin" / f"swift-{kind}-server"
        python = str(self._venv / "bin" / "python")
        return [python, str(_LAUNCHER), str(self.home / "swift.conf"), str(program), str(conf)]

    def builder(self) -> str:
        """Stock's."""
        return str(self._venv / "bin" / "swift-ring-builder")

    def defaults(self) -> Sequence[str]:
        """Where log lines go."""
        return [f"log_address = {self.home}/log.socket"]

    def pipeline(self, kind: str) -> Sequence[str]:
        """The proxy's as chosen, a storage server's as in stock's sample."""
        if kind != "proxy":
            return sections("swift", kind, STORAGE_FILTERS, {})
        options = {
            "proxy-server": ["account_autocreate = true", "allow_account_management = true"],
            "memcache": [
                f"memcache_servers = 127.0.0.1:{self.port_of('cache')}",
                "memcache_max_connections = 64",
            ],
            "tempauth": ["reseller_prefix = AUTH", "user_test_tester = testing .admin"],
            "versioned_writes": ["allow_versioned_writes = true", "allow_object_versioning = true"],
        }
        return sections("swift", kind, self._pipeline.filters.split(), options)


def is_installed(venv: Path) -> bool:
    """Whether stock's programs are there."""
    return (venv / "bin" / "swift-proxy-server").exists()
