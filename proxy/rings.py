"""The proxy's view of the rings: which devices hold an account, a container or an object.

    names ──▶ Rings.of_container(account, container) ──▶ Home: partition, primaries, handoffs

Ring files are watched and re-read when they change; a request keeps the ring it began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..common.cluster import ClusterConf
from ..common.errors import Unavailable
from ..ring.device import Device
from ..ring.table import Ring
from ..ring.watch import WatchedRing

CHECK_SECONDS = 15.0
"""How often a ring file's age is looked at; stock Swift's habit."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where one thing lives."""

    ring: Ring
    partition: int
    primaries: list[Device]

    @property
    def replicas(self) -> int:
        """How many devices hold the thing when all is well."""
        return len(self.primaries)

    def handoffs(self) -> Iterator[Device]:
        """Yield the devices that stand in, in the order all proxies agree on."""
        return iter(self.ring.handoffs(self.partition))


class Rings:
    """All rings of the cluster, opened when first asked for."""

    def __init__(self, cluster: ClusterConf, directory: str) -> None:
        self._cluster = cluster
        self._directory = Path(directory)
        self._account = self._watched("account")
        self._container = self._watched("container")
        self._objects: dict[int, WatchedRing] = {}
        self._hash = cluster.salt.path_hash
        for policy in cluster.policies.all:
            if (self._directory / f"{policy.ring_name}.ring.gz").exists():
                self._objects[policy.index] = self._watched(policy.ring_name)

    def _watched(self, name: str) -> WatchedRing:
        return WatchedRing(self._directory / f"{name}.ring.gz", CHECK_SECONDS)

    @property
    def container_replicas(self) -> int:
        """How many replicas a container has."""
        return len(self._container.current.primaries(0))

    def of_account(self, account: str) -> Home:
        """Return the home of an account."""
        return _home(self._account.current, self._hash(account))

    def of_container(self, account: str, container: str) -> Home:
        """Return the home of a container."""
        return _home(self._container.current, self._hash(account, container))

    def of_object(self, policy_index: int, account: str, container: str, name: str) -> Home:
        """Return the home of an object; Unavailable for a policy that this node knows no ring of."""
        watched = self._objects.get(policy_index)
        if watched is None:
            watched = self._open(policy_index)
        return _home(watched.current, self._hash(account, container, name))

    def _open(self, policy_index: int) -> WatchedRing:
        policy = self._cluster.policies.by_index(policy_index)
        if policy is None:
            raise Unavailable("Unknown Storage Policy")
        self._objects[policy_index] = watched = self._watched(policy.ring_name)
        return watched


def _home(ring: Ring, path_hash: str) -> Home:
    partition = ring.partition(path_hash)
    return Home(ring, partition, ring.primaries(partition))
