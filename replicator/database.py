"""Makes the replicas of account and container databases equal.

    each database here that is due (database_memory)
       ──▶ forget old deletions ──▶ meet each partner: summary, then rows or the whole file
                                    └── deleted long ago: removed; not ours and everywhere else: removed

One pass goes through all devices of this node. What two replicas must exchange is decided in database_plan,
said in database_peer, and done to a database by its broker.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from ..account.broker import AccountBroker
from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.cluster_secret import credentials
from ..common.concurrency import Crew
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.database import metadata
from ..common.database.auditing import leave_figures
from ..common.database.exchange import moments_of
from ..common.database.layout import Location, databases, paced, usable_devices
from ..common.database.replica import Item, Replica
from ..common.database.schema import device_of
from ..common.errors import ApusError, Missing, OutOfSpace
from ..common.http.client import Pool, PoolConfig
from ..common.timestamp import Timestamp, now
from ..container import sync_links
from ..container.broker import ContainerBroker, claim_of
from ..container.policy_choice import theirs_is_better
from ..ring.device import Device
from ..ring.mine import local_devices
from ..ring.table import Ring
from ..ring.watch import WatchedRing
from .database_memory import Memory, Signature, signature
from .database_peer import Peer, PeerSettings
from .database_plan import Course, Summary, course, is_reclaimable, may_be_removed, partners

log = logging.getLogger(__name__)

IsMine = Callable[[Device], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicatorSettings:
    """Settings of an account or container replicator."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    bind_ip: str = setting("0.0.0.0", help="Address of this node's server, to find its devices in the ring.")
    bind_port: int = setting(0, help="Replication port of this node's server; 0 for any of this address.")
    interval: float = setting(30.0, help="Seconds from the start of one pass to the next.", minimum=0)
    concurrency: int = setting(8, help="Databases replicated at the same time.", minimum=1)
    databases_per_second: float = setting(50.0, help="Databases begun a second at most.", minimum=0)
    per_diff: int = setting(1000, help="Rows sent at a time.", minimum=1)
    max_diffs: int = setting(100, help="Batches of rows sent to one partner in one pass.", minimum=1)
    node_timeout: float = setting(10.0, help="Seconds to wait for a partner's answer.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection.", minimum=0)
    reclaim_age: float = setting(
        604800.0, help="Seconds for which deletions are remembered; all replicas must meet within.", minimum=0
    )
    rsync_module: str = setting(
        "",
        help="Where rsync puts whole databases for stock servers; empty for {replication_ip}::KIND.",
    )
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )


@dataclass(slots=True)
class Figures:
    """What a pass did, under stock Swift's names."""

    attempted: int = 0
    success: int = 0
    failure: int = 0
    ts_repl: int = 0
    no_change: int = 0
    hashmatch: int = 0
    rsync: int = 0
    diff: int = 0
    remove: int = 0
    empty: int = 0
    remote_merge: int = 0
    diff_capped: int = 0
    deferred: int = 0
    start: float = field(default_factory=time.time)
    failure_nodes: dict[str, dict[str, int]] = field(default_factory=dict)

    def count(self, what: Course) -> None:
        """Count one meeting by its course."""
        setattr(self, what.value, getattr(self, what.value) + 1)

    def failed(self, device: Device) -> None:
        """Count one failed meeting against its device."""
        self.failure += 1
        devices = self.failure_nodes.setdefault(device.replication_ip, {})
        devices[device.device] = devices.get(device.device, 0) + 1


