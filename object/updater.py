"""Delivers the container updates that object servers could not.

    async_pending ──▶ the newest per object ──▶ every replica of its container that has not taken it yet
        all took it ──▶ removed      moved to a shard ──▶ sent there      some failed ──▶ tried next pass

Which replicas have taken an update is written back into its file, as stock Swift does, whose updater may
take over. It does not know what an update says.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.cluster_secret import credentials
from ..common.concurrency import Crew, spawn
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.errors import Unavailable
from ..common.http.client import Pool, PoolConfig
from ..ring.device import Device
from ..ring.watch import WatchedRing
from . import async_pending
from .async_pending import Pending
from .auditor import Pace
from .container_update import MOVED, redirection
from .files.device import Devices

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectUpdaterSettings:
    """How one node's waiting container updates are delivered."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    interval: float = setting(300.0, help="Seconds from the start of one pass to the next.", minimum=0)
    concurrency: int = setting(8, help="Updates delivered at the same time.", minimum=1)
    objects_per_second: float = setting(50.0, help="Updates begun a second; 0 for no limit.", minimum=0)
    node_timeout: float = setting(10.0, help="Seconds to wait for a container server's answer.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection.", minimum=0)
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )


@dataclass(slots=True)
class Sweep:
    """What a pass did."""

    successes: int = 0
    failures: int = 0
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one replica made of an update."""

    device_id: int
    taken: bool
    moved_to: str | None = None
    moved_at: str = ""


class ObjectUpdater(Daemon):
    """Delivers the updates that wait on one node."""

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        settings = self.settings = parse(ObjectUpdaterSettings, options)
        self.interval_seconds = settings.interval
        self._cluster = cluster or ClusterConf.load(settings.swift_dir)
        self._ring = WatchedRing(os.path.join(settings.swift_dir, "container.ring.gz"))
        self._devices = Devices(settings.devices, mount_check=settings.mount_check)
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
            ),
            default_headers=credentials(self._cluster.secret),
        )
        self.sweep = Sweep()

    def run_once(self) -> None:
        """Try every waiting update once."""
        begun, self.sweep = time.time(), Sweep()
        crew, pace = Crew(self.settings.concurrency), Pace(self.settings.objects_per_second)
        for device in self._devices.names():
            device_path = f"{self._devices.root}/{device}"
            for pending in async_pending.pending(device_path):
                pace.wait()
                crew.spawn(self._process, device_path, pending)
        crew.wait_all()
        seconds = time.time() - begun
        log.info("container updates delivered", extra={**asdict(self.sweep), "seconds": round(seconds, 3)})
        figures = {"object_updater_sweep": seconds, "object_updater_last": time.time()}
        try:
            recon_cache.leave(self.settings.recon_cache_path, "object", figures)
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})

    def _process(self, device_path: str, pending: Pending) -> None:
        try:
            changed = self._deliver(pending)
            if changed and pending.update.get("container_path"):
                changed = self._deliver(pending)  # One immediate try where the container has moved to.
            if changed:
                policy = self._cluster.policies.by_index(pending.policy_index)
                folder = policy.tmp_directory if policy else self._cluster.policies.default.tmp_directory
                async_pending.write(pending.path, f"{device_path}/{folder}", pending.update)
        except OSError as problem:
            self.sweep.failures += 1
            log.error("update not processed", extra={"path": pending.path, "problem": str(problem)})

    def _deliver(self, pending: Pending) -> bool:
        """Send an update to those that lack it; return whether its file must be written again."""
        update = pending.update
        taken: list[int] = list(update.get("successes") or [])
        outcomes = self._ask(pending, taken)
        if all(outcome.taken for outcome in outcomes):
            self.sweep.successes += 1
            async_pending.remove(pending.path)
            async_pending.remove_folder_if_empty(pending.path)
            return False
        moves = [outcome for outcome in outcomes if outcome.moved_to is not None]
        if moves:
            self.sweep.redirects += 1
            _follow(update, max(moves, key=lambda outcome: outcome.moved_at).moved_to)
            return True
        self.sweep.failures += 1
        fresh = [outcome.device_id for outcome in outcomes if outcome.taken]
        update["successes"] = taken + fresh
        return bool(fresh)

    def _ask(self, pending: Pending, taken: list[int]) -> list[Outcome]:
        update = pending.update
        path = update.get("container_path") or f"{update['account']}/{update['container']}"
        account, _, container = path.partition("/")
        ring = self._ring.current
        partition = ring.partition(self._cluster.salt.path_hash(account, container))
        headers = {str(name): str(value) for name, value in update["headers"].items()}
        headers.setdefault("X-Backend-Storage-Policy-Index", str(pending.policy_index))
        headers |= {
            "User-Agent": "object-updater",
            "X-Backend-Accept-Redirect": "true",
            "X-Backend-Accept-Quoted-Location": "true",
        }
        names = quote(f"/{path}/{update['obj']}", errors="surrogateescape")
        tasks = [
            spawn(self._ask_one, device, update["op"], f"/{device.device}/{partition}{names}", headers)
            for device in ring.primaries(partition)
            if device.id not in taken
        ]
        return [task.wait() for task in tasks]

    def _ask_one(self, device: Device, verb: str, path: str, headers: Mapping[str, str]) -> Outcome:
        try:
            response = self._pool.request(device.replication_address, verb, path, headers)
            response.read()
        except Unavailable as problem:
            log.info("update not delivered", extra={"device": device.device, "problem": str(problem)})
            return Outcome(device.id, taken=False)
        if response.status == MOVED:
            goal, moment = redirection(response)
            return Outcome(device.id, taken=False, moved_to=goal, moved_at=moment)
        return Outcome(device.id, taken=response.status // 100 == 2)


def _follow(update: dict[str, Any], goal: str | None) -> None:
    """Send an update to a shard from now on; back to the root when it has been there already."""
    update.pop("successes", None)
    history: list[str] = update.setdefault("redirect_history", [])
    if goal in history or goal is None:
        update["container_path"] = None
        update["redirect_history"] = []
    else:
        update["container_path"] = goal
        history.append(goal)
