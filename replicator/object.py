"""The object replicator: one pass over all partitions on this node's devices.

    rings ──▶ our devices ──▶ jobs in order ──▶ PartitionWork.update() or .revert() ──▶ stats, object.recon

Every policy of the kind `replication`, every device of ours that is mounted. Partitions are worked on by a
few green threads at once, and their pushes by a larger crew, so that a peer's group commit has many writes
to make durable together. It does not know how two devices compare or what travels between them.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..common import recon_cache, timestamp
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.concurrency import Crew, sleep, spawn
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.errors import ApusError, Refused
from ..common.http.client import Pool, PoolConfig
from ..common.policies import Policy
from ..object.files.device import Devices, Unusable
from ..ring.device import Device
from ..ring.mine import local_devices
from ..ring.watch import WatchedRing
from .bulk import LOADS_MAX
from .local import LocalDevice
from .partition import Means, PartitionWork
from .peer import PeerClient
from .plan import Job, in_order, job_of
from .stats import COUNTERS, Stats

log = logging.getLogger(__name__)

SECTION = "object-replicator"
NO, YES = False, True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicatorConfig:
    """How the object replicator works; names are those of stock Swift's [object-replicator]."""

    devices: str = setting("/srv/node", help="Folder under which the devices are mounted.")
    mount_check: bool = setting(YES, help="Skip devices that are not mounted.")
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    bind_ip: str = setting("0.0.0.0", help="Address of this node's object server; see ring_ip.")
    bind_port: int = setting(6200, help="Port of this node's object server, as it stands in the ring.")
    ring_ip: str = setting("", help="Address of this node in the ring, if it is not one it listens on.")
    interval: float = setting(30.0, minimum=0, help="Seconds from the begin of one pass to the next.")
    concurrency: int = setting(8, minimum=1, help="Partitions worked on at the same time.")
    push_concurrency: int = setting(
        64, minimum=1, help="Objects under way to peers at the same time; many share one group commit there."
    )
    reclaim_age: float = setting(
        604800.0,
        minimum=0,
        help="Seconds after which a tombstone is forgotten; no node may be away for longer.",
    )
    conn_timeout: float = setting(0.5, minimum=0.01, help="Seconds to wait for a connection to a peer.")
    node_timeout: float = setting(10.0, minimum=0.1, help="Seconds to wait for each read and write.")
    http_timeout: float = setting(60.0, minimum=0.1, help="Seconds to wait for an answer of a peer.")
    handoffs_first: bool = setting(
        NO, help="Emergency: empty all handoffs before any primary partition is looked at."
    )
    handoff_delete: str = setting(
        "auto", help="Emergency: so many primaries are enough to let a handoff go; auto means all of them."
    )
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder for the figures that /recon shows."
    )
    stats_interval: float = setting(300.0, minimum=1, help="Seconds between lines of progress in the log.")
    ring_check_interval: float = setting(15.0, minimum=0, help="Seconds between looks at the ring files.")
    override_devices: tuple[str, ...] = ()
    override_partitions: tuple[str, ...] = ()
    override_policies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no number of primaries."""
        if self.handoff_delete != "auto" and not self.handoff_delete.isdecimal():
            raise Refused(f"handoff_delete = {self.handoff_delete!r}: expected auto or a number")

    @property
    def enough_primaries(self) -> int:
        """How many primaries must confirm before a handoff goes; 0 for all."""
        return 0 if self.handoff_delete == "auto" else int(self.handoff_delete)

    @property
    def is_partial(self) -> bool:
        """Whether this run leaves something out, so that its figures say nothing about the node."""
        return bool(self.override_devices or self.override_partitions or self.override_policies)


@dataclass(frozen=True, slots=True)
class Local:
    """One policy on one of our devices, and where it stands in the ring."""

    ours: Device
    disk: LocalDevice
    ring: WatchedRing


class ObjectReplicator(Daemon):
    """Runs passes; construct it with the means to reach peers and to know the time."""

    def __init__(
        self,
        config: ReplicatorConfig,
        cluster: ClusterConf,
        *,
        clock: Callable[[], timestamp.Timestamp] = timestamp.now,
        chance: random.Random | None = None,
    ) -> None:
        self.config = config
        self.interval_seconds = config.interval
        self.stats: dict[str, Stats] = {}
        self._cluster = cluster
        self._clock = clock
        self._chance = chance or random.Random()
        self._devices = Devices(config.devices, mount_check=config.mount_check)
        self._rings: dict[int, WatchedRing] = {}
        pool = PoolConfig(
            connect_timeout_seconds=config.conn_timeout,
            response_timeout_seconds=config.http_timeout,
            read_timeout_seconds=config.node_timeout,
        )
        self._peers = PeerClient(
            pool=Pool(pool), secret=cluster.secret, http_timeout_seconds=config.http_timeout
        )
        if config.handoffs_first or config.enough_primaries:
            log.warning("emergency settings handoffs_first, handoff_delete are on: copies may become fewer")

    def run_once(self) -> None:
        """Make one pass."""
        began = time.time()
        self.stats = {}
        locals_ = self._locals()
        jobs = self._jobs(locals_)
        heartbeat = spawn(self._heartbeat, began, len(jobs))
        try:
            self._work(jobs, locals_)
        finally:
            heartbeat.kill()
        self._report(began, len(jobs))

    def _work(self, jobs: list[Job], locals_: Mapping[tuple[int, int], Local]) -> None:
        means = Means(
            peers=self._peers,
            pushers=Crew(self.config.push_concurrency),
            loaders=Crew(LOADS_MAX),
            clock=self._clock,
            chance=self._chance,
            handoff_delete=self.config.enough_primaries,
        )
        crew = Crew(self.config.concurrency)
        for job in jobs:
            if self.config.handoffs_first and not job.handoff:
                crew.wait_all()
                if any(stats.handoffs_remaining for stats in self.stats.values()):
                    log.warning("handoffs are left: primary partitions are not replicated in this pass")
                    break
            crew.spawn(self._work_on, job, locals_[job.policy_index, job.device_id], means)
        crew.wait_all()

    def _work_on(self, job: Job, local: Local, means: Means) -> None:
        ring = local.ring.current
        stats = self.stats.setdefault(local.ours.device, Stats())
        work = PartitionWork(means, ring, local.ours, local.disk, job.partition, stats)
        try:
            self._devices.path(local.ours.device)
            if any(device.id == job.device_id for device in ring.primaries(job.partition)):
                work.update()
            else:
                work.revert()
        except (ApusError, OSError) as problem:
            log.error(
                "partition not replicated",
                extra={"path": local.disk.partition_path(job.partition), "problem": str(problem)},
            )
            stats.fail_all(ring.primaries(job.partition))
        except Exception:  # noqa: BLE001 - one partition's surprise must not end the pass for all others
            log.exception(
                "partition not replicated", extra={"path": local.disk.partition_path(job.partition)}
            )
            stats.fail_all(ring.primaries(job.partition))

    def _locals(self) -> dict[tuple[int, int], Local]:
        """Return (policy, device id) → each policy on each device of ours that is mounted."""
        found: dict[tuple[int, int], Local] = {}
        for policy in self._cluster.policies.all:
            if policy.kind == "replication" and self._is_wanted(policy):
                found.update({(policy.index, local.ours.id): local for local in self._on_devices(policy)})
        return found

    def _is_wanted(self, policy: Policy) -> bool:
        wanted = self.config.override_policies
        return not wanted or str(policy.index) in wanted

    def _on_devices(self, policy: Policy) -> list[Local]:
        ring = self._ring(policy)
        if ring is None:
            return []
        if ring.current.next_part_power is not None:
            log.warning("partition power is being changed: policy skipped", extra={"policy": policy.name})
            return []
        here = self.config.ring_ip or self.config.bind_ip
        mine = local_devices(ring.current, here, self.config.bind_port)
        if not mine:
            log.error("this node is not in the ring", extra={"policy": policy.name, "ip": here})
        found = []
        for device in mine:
            if self.config.override_devices and device.device not in self.config.override_devices:
                continue
            try:
                path = self._devices.path(device.device)
            except Unusable as problem:
                log.warning("device skipped", extra={"device": device.device, "problem": str(problem)})
                continue
            found.append(Local(device, LocalDevice(path, policy, self.config.reclaim_age), ring))
        return found

    def _ring(self, policy: Policy) -> WatchedRing | None:
        if policy.index not in self._rings:
            path = Path(self.config.swift_dir) / f"{policy.ring_name}.ring.gz"
            try:
                self._rings[policy.index] = WatchedRing(path, self.config.ring_check_interval)
            except (OSError, ApusError) as problem:
                log.error("no ring: policy skipped", extra={"path": str(path), "problem": str(problem)})
                return None
        return self._rings[policy.index]

    def _jobs(self, locals_: Mapping[tuple[int, int], Local]) -> list[Job]:
        jobs = []
        for (policy_index, device_id), local in locals_.items():
            ring = local.ring.current
            local.disk.sweep_temporaries(self._clock())
            for partition in local.disk.partitions():
                if partition >= ring.partition_count or not self._is_wanted_partition(partition):
                    continue
                primaries = [device.id for device in ring.primaries(partition)]
                jobs.append(job_of(policy_index, device_id, partition, primaries))
        return in_order(jobs, handoffs_first=self.config.handoffs_first, chance=self._chance)

    def _is_wanted_partition(self, partition: int) -> bool:
        wanted = self.config.override_partitions
        return not wanted or str(partition) in wanted

    def total(self) -> Stats:
        """Return the figures over all devices."""
        total = Stats()
        for stats in self.stats.values():
            for name in COUNTERS:
                setattr(total, name, getattr(total, name) + getattr(stats, name))
            for ip, devices in stats.failure_nodes.items():
                known = total.failure_nodes.setdefault(ip, {})
                for device, count in devices.items():
                    known[device] = known.get(device, 0) + count
        return total

    def _heartbeat(self, began: float, jobs: int) -> None:
        while True:
            sleep(self.config.stats_interval)
            total = self.total()
            seconds = time.time() - began
            log.info(
                "replication goes on",
                extra={
                    "partitions": f"{total.attempted}/{jobs}",
                    "seconds": round(seconds, 1),
                    "objects_per_second": round(total.objects_pushed / seconds, 1),
                },
            )

    def _report(self, began: float, jobs: int) -> None:
        ended = time.time()
        total = self.total()
        log.info(
            "replication pass complete",
            extra={"jobs": jobs, "seconds": round(ended - began, 2), **total.as_recon()},
        )
        if self.config.is_partial:
            return
        minutes = (ended - began) / 60
        figures = {
            "replication_stats": total.as_recon(),
            "replication_time": minutes,
            "replication_last": ended,
            "object_replication_time": minutes,
            "object_replication_last": ended,
        }
        try:
            # Figures merge into what is there; peers that failed in an earlier pass must not stay.
            recon_cache.leave(self.config.recon_cache_path, "object", {"replication_stats": None})
            recon_cache.leave(self.config.recon_cache_path, "object", figures)
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})


def replicator(options: Mapping[str, str]) -> ObjectReplicator:
    """Build the daemon from its section of the node's configuration."""
    config = parse(ReplicatorConfig, _renamed(options))
    return ObjectReplicator(config, ClusterConf.load(config.swift_dir))


def _renamed(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options with `run_pause`, the oldest name of `interval`, understood."""
    renamed = dict(options)
    if "run_pause" in renamed:
        renamed.setdefault("interval", renamed["run_pause"])
    return renamed