class DatabaseReplicator(Daemon):
    """Replicates the databases of one kind on one node."""

    kind: ClassVar[str]

    def __init__(
        self, options: Mapping[str, str], cluster: ClusterConf | None = None, is_mine: IsMine | None = None
    ) -> None:
        settings = self.settings = parse(ReplicatorSettings, options)
        self.interval_seconds = settings.interval
        self._cluster = cluster or ClusterConf.load(settings.swift_dir)
        self._ring = WatchedRing(os.path.join(settings.swift_dir, f"{self.kind}.ring.gz"))
        self._is_mine = is_mine
        self._peer_settings = PeerSettings(
            timeout_seconds=settings.node_timeout,
            connect_timeout_seconds=settings.conn_timeout,
            rsync_module=settings.rsync_module.rstrip("/") or f"{{replication_ip}}::{self.kind}",
        )
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
            ),
            default_headers=credentials(self._cluster.secret),
        )
        self.figures = Figures()
        self._memory = Memory()
        self._ring_known: Ring | None = None

    @abstractmethod
    def open_broker(self, path: str) -> Replica:
        """Return the broker for a path."""

    @abstractmethod
    def names(self, info: Item) -> tuple[str, ...]:
        """Return the account, and the container of one, that a summary is of."""

    def may_be_forgotten(self, info: Item) -> bool:
        """Whether nobody waits for a report of this deleted database any more."""
        del info
        return True

    def take_over(self, broker: Replica, ours: Item, theirs: Item) -> None:
        """Take over what the partner knows better: metadata here, more in subclasses."""
        del ours
        if theirs.get("metadata"):
            broker.merge_metadata(metadata.read(theirs["metadata"]))

    def follow(self, broker: Replica, *, is_removed: bool) -> None:
        """Do what is to be done beside a database that has met its partners, or has gone."""

    def run_once(self) -> None:
        """Replicate every database here that may have something to tell, or to hear."""
        self.figures = Figures()
        settings, ring = self.settings, self._ring.current
        local = {device.device: device for device in self._local_devices(ring)}
        if not local:
            log.error("no device of the ring is on this node", extra={"ring": self._ring.path})
        usable = usable_devices(settings.devices, mount_check=settings.mount_check)
        if ring is not self._ring_known:
            self._memory.doubt()
            self._ring_known = ring
        found: dict[str, Location] = {}
        for device in (local[name] for name in usable if name in local):
            self._clear_tmp(device)
            places = databases(settings.devices, device.device, f"{self.kind}s")
            found.update((location.path, location) for location in places)
        moment = time.time_ns()
        signatures = {path: signature(path, moment) for path in found}
        due = self._memory.due(signatures)
        crew = Crew(settings.concurrency)
        chosen = [location for path, location in found.items() if path in due]
        for location in paced(chosen, settings.databases_per_second):
            crew.spawn(self._replicate, ring, local[location.device], location, signatures[location.path])
        crew.wait_all()
        self._report()

    def _local_devices(self, ring: Ring) -> list[Device]:
        if self._is_mine is None:
            return local_devices(ring, self.settings.bind_ip, self.settings.bind_port or None)
        return [device for device in ring.devices if device and self._is_mine(device)]

    def _replicate(self, ring: Ring, device: Device, location: Location, files: Signature | None) -> None:
        """Replicate one database; whatever is wrong with it, the others get their turn."""
        self.figures.attempted += 1
        broker = self.open_broker(location.path)
        try:
            if self._meet_all(ring, device, location, broker):
                self._memory.agreed(location.path, files)
        except Missing:
            return  # Removed by another since we saw it.
        except (ApusError, OSError) as problem:
            log.error("database not replicated", extra={"path": location.path, "problem": str(problem)})
            for partner in ring.primaries(location.partition):
                self.figures.failed(partner)
        finally:
            broker.close()

    def _meet_all(self, ring: Ring, device: Device, location: Location, broker: Replica) -> bool:
        """Meet every partner; return whether the database belongs here and each of them has all of it."""
        age, moment = self.settings.reclaim_age, time.time()
        horizon = Timestamp.of(max(0.0, moment - age))
        _remove_old(broker.folder, before=moment - age, suffix=".tmp")
        broker.reclaim(horizon, Timestamp.of(max(0.0, moment - 2 * age)))
        info = broker.replication_info()
        if self._is_reclaimable(info, horizon):
            self._remove(broker, info)
            return False
        name = os.path.basename(location.path).removesuffix(".db")
        partition = ring.partition(self._cluster.salt.path_hash(*self.names(info)))
        primaries = ring.primaries(partition)
        if partition != location.partition:
            log.error("database in a wrong partition", extra={"path": location.path, "right": partition})
        at_home = partition == location.partition and any(one.id == device.id for one in primaries)
        answers = self._meet(ring, device, partition, name, broker, info)
        self.follow(broker, is_removed=False)
        if not at_home and may_be_removed(answers):
            self._remove(broker, info)
        return at_home and all(answers)

    def _meet(
        self, ring: Ring, device: Device, partition: int, name: str, broker: Replica, info: Item
    ) -> list[bool]:
        """Meet every partner, and a stand-in for each whose device is not mounted; return who has it all."""
        queue = partners(ring.primaries(partition), lambda one: one.id == device.id)
        stand_ins = (one for one in ring.handoffs(partition) if one.id != device.id)
        answers = []
        while queue:
            partner = queue.pop(0)
            try:
                answers.append(self._exchange(broker, partner, partition, name, info))
            except OutOfSpace as problem:
                log.warning("partner cannot take it", extra={"problem": str(problem)})
                self._memory.doubt()
                answers.append(False)
                queue.extend(stand_in for stand_in in (next(stand_ins, None),) if stand_in)
            except Missing:
                answers.append(False)
            except ApusError as problem:
                log.warning("partner not met", extra={"problem": str(problem)})
                answers.append(False)
            if answers[-1]:
                self.figures.success += 1
            else:
                self.figures.failed(partner)
        return answers

    def _exchange(self, broker: Replica, partner: Device, partition: int, name: str, info: Item) -> bool:
        """Bring one partner up to date; return whether it has all that we had when the pass came to it."""
        peer = Peer(self._pool, partner, partition, name, self._peer_settings)
        try:
            theirs = peer.sync(info)
        except Missing:
            self._memory.doubt()
            self.figures.rsync += 1
            self._copy(broker, peer, info, merge=False)
            return True
        self.take_over(broker, info, theirs)
        remote_id, their_point = str(theirs["id"]), int(theirs["point"])
        decision = course(
            Summary(int(info["max_row"]), str(info["hash"])),
            Summary(int(theirs["max_row"]), str(theirs["hash"])),
            their_point=their_point,
            our_point=broker.sync_point(remote_id, incoming=False),
            batch_rows=self.settings.per_diff,
        )
        self.figures.count(decision.course)
        if decision.course is Course.SAME:
            broker.merge_sync_points([_point(remote_id, decision.point)], incoming=False)
        elif decision.course is Course.COPY:
            self._copy(broker, peer, info, merge=True)
        elif decision.course is Course.ROWS:
            return self._send_rows(broker, peer, info, remote_id, decision.point)
        return True

    def _send_rows(self, broker: Replica, peer: Peer, info: Item, remote_id: str, point: int) -> bool:
        settings = self.settings
        points = broker.sync_points()
        for _ in range(settings.max_diffs):
            rows = broker.items_since(point, settings.per_diff)
            if not rows:
                break
            peer.send_rows(rows, str(info["id"]))
            point = int(rows[-1]["ROWID"])
        else:
            if broker.items_since(point, 1):
                self.figures.diff_capped += 1
                return False
        peer.send_points(points)
        broker.merge_sync_points([_point(remote_id, point)], incoming=False)
        return True

    def _copy(self, broker: Replica, peer: Peer, info: Item, *, merge: bool) -> None:
        with self._snapshot(broker) as path:
            peer.send_copy(path, str(info["id"]), merge=merge)

    @contextmanager
    def _snapshot(self, broker: Replica) -> Iterator[str]:
        folder = os.path.join(device_of(broker.path), "tmp")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{uuid.uuid4().hex}.snapshot")
        try:
            broker.snapshot(path)
            yield path
        finally:
            if os.path.exists(path):
                os.unlink(path)

    def _is_reclaimable(self, info: Item, horizon: Timestamp) -> bool:
        return self.may_be_forgotten(info) and is_reclaimable(
            count=int(info["count"] or 0),
            put_timestamp=str(info["put_timestamp"]),
            delete_timestamp=str(info["delete_timestamp"]),
            horizon=horizon,
        )

    def _remove(self, broker: Replica, info: Item) -> None:
        if broker.remove(expected_max_row=int(info["max_row"])):
            self.figures.remove += 1
            self.follow(broker, is_removed=True)

    def _clear_tmp(self, device: Device) -> None:
        folder = os.path.join(self.settings.devices, device.device, "tmp")
        _remove_old(folder, before=time.time() - self.settings.reclaim_age)

    def _report(self) -> None:
        figures, moment = asdict(self.figures), time.time()
        log.info("databases replicated", extra={key: value for key, value in figures.items() if value})
        leave_figures(
            self.settings.recon_cache_path,
            self.kind,
            {
                "replication_stats": figures,
                "replication_time": moment - self.figures.start,
                "replication_last": moment,
            },
        )


