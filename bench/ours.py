"""Apus as a peer: the all-in-one cluster that `make up` starts, four storage nodes and a proxy.

    Apus(folder) ──▶ bin/apus-aio ──▶ processes of every kind, daemons included

It knows no load.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clusters import AllInOne, free_port_block

from . import filling
from .peer import Endpoint, Role

NODES = 4
KINDS = ("proxy", "object", "container", "account")
_STAYS_DOWN_SECONDS = 10


class Apus:
    """One cluster of ours."""

    name = "apus"
    title = "Apus"

    def __init__(self, folder: Path) -> None:
        self._cluster = AllInOne(folder / self.name, free_port_block(10 * (NODES + 4)), NODES)

        self._servers: Mapping[Role, Sequence[int]] = {}

    def start(self) -> None:
        """Bring it up; `up` returns when a file was stored and read."""
        self._cluster.up()
        self._servers = self._by_role()

    def stop(self) -> None:
        """Take it down and remove its folder."""
        if (self._cluster.home / "cluster.json").exists():
            self._cluster.down()
        deadline = time.monotonic() + _STAYS_DOWN_SECONDS
        while self._cluster.home.exists() and time.monotonic() < deadline:
            shutil.rmtree(self._cluster.home, ignore_errors=True)  # A dying daemon may write once more.

    def endpoint(self) -> Endpoint:
        """Where it is."""
        path, token = self._cluster.store.login("test:tester")
        return Endpoint("127.0.0.1", self._cluster.port, path, token)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """Servers by what they serve; everything else is a daemon."""
        return {**self._servers, Role.COMMITS: list(_commit_programs())}

    def _by_role(self) -> Mapping[Role, Sequence[int]]:
        found: dict[Role, list[int]] = {role: [] for role in (*map(Role, KINDS), Role.DAEMONS)}
        for process in self._cluster.status()["processes"]:
            kind, _, work = process["role"].partition("-")
            found[Role(kind) if work == "server" else Role.DAEMONS].append(process["pid"])
        return found

    def fill(self, container: str, names: Sequence[str]) -> None:
        """Write the rows into the container's databases."""
        devices = [self._cluster.home / f"node{n}" / "devices" / f"d{n}" for n in range(1, NODES + 1)]
        account = self.endpoint().path.rpartition("/")[2]
        filling.fill(devices, account, container, names)


def _commit_programs() -> Iterator[int]:
    """Those that make rounds of syncfs: servers start them, and they outlive who started them."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().split(b"\0")
        except OSError:
            continue  # It ended while we read.
        if any(word.endswith(b"/common/commit_rounds.py") for word in words):
            yield int(place.parent.name)
