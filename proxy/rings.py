"""The proxy's view of the rings: which devices hold an account, a container or an object.

    names ──▶ Rings.of_container(account, container) ──▶ Home: partition, primaries, handoffs

Ring files are watched and re-read when they change; a request keeps the ring it began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..common.cluster import ClusterConf
from ..common.errors import Unavailable
from ..ring.device import Device
from ..ring.table import Ring
from ..ring.watch import WatchedRing
from .nodes import Candidate

CHECK_SECONDS = 15.0
"""How often a ring file's age is looked at; stock Swift's habit."""


HOMES_MAX = 65536
"""Homes that a worker keeps of one ring; a larger ring's are found again when they are asked for."""


@dataclass(slots=True)
class Home:
    """Where one thing lives.

    Made often while a worker is young, so not frozen.
    """

    ring: Ring
    partition: int
    primaries: list[Device]
    at_home: tuple[Candidate, ...] = field(init=False, repr=False, compare=False)
    """The primaries, ready to be asked."""
    replicas: int = field(init=False, repr=False, compare=False)
    """How many devices hold the thing when all is well."""

    def __post_init__(self) -> None:
        """Make the candidates once, not for every request."""
        self.at_home = tuple([Candidate(device, primary=True) for device in self.primaries])
        self.replicas = len(self.at_home)

    def handoffs(self) -> Iterator[Device]:
        """Yield the devices that stand in, in the order all proxies agree on."""
        return iter(self.ring.handoffs(self.partition))

    def stand_ins(self) -> Iterator[Candidate]:
        """Yield the same, ready to be asked."""
        for device in self.handoffs():
            yield Candidate(device, primary=False)


class Homes:
    """The homes that one ring gives, each put together once while the ring stays the same."""

    __slots__ = ("_homes", "_ring", "_watched")

    def __init__(self, watched: WatchedRing) -> None:
        self._watched = watched
        self._ring = watched.current
        self._homes: dict[int, Home] = {}

    def of(self, path_hash: str) -> Home:
        """Return the home of what has that hash."""
        ring = self._watched.current
        if ring is not self._ring:
            self._ring, self._homes = ring, {}
        partition = ring.partition(path_hash)
        return self._homes.get(partition) or self._new(ring, partition)

    def _new(self, ring: Ring, partition: int) -> Home:
        if len(self._homes) >= HOMES_MAX:
            self._homes.clear()
        home = self._homes[partition] = Home(ring, partition, ring.primaries(partition))
        return home


class Rings:
    """All rings of the cluster, opened when first asked for."""

    def __init__(self, cluster: ClusterConf, directory: str) -> None:
        self._cluster = cluster
        self._directory = Path(directory)
        self._account = self._homes_of("account")
        self._container = self._homes_of("container")
        self._objects: dict[int, Homes] = {}
        self._hash = cluster.salt.path_hash
        self._container_hashes: dict[tuple[str, str], str] = {}
        for policy in cluster.policies.all:
            if (self._directory / f"{policy.ring_name}.ring.gz").exists():
                self._objects[policy.index] = self._homes_of(policy.ring_name)

    def _homes_of(self, name: str) -> Homes:
        return Homes(WatchedRing(self._directory / f"{name}.ring.gz", CHECK_SECONDS))

    def of_account(self, account: str) -> Home:
        """Return the home of an account."""
        return self._account.of(self._hash(account))

    def of_container(self, account: str, container: str) -> Home:
        """Return the home of a container."""
        name = (account, container)
        path_hash = self._container_hashes.get(name)
        if path_hash is None:
            if len(self._container_hashes) >= HOMES_MAX:
                self._container_hashes.clear()
            path_hash = self._container_hashes[name] = self._hash(account, container)
        return self._container.of(path_hash)

    def of_object(self, policy_index: int, account: str, container: str, name: str) -> Home:
        """Return the home of an object; Unavailable for a policy that this node knows no ring of."""
        homes = self._objects.get(policy_index)
        if homes is None:
            homes = self._open(policy_index)
        return homes.of(self._hash(account, container, name))

    def _open(self, policy_index: int) -> Homes:
        policy = self._cluster.policies.by_index(policy_index)
        if policy is None:
            raise Unavailable("Unknown Storage Policy")
        self._objects[policy_index] = homes = self._homes_of(policy.ring_name)
        return homes