class AccountReplicator(DatabaseReplicator):
    """Replicates account databases."""

    kind = "account"

    def open_broker(self, path: str) -> Replica:
        """Return an account's broker."""
        return AccountBroker(path, lock_seconds=30)

    def names(self, info: Item) -> tuple[str, ...]:
        """Return the account."""
        return (str(info["account"]),)


class ContainerReplicator(DatabaseReplicator):
    """Replicates container databases."""

    kind = "container"

    def open_broker(self, path: str) -> Replica:
        """Return a container's broker."""
        return ContainerBroker(path, lock_seconds=30)

    def names(self, info: Item) -> tuple[str, ...]:
        """Return account and container."""
        return str(info["account"]), str(info["container"])

    def may_be_forgotten(self, info: Item) -> bool:
        """Whether the account has been told of the deletion."""
        reported = ("put_timestamp", "delete_timestamp", "bytes_used")
        return all(info[f"reported_{key}"] == info[key] for key in reported) and bool(
            info["reported_object_count"] == info["count"]
        )

    def take_over(self, broker: Replica, ours: Item, theirs: Item) -> None:
        """Take over policy, moments and metadata."""
        assert isinstance(broker, ContainerBroker)
        our_claim, their_claim = claim_of(ours), claim_of(theirs)
        if our_claim and their_claim and theirs_is_better(our_claim, their_claim):
            broker.set_policy(their_claim.policy_index, now().internal)
        if moments_of(ours) != moments_of(theirs):
            broker.merge_moments(moments_of(theirs), now=now())
        super().take_over(broker, ours, theirs)

    def follow(self, broker: Replica, *, is_removed: bool) -> None:
        """Link it for stock's container sync, or take the link away."""
        if is_removed:
            sync_links.keep(broker.path, wanted=False)
        else:
            sync_links.follow(broker.path, broker.metadata(), is_deleted=broker.is_deleted())


def _point(remote_id: str, row: int) -> Item:
    return {"remote_id": remote_id, "sync_point": row}


def _remove_old(folder: str, *, before: float, suffix: str = "") -> None:
    """Remove files that nobody has touched for long: what a crash left half-made."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(suffix) and os.path.isfile(path) and os.path.getmtime(path) < before:
            os.unlink(path)
