"""A store with disks in it, for `cloud.py`: an all-in-one cluster, an account that counts, a host with NBD.

    World(folder) ──▶ store over HTTP ◀── Metered account ◀── HostDisks ◀── NBD
                  ──▶ spent(): wall time, CPU of the store and of what uses it, bytes to and from the store

It knows no figure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from clusters import AllInOne, all_in_one
from store import KEYS

from apus.compute.block.config import BlockConfig
from apus.compute.block.host import HostDisks
from apus.compute.block.project import Project
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig
from apus.compute.store.interface import Contents

from . import accounting
from .peer import SERVING, Role

USER = "test:tester"
ROLES = {
    "proxy-server": Role.PROXY,
    "object-server": Role.OBJECT,
    "container-server": Role.CONTAINER,
    "account-server": Role.ACCOUNT,
}
CONFIG = BlockConfig(sweep_grace_seconds=0, sweep_settle_seconds=0)
MB = 1e6


class Metered(Account):
    """An account that counts the bytes of bodies."""

    def __init__(self, config: StoreConfig) -> None:
        super().__init__(config)
        self.sent = 0
        self.received = 0

    def put(self, container: str, name: str, contents: Contents, **options: Any) -> str:
        """Count and keep."""
        assert isinstance(contents, bytes)
        self.sent += len(contents)
        return super().put(container, name, contents, **options)

    def read(self, container: str, name: str, **options: Any) -> bytes:
        """Read and count."""
        body = super().read(container, name, **options)
        self.received += len(body)
        return body


@dataclass(slots=True)
class Spent:
    """What something took."""

    seconds: float = 0.0
    cpu_services: float = 0.0
    """Seconds of this process: the block layer, NBD, and who asks for it."""
    cpu_store: float = 0.0
    sent: int = 0
    received: int = 0

    def measures(self) -> dict[str, float]:
        """Return it by the names of figures."""
        return {
            "seconds": self.seconds,
            "cpu_seconds_services": self.cpu_services,
            "cpu_seconds_store": self.cpu_store,
            "sent_mb": self.sent / MB,
            "received_mb": self.received / MB,
        }


@dataclass(slots=True)
class World:
    """One store, one account, one host."""

    cluster: AllInOne
    account: Metered
    disks: HostDisks
    roots: dict[Role, list[int]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def up(cls, folder: Path) -> Iterator[Self]:
        """Bring it up, and down again."""
        with all_in_one(folder / "store") as cluster:
            config = StoreConfig(
                store_auth_url=f"{cluster.store.endpoint}/auth/v1.0", store_user=USER, store_key=KEYS[USER]
            )
            account = Metered(config)
            disks = HostDisks(account, folder / "host", CONFIG)
            disks.start()
            roots = {role: cluster.pids(name) for name, role in ROLES.items()}
            try:
                yield cls(cluster, account, disks, roots)
            finally:
                disks.stop()

    def project(self, project_id: str, config: BlockConfig = CONFIG) -> Project:
        """Return a project of the account."""
        return Project.open(self.account, project_id, config)

    def bytes_kept(self, project: Project) -> int:
        """Return how much the project has in the store, each object counted once."""
        containers = (project.blocks.container, project.maps.container)
        return sum(row.size for container in containers for row in self.account.names(container))

    @contextmanager
    def spent(self) -> Iterator[Spent]:
        """Fill in what is spent in the block."""
        found = Spent()
        cpu, begun = accounting.cpu_seconds(self.roots), time.monotonic()
        own, sent, received = os.times(), self.account.sent, self.account.received
        yield found
        found.seconds = time.monotonic() - begun
        after, ended = accounting.cpu_seconds(self.roots), os.times()
        found.cpu_store = sum(after[role] - cpu[role] for role in after if role in SERVING)
        found.cpu_services = ended.user + ended.system - own.user - own.system
        found.sent, found.received = self.account.sent - sent, self.account.received - received
