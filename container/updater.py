"""Tells accounts what their containers hold.

    container databases ──▶ not reported yet? ──▶ PUT to the account's replicas ──▶ remembered if most took it

A deletion reported by nobody else reaches the account this way, and so do all counts. An account whose
servers do not answer is left alone for a while: its other containers would only wait for them too.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..common import concurrency, recon_cache
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.cluster_secret import credentials
from ..common.concurrency import Crew
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.database.auditing import leave_figures
from ..common.database.layout import databases, paced, usable_devices
from ..common.errors import ApusError, Missing
from ..common.http.client import Pool, PoolConfig
from ..common.timestamp import Timestamp
from ..ring.watch import WatchedRing
from .account_update import AccountServer, report, report_headers
from .broker import ContainerBroker, ContainerInfo
from .server import DATADIR

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdaterSettings:
    """Settings of the container updater."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    interval: float = setting(300.0, help="Seconds from the start of one pass to the next.", minimum=0)
    concurrency: int = setting(4, help="Containers reported at the same time.", minimum=1)
    containers_per_second: float = setting(50.0, help="Containers looked at a second at most.", minimum=0)
    node_timeout: float = setting(3.0, help="Seconds to wait for an account server's answer.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection.", minimum=0)
    account_suppression_time: float = setting(
        60.0, help="Seconds for which an account is left alone after its servers failed.", minimum=0
    )
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )


@dataclass(slots=True)
class Sweep:
    """What a pass did."""

    no_changes: int = 0
    successes: int = 0
    failures: int = 0


class ContainerUpdater(Daemon):
    """Reports the containers of one node."""

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        settings = self.settings = parse(UpdaterSettings, options)
        self.interval_seconds = settings.interval
        cluster = cluster or ClusterConf.load(settings.swift_dir)
        self._salt = cluster.salt
        self._ring = WatchedRing(os.path.join(settings.swift_dir, "account.ring.gz"))
        self._pool = Pool(
            PoolConfig(
                connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
            ),
            default_headers=credentials(cluster.secret),
        )
        self._left_alone: dict[str, float] = {}
        self._sweep = Sweep()

    def run_once(self) -> None:
        """Look at every container once."""
        begun, settings = time.monotonic(), self.settings
        self._sweep = Sweep()
        self._left_alone = {name: until for name, until in self._left_alone.items() if until > begun}
        crew = Crew(settings.concurrency)
        for device in usable_devices(settings.devices, mount_check=settings.mount_check):
            found = databases(settings.devices, device, DATADIR)
            for location in paced(found, settings.containers_per_second):
                crew.spawn(self._process, location.path)
        crew.wait_all()
        seconds = time.monotonic() - begun
        sweep = self._sweep
        log.info(
            "containers reported",
            extra={
                "successes": sweep.successes,
                "failures": sweep.failures,
                "no_changes": sweep.no_changes,
                "seconds": round(seconds, 3),
            },
        )
        leave_figures(settings.recon_cache_path, "container", {"container_updater_sweep": seconds})

    def _process(self, path: str) -> None:
        broker = ContainerBroker(path)
        try:
            self._report(broker)
        except Missing:
            return
        except ApusError as problem:
            self._sweep.failures += 1
            log.error("container not reported", extra={"path": path, "problem": str(problem)})
        finally:
            broker.close()

    def _report(self, broker: ContainerBroker) -> None:
        info = broker.info()
        if not Timestamp.parse(info.put_timestamp).ticks:
            return  # Made by a row that came before its container: its counts mean nothing yet.
        if info.reported:
            self._sweep.no_changes += 1
            return
        if self._left_alone.get(info.account, 0) > time.monotonic():
            return
        statuses = self._tell(info)
        if sum(status // 100 == 2 for status in statuses) > len(statuses) // 2:
            self._sweep.successes += 1
            broker.remember_report(info)
            return
        self._sweep.failures += 1
        self._left_alone[info.account] = time.monotonic() + self.settings.account_suppression_time
        log.warning("no majority of the account's servers took the report", extra={"statuses": statuses})

    def _tell(self, info: ContainerInfo) -> list[int]:
        ring = self._ring.current
        partition = ring.partition(self._salt.path_hash(info.account))
        headers = report_headers(info, override_deleted=True)
        tasks = [
            concurrency.spawn(
                report,
                self._pool,
                AccountServer(device.replication_address, device.device, str(partition)),
                info,
                headers,
            )
            for device in ring.primaries(partition)
        ]
        return [task.wait() for task in tasks]
