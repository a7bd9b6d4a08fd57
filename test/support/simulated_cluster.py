"""A hundred storage nodes and their proxies under one seed, deciding by the real rules.

    seed ──▶ SimulatedCluster.live() ──▶ writes, outages, lost disks, replication, in foul weather
        ──▶ .heal() ──▶ calm weather, everybody up, replication until nothing changes
        ──▶ .violations() ──▶ [] or what was promised and is not so

Real code decides everything that the system decides: quorums (proxy.quorum), which files are the object
(object.files.names), what to push and when a handoff may go (replicator.plan). Here is only what stands for
sockets, disks and clocks. A fault beyond what three copies survive is never injected: a second disk of a
partition is lost only after the first loss was healed, and a node is away for less than the reclaim age.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from simulated_disk import SimulatedDisk
from simulated_listing import LISTING, SimulatedListing
from simulated_network import CALM, DAY, HOUR, SECOND, Clock, Network, Weather

from apus.common.timestamp import TICKS_PER_SECOND, Timestamp
from apus.container.rows import ObjectRow, joined
from apus.proxy import quorum
from apus.replicator import plan
from apus.replicator.plan import Need, Version

BEGIN = 1_700_000_000 * TICKS_PER_SECOND
REQUEST_TICKS_MAX = 60 * SECOND
PROXY_DEATHS = 0.1
"""Share of requests whose proxy dies in the first twenty seconds."""
STRIKES = 0.3
"""Share of confirmations after which the disk that gave one is lost at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the system decides, as functions, so that a test can break one of them on purpose."""

    put_verdict: Callable[..., int] = quorum.put_verdict
    final_verdict: Callable[..., int] = quorum.final_verdict
    post_verdict: Callable[..., int] = quorum.post_verdict
    pushes: Callable[..., list[plan.Push]] = plan.pushes
    burials: Callable[..., dict[str, Timestamp]] = plan.burials
    join: Callable[[ObjectRow, ObjectRow], ObjectRow] = joined
    listing_pending: Callable[..., bool] = quorum.listing_pending
    may_remove_handoff: Callable[..., bool] = plan.may_remove_handoff
    reclaim_seconds: float = 4 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much happens in one life of the cluster."""

    nodes: int = 100
    partitions: int = 6
    objects: int = 10
    replicas: int = 3
    writes: int = 90
    outages: int = 16
    losses: int = 8
    life_ticks: int = 6 * DAY
    outage_ticks_max: int = DAY
    pass_ticks: int = 8 * HOUR
    skew_ticks_max: int = 30 * SECOND


@dataclass(slots=True)
class Node:
    """A storage node with one disk and a clock of its own."""

    number: int
    skew_ticks: int
    up: bool = True
    disk: SimulatedDisk = field(default_factory=SimulatedDisk)


@dataclass(frozen=True, slots=True)
class Name:
    """An object's place."""

    partition: int
    digest: str


@dataclass(frozen=True, slots=True)
class Promise:
    """A write that a client was told is done."""

    method: str
    name: Name
    moment: Timestamp
    listed: bool = False


def draw_weather(chance: random.Random) -> Weather:
    """Return anything between a good and a terrible network."""
    return Weather(
        lost=chance.choice((0.0, 0.02, 0.08, 0.2)),
        doubled=chance.choice((0.0, 0.05, 0.2)),
        late=chance.choice((0.0, 0.03, 0.1)),
    )


