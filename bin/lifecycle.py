"""Carries out the lifecycle rules of the S3 buckets whose containers are on this node, and clears up.

    container databases ──▶ has it rules? is it our turn? ──▶ Sweep, through a proxy inside this process
                        └─▶ BUCKET+segments, once a day ──▶ orphans.sweep(), the same way

A container's replicas take turns, a day each: while one of them is down, its buckets wait for the next day's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.database.layout import Location, databases, paced, usable_devices
from ..common.errors import ApusError, Missing
from ..common.http.service import load_app
from ..common.http.wsgi import WSGIApp
from ..container.broker import ContainerBroker
from ..container.server import DATADIR
from ..proxy.app import INNER, app_factory
from ..proxy.middleware import slo, symlink, versioned_writes
from ..proxy.middleware.inner import NOBODYS
from ..proxy.middleware.s3.configuration import documents
from ..proxy.middleware.s3.configuration.expiring import Done, Sweep
from ..proxy.middleware.s3.configuration.xml_memory import lifecycle_rules
from ..proxy.middleware.s3.errors import S3Error
from ..proxy.middleware.s3.multipart import orphans
from ..proxy.middleware.s3.names import SEGMENTS
from ..proxy.middleware.s3.notification import recording
from ..proxy.middleware.s3.request import Request
from ..proxy.middleware.s3.settings import S3Config
from ..ring.mine import local_devices
from ..ring.watch import WatchedRing

log = logging.getLogger(__name__)

DOCUMENT = "lifecycle"
_SYSMETA = "x-container-sysmeta-"
_DAY_SECONDS = 86400
ORIGIN = {"REQUEST_METHOD": "GET", **NOBODYS}
"""Nobody's request, on whose behalf objects are deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleSettings:
    """How lifecycle rules are carried out."""

    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    bind_ip: str = setting("0.0.0.0", help="Address of this node's server, to find its devices in the ring.")
    bind_port: int = setting(0, help="Port of this node's server; 0 for any of this address.")
    interval: float = setting(3600.0, help="Seconds from the start of one pass to the next.", minimum=0)
    containers_per_second: float = setting(
        50.0, help="Databases looked at a second; 0 for no limit.", minimum=0
    )
    orphan_seconds: float = setting(
        86400.0,
        help="Age at which parts of multipart uploads go that belong to no upload and to no object.",
        minimum=0,
    )
    dry_run: bool = setting(False, help="Only log and count what would be deleted.")  # noqa: FBT003
    every_turn: bool = setting(
        False,  # noqa: FBT003
        help="Carry out the rules of every bucket of this node, whichever replica's turn it is today.",
    )
    ahead_seconds: float = setting(
        0.0, help="Seconds by which the clock is put forward: with dry_run, what will be due then."
    )
    internal_client_conf_path: str = setting(
        "",
        help="A file with the pipeline behind which the store is; empty for slo, versioned_writes, symlink.",
    )
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )

    def __post_init__(self) -> None:
        """Refuse to delete today what is due tomorrow."""
        if self.ahead_seconds and not self.dry_run:
            raise ValueError("ahead_seconds is for dry_run only")