class SimulatedCluster:
    """One seed's world."""

    def __init__(
        self,
        seed: int,
        *,
        rules: Rules | None = None,
        scale: Scale | None = None,
        weather: Weather | None = None,
    ) -> None:
        self.seed = seed
        self.rules = rules or Rules()
        self.scale = scale or Scale()
        self.chance = random.Random(seed)
        self.clock = Clock(BEGIN)
        self.network = Network(self.clock, self.chance, weather or draw_weather(self.chance))
        skew = self.scale.skew_ticks_max
        self.nodes = [Node(number, self.chance.randint(-skew, skew)) for number in range(self.scale.nodes)]
        self.proxy_skews = [self.chance.randint(-skew, skew) for _ in range(5)]
        self.orders = [self.chance.sample(self.nodes, len(self.nodes)) for _ in range(self.scale.partitions)]
        self.names = [
            Name(self.chance.randrange(self.scale.partitions), f"{self.chance.getrandbits(128):032x}")
            for _ in range(self.scale.objects)
        ]
        self.listing = SimulatedListing(self, self.rules.join)
        self.promises: list[Promise] = []
        self.attempts: list[Promise] = []
        self.wounded: set[int] = set()
        self.gone: list[str] = []
        self._moments: set[int] = set()

    def primaries(self, partition: int) -> list[Node]:
        """Return the nodes that should hold the partition."""
        return self.orders[partition][: self.scale.replicas]

    def handoffs(self, partition: int) -> Iterator[Node]:
        """Yield the other nodes in the order in which all agree."""
        return iter(self.orders[partition][self.scale.replicas :])

    def horizon(self, node: Node) -> Timestamp:
        """Return the moment before which the node forgets tombstones, by its own clock."""
        there = Timestamp(self.clock.now + node.skew_ticks)
        return plan.reclaim_horizon(there, self.rules.reclaim_seconds)

    def moment(self) -> Timestamp:
        """Return what some proxy takes for now; no two writes get the same moment."""
        ticks = self.clock.now + self.chance.choice(self.proxy_skews)
        while ticks in self._moments:
            ticks += 1
        self._moments.add(ticks)
        return Timestamp(ticks)

    def live(self) -> None:
        """Let everything happen that this seed holds."""
        scale, chance = self.scale, self.chance
        bursts = [chance.randrange(scale.life_ticks) for _ in range(scale.writes // 4)]
        for _ in range(scale.writes):
            self.clock.after(chance.choice(bursts) + chance.randrange(20 * SECOND), self._write)
        for _ in range(scale.outages):
            self.clock.after(self._trouble(bursts), self._outage)
        for _ in range(scale.losses):
            self.clock.after(self._trouble(bursts), self._lose_a_disk)
        for node in self.nodes:
            for begin in range(chance.randrange(scale.pass_ticks), scale.life_ticks, scale.pass_ticks):
                self.clock.after(begin, functools.partial(self.replicate, node))
        self.clock.run()

    def _trouble(self, bursts: list[int]) -> int:
        """Return when a fault strikes: often just around writes, where it hurts."""
        if self.chance.random() < 0.6:
            return self.chance.choice(bursts) + self.chance.randrange(60 * SECOND)
        return self.chance.randrange(self.scale.life_ticks)

    def heal(self, rounds_max: int = 10) -> int:
        """Return how many rounds of replication it took until nothing changed any more."""
        self.network.weather = CALM
        for node in self.nodes:
            node.up = True
        for count in range(rounds_max):
            before = self._everything()
            for node in self.chance.sample(self.nodes, len(self.nodes)):
                self.replicate(node)
            self.clock.run()
            if self._everything() == before:
                return count
        return rounds_max

    def violations(self) -> list[str]:
        """Return every broken promise, in words."""
        return self.gone + [problem for name in self.names for problem in self._broken(name)]

    def version(self, node: Node, name: Name) -> Version | None:
        """Return what a node holds of an object."""
        return node.disk.version(name.partition, name.digest)

    def replicate(self, node: Node) -> None:
        """Make one pass of the node's replicator."""
        if node.up:
            for partition in list(node.disk.partitions):
                Pass(self, node, partition).begin()
            self.listing.deliver(node)
            self.listing.exchange(node)

    def _write(self) -> None:
        name = self.chance.choice(self.names)
        method = self.chance.choices(("PUT", "DELETE", "POST"), (6, 3, 2))[0]
        Write(self, Promise(method, name, self.moment())).begin()

    def _some_holder(self) -> Node:
        partition = self.chance.randrange(self.scale.partitions)
        return self.chance.choice(self.orders[partition][: self.scale.replicas + 2])

    def _outage(self) -> None:
        """One or two nodes of a partition go away and come back, disks and all."""
        partition = self.chance.randrange(self.scale.partitions)
        reach = self.scale.replicas + 2
        length = self.chance.choice((30 * SECOND, HOUR, self.scale.outage_ticks_max))
        for node in self.chance.sample(self.orders[partition][:reach], self.chance.choice((1, 2))):
            node.up = False
            back = functools.partial(setattr, node, "up", True)
            self.clock.after(self.chance.randrange(length), back)

    def _lose_a_disk(self) -> None:
        self.lose(self._some_holder())

    def strike(self, trusted: list[Node]) -> None:
        """Sometimes lose the very disk that somebody has just been told to trust."""
        if trusted and self.chance.random() < STRIKES:
            self.lose(self.chance.choice(trusted))

    def lose(self, node: Node) -> None:
        """Replace a disk by an empty one, if three copies are meant to survive that."""
        self.wounded = {partition for partition in self.wounded if not self._is_whole(partition)}
        hurt = set(node.disk.partitions) | ({LISTING} if node.disk.rows else set())
        if self.wounded.isdisjoint(hurt):
            self.wounded |= hurt
            node.disk = SimulatedDisk()
            self.look(hurt)

    def look(self, partitions: set[int]) -> None:
        """Note promises that too few disks keep: later writes must not hide their loss."""
        self.gone += [
            each for name in self.names if name.partition in partitions for each in self._gone(name)
        ]

    def _gone(self, name: Name) -> Iterator[str]:
        promised = [each for each in self.promises if each.name == name and each.method != "POST"]
        newest = max(promised, key=lambda promise: promise.moment, default=None)
        if newest is None or newest.method == "DELETE":
            return
        if any(
            each.name == name and each.method == "DELETE" and each.moment > newest.moment
            for each in self.attempts
        ):
            return  # A newer deletion may have won unpromised, and may be forgotten by now.
        held = [version for node in self.nodes if (version := self.version(node, name)) is not None]
        copies = sum(version.written >= newest.moment for version in held)
        if copies < quorum.quorum_size(self.scale.replicas) - (name.partition in self.wounded):
            yield f"{name}: PUT at {newest.moment} was promised; {copies} disks have it at {self.clock.now}"

    def _is_whole(self, partition: int) -> bool:
        if partition == LISTING:
            return self.listing.is_whole()
        for name in (name for name in self.names if name.partition == partition):
            held = [version for node in self.nodes if (version := self.version(node, name)) is not None]
            newest = functools.reduce(plan.newest_of, held) if held else None
            for node in self.primaries(partition):
                if newest and not plan.covers(self.version(node, name), newest, horizon=self.horizon(node)):
                    return False
        return True

    def _everything(self) -> list[object]:
        files = [{number: dict(held) for number, held in node.disk.partitions.items()} for node in self.nodes]
        return [
            files,
            [dict(node.disk.rows) for node in self.nodes],
            [bool(node.disk.pending) for node in self.nodes],
        ]

    def _broken(self, name: Name) -> Iterator[str]:
        primaries = self.primaries(name.partition)
        held = [self.version(node, name) for node in primaries]
        visible = [version if version and version.data else None for version in held]
        if any(version != visible[0] for version in visible):
            yield f"{name} differs between primaries: {visible}"
        for node in self.nodes:
            if node not in primaries and self.version(node, name) is not None:
                yield f"{name} is still on handoff {node.number}"
        final = visible[0]
        promised = [promise for promise in self.promises if promise.name == name]
        yield from self._lost_or_resurrected(name, final, promised)
        yield from self._misread(promised)

    def _lost_or_resurrected(
        self, name: Name, final: Version | None, promised: list[Promise]
    ) -> Iterator[str]:
        whole = [promise for promise in promised if promise.method != "POST"]
        newest = max(whole, key=lambda promise: promise.moment, default=None)
        deletes = [each.moment for each in self.attempts if each.name == name and each.method == "DELETE"]
        if final is not None and newest is not None and final.written < newest.moment:
            yield f"{name}: {newest.method} at {newest.moment} was promised, but {final.written} is there"
        put = newest.moment if newest is not None and newest.method == "PUT" else None
        if final is None and put is not None and not any(moment > put for moment in deletes):
            yield f"{name}: PUT at {put} was promised and is gone"
        posts = [promise.moment for promise in promised if promise.method == "POST"]
        if final is not None and posts and not deletes and final.newest < max(posts):
            yield f"{name}: POST at {max(posts)} was promised, but {final} is there"

    def _misread(self, promised: list[Promise]) -> Iterator[str]:
        listed = [promise for promise in promised if promise.listed]
        newest = max(listed, key=lambda promise: promise.moment, default=None)
        if newest is not None:
            later = [
                each
                for each in self.attempts
                if each.name == newest.name and each.moment > newest.moment and each.method != "POST"
            ]
            problem = self.listing.broken(newest, is_last=not later)
            if problem:
                yield problem


class Write:
    """One request of a client, as a proxy carries it out."""

    def __init__(self, cluster: SimulatedCluster, promise: Promise) -> None:
        self.cluster = cluster
        self.promise = promise
        self.heard: list[int] = []
        self.rows: list[bool | None] = []
        self.holders: list[Node] = []
        self.handoffs = cluster.handoffs(promise.name.partition)
        self.extra_left = cluster.scale.replicas
        self.done = False
        self.alive = True

    def begin(self) -> None:
        """Ask the primaries; some proxies die before they are done."""
        self.cluster.attempts.append(self.promise)
        for index, node in enumerate(self.cluster.primaries(self.promise.name.partition)):
            self._ask(node, index)
        if self.cluster.chance.random() < PROXY_DEATHS:
            self.cluster.clock.after(self.cluster.chance.randrange(20 * SECOND), self._die)

    def _die(self) -> None:
        self.alive = False

    def _ask(self, node: Node, index: int) -> None:
        cluster, open_ = self.cluster, [True]

        def arrive() -> None:
            if not node.up:
                return
            status = self._apply(node)
            if status not in (201, 202, 204, 404):
                cluster.network.send(lambda: hear(status, None))
                return
            self.holders.append(node)
            if self.promise.method == "POST":
                cluster.network.send(lambda: hear(status, None))
            else:
                cluster.listing.report(
                    node, index, self.promise, lambda told: cluster.network.send(lambda: hear(status, told))
                )

        def hear(status: int, told: bool | None) -> None:
            if open_ and self.alive:
                open_.clear()
                if status // 100 == 2 or told is not None:
                    self.rows.append(told)
                self._hear(status)

        def give_up() -> None:
            if open_ and self.alive:
                open_.clear()
                self._miss(index)

        cluster.network.send(arrive)
        cluster.clock.after(10 * SECOND, give_up)

    def _apply(self, node: Node) -> int:
        name, moment = self.promise.name, self.promise.moment
        act = {"PUT": node.disk.put, "DELETE": node.disk.delete, "POST": node.disk.post}[self.promise.method]
        return act(name.partition, name.digest, moment)

    def _miss(self, index: int) -> None:
        if self.extra_left and self.promise.method != "POST":
            self.extra_left -= 1
            self._ask(next(self.handoffs), index)
        else:
            self._hear(quorum.SILENT)

    def _hear(self, status: int) -> None:
        replicas, rules = self.cluster.scale.replicas, self.cluster.rules
        self.heard.append(status)
        if self.done:
            return
        if self.promise.method == "PUT":
            verdict = rules.put_verdict(self.heard, replicas=replicas, only_if_absent=False)
            self.done = verdict in (201, 202) or len(self.heard) == replicas
            promised = self.done and verdict in (201, 202)
        elif len(self.heard) < replicas:
            return
        elif self.promise.method == "DELETE":
            overrides = {404: 204}
            promised = rules.final_verdict(self.heard, replicas=replicas, overrides=overrides) in (204, 404)
        else:
            promised = rules.post_verdict(self.heard, replicas=replicas) == 202
        if promised:
            pending = rules.listing_pending(self.rows, container_replicas=replicas)
            listed = self.promise.method != "POST" and 409 not in self.heard and not pending
            self.cluster.promises.append(replace(self.promise, listed=listed))
            if listed:
                self.cluster.gone += self.cluster.listing.unlisted(self.promise)
            self.cluster.strike(self.holders)


class Pass:
    """What a node's replicator does with one partition in one pass."""

    def __init__(self, cluster: SimulatedCluster, node: Node, partition: int) -> None:
        self.cluster = cluster
        self.node = node
        self.disk = node.disk
        self.partition = partition
        self.deadline = cluster.clock.now + REQUEST_TICKS_MAX
        primaries = cluster.primaries(partition)
        self.is_handoff = node not in primaries
        self.peers = [peer for peer in primaries if peer is not node]
        self.hashes = self.disk.suffix_hashes(partition, cluster.horizon(node))
        self.ours = self.disk.inventory(partition, set(self.hashes))
        self.files = {digest: self.disk.names(partition, digest) for digest in self.ours}
        self.confirmed: dict[str, set[int]] = {digest: set() for digest in self.ours}

    def begin(self) -> None:
        """Ask every peer for its hashes."""
        for peer in self.peers:
            self._call(
                peer,
                functools.partial(self._their_hashes, peer),
                functools.partial(self._compare, peer),
            )

    def _call(self, peer: Node, serve: Callable[[], object], receive: Callable[[object], None]) -> None:
        network, clock = self.cluster.network, self.cluster.clock

        def arrive() -> None:
            if peer.up:
                answer = serve()
                network.send(lambda: come_back(answer))

        def come_back(answer: object) -> None:
            if self.node.up and self.node.disk is self.disk and clock.now <= self.deadline:
                receive(answer)

        network.send(arrive)

    def _their_hashes(self, peer: Node) -> dict[str, str]:
        return peer.disk.suffix_hashes(self.partition, self.cluster.horizon(peer))

    def _compare(self, peer: Node, hashes: object) -> None:
        assert isinstance(hashes, dict)
        differing = plan.differing_suffixes(self.hashes, hashes)
        for digest in self.ours:
            if digest[-3:] not in differing:
                self._confirm(peer, digest)
        if differing:
            self._call(
                peer,
                lambda: peer.disk.inventory(self.partition, set(differing)),
                lambda theirs: self._push(peer, set(differing), theirs),
            )

    def _push(self, peer: Node, suffixes: set[str], theirs: object) -> None:
        assert isinstance(theirs, dict)
        ours = {digest: version for digest, version in self.ours.items() if digest[-3:] in suffixes}
        for digest, moment in self.cluster.rules.burials(ours, theirs).items():
            self.disk.delete(self.partition, digest, moment)
        wanted = self.cluster.rules.pushes(ours, theirs, horizon=self.cluster.horizon(self.node))
        for digest in ours.keys() - {push.hash for push in wanted}:
            self._confirm(peer, digest)
        for push in wanted:
            self._call(
                peer,
                functools.partial(self._deliver, peer, push),
                functools.partial(self._delivered, peer, push.hash),
            )

    def _deliver(self, peer: Node, push: plan.Push) -> list[tuple[Need, int]]:
        version, disk, partition = self.ours[push.hash], peer.disk, self.partition
        statuses = []
        if Need.TOMBSTONE in push.need:
            statuses.append((Need.TOMBSTONE, disk.delete(partition, push.hash, version.written)))
        if Need.DATA in push.need:
            statuses.append((Need.DATA, disk.put(partition, push.hash, version.written)))
        if Need.META in push.need:
            meta = version.meta or version.written
            statuses.append((Need.META, disk.post(partition, push.hash, meta, version.content_type)))
        return statuses

    def _delivered(self, peer: Node, digest: str, statuses: object) -> None:
        assert isinstance(statuses, list)
        if all(plan.confirms(need, status) for need, status in statuses):
            self._confirm(peer, digest)

    def _confirm(self, peer: Node, digest: str) -> None:
        confirmed = self.confirmed[digest]
        confirmed.add(peer.number)
        if self.is_handoff and self.cluster.rules.may_remove_handoff(
            confirmed=len(confirmed), primaries=len(self.peers)
        ):
            self.disk.remove(self.partition, digest, self.files[digest])
            self.cluster.look({self.partition})
            self.cluster.strike([peer for peer in self.peers if peer.number in confirmed])