def turn_of(now: float, partition: int, replicas: int) -> int:
    """Return which of a container's replicas carries out its rules today."""
    return (int(now // _DAY_SECONDS) + partition) % replicas


class Lifecycle(Daemon):
    """Carries out the rules of one node's buckets."""

    def __init__(self, options: Mapping[str, str]) -> None:
        settings = self.settings = parse(LifecycleSettings, options)
        self.interval_seconds = settings.interval
        self._ring = WatchedRing(os.path.join(settings.swift_dir, "container.ring.gz"))
        if settings.internal_client_conf_path:
            _ = self._app  # A wrong file is to be known now, and not when something is due.
        self.done = Done()
        self._cleared: dict[str, int] = {}

    @cached_property
    def _app(self) -> WSGIApp:
        """Make it when something may be due: on most nodes that is never."""
        settings = self.settings
        common = {"swift_dir": settings.swift_dir}
        if settings.internal_client_conf_path:
            return load_app(settings.internal_client_conf_path, **common, **{INNER: "yes"})
        app: WSGIApp = symlink.filter_factory(common)(app_factory({}, **common))
        app = versioned_writes.filter_factory(common, allow_object_versioning="yes")(app)
        app = recording.filter_factory(common)(app)
        return slo.filter_factory(common)(app)

    def run_once(self) -> None:
        """Look at every container of this node once."""
        settings, begun = self.settings, time.time()
        self.done = Done()
        mine = {
            device.device
            for device in local_devices(self._ring.current, settings.bind_ip, settings.bind_port or None)
        }
        for device in usable_devices(settings.devices, mount_check=settings.mount_check):
            if device in mine:
                found = databases(settings.devices, device, DATADIR)
                for location in paced(found, settings.containers_per_second):
                    self._look_at(location, begun)
        counts, finished = asdict(self.done), time.time()
        times = {"seconds": round(finished - begun, 3), "dry_run": settings.dry_run}
        log.info("lifecycles carried out", extra={**counts, **times})
        figures = {"counts": counts, "finished": finished, **times}
        try:
            recon_cache.leave(settings.recon_cache_path, "container", {"lifecycle_last_pass": figures})
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})

    def _look_at(self, location: Location, now: float) -> None:
        broker = ContainerBroker(location.path)
        try:
            metadata = {name.lower(): value for name, (value, _) in broker.metadata().items()}
            has_rules = bool(metadata.get(f"{_SYSMETA}s3api-{DOCUMENT}"))
            info = broker.info()
            if info.deleted or not (has_rules or info.container.endswith(SEGMENTS)):
                return
            if not self._is_our_turn(location, now):
                return
            if info.container.endswith(SEGMENTS):
                self._clear(info.account, info.container.removesuffix(SEGMENTS), location, now)
            else:
                self._sweep(info.account, info.container, metadata, now)
        except Missing:
            return
        except (ApusError, S3Error, documents.Torn) as problem:
            self.done.failures += 1
            log.warning("lifecycle not carried out", extra={"path": location.path, "problem": str(problem)})
        except Exception:  # noqa: BLE001 - whatever one bucket's owner has set, the others get their turn
            self.done.failures += 1
            log.exception("lifecycle not carried out", extra={"path": location.path})
        finally:
            broker.close()

    def _is_our_turn(self, location: Location, now: float) -> bool:
        """Tell whether this is the replica that does it today; a copy that lies astray never is."""
        primaries = self._ring.current.primaries(location.partition)
        turn = next((at for at, each in enumerate(primaries) if each.device == location.device), None)
        if turn is None:
            return False
        return self.settings.every_turn or turn == turn_of(now, location.partition, len(primaries))

    def _sweep(self, account: str, container: str, metadata: Mapping[str, str], now: float) -> None:
        start = len(_SYSMETA)
        kept = {name[start:]: value for name, value in metadata.items() if name.startswith(_SYSMETA)}
        text = documents.unpacked(DOCUMENT, kept)
        if text is None:
            return
        settings, request = self.settings, self._request(account, container)
        sweep = Sweep(request, lifecycle_rules(text), now + settings.ahead_seconds, dry_run=settings.dry_run)
        try:
            sweep.run()
        finally:
            self.done.add(sweep.done)

    def _clear(self, account: str, bucket: str, location: Location, now: float) -> None:
        """Remove what belongs to nothing beside a bucket; once a day is enough."""
        settings, today = self.settings, int(now // _DAY_SECONDS)
        if self._cleared.get(location.path) == today and not settings.every_turn:
            return
        request = self._request(account, bucket)
        swept = orphans.sweep(request, now - settings.orphan_seconds, dry_run=settings.dry_run)
        self._cleared = {path: day for path, day in self._cleared.items() if day == today}
        self._cleared[location.path] = today
        self.done.looked_at += swept.uploads
        self.done.orphans += swept.removed
        self.done.failures += swept.failures

    def _request(self, account: str, bucket: str) -> Request:
        """Return a request that may do everything in a bucket."""
        config = S3Config()
        kept_seconds = min(config.parts_kept_seconds, self.settings.orphan_seconds)
        request = Request(
            {**ORIGIN, "PATH_INFO": "/", "QUERY_STRING": ""},
            self._app,
            replace(config, parts_kept_seconds=kept_seconds),
            account=account,
            bucket=bucket,
            key=None,
            query={},
        )
        request.grant()
        return request
