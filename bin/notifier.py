"""Tells webhooks what has happened to objects of buckets that want it.

    targets, queues of the log ──▶ those that are ours ──▶ a Delivery per target ──▶ figures for recon

Targets are worked through side by side, each for so many seconds a pass: one that hangs holds up the others
for no longer than that. Several notifiers share the queues; none needs to know that the others live.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY
from ..common.concurrency import spawn
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.errors import Unavailable
from ..proxy.app import app_factory
from ..proxy.middleware import slo, symlink, versioned_writes
from ..proxy.middleware.s3.notification import queues
from ..proxy.middleware.s3.notification.delivery import Delivery, Done, Terms
from ..proxy.middleware.s3.notification.doubts import Doubts
from ..proxy.middleware.s3.notification.queues import Queue
from ..proxy.middleware.s3.notification.resting import Rests
from ..proxy.middleware.s3.notification.targets import Target, Targets
from .lifecycle import ORIGIN

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSettings:
    """How events of buckets are delivered."""

    swift_dir: str = setting(
        DEFAULT_DIRECTORY, help="Folder of swift.conf, the rings and notification-targets.conf."
    )
    interval: float = setting(5.0, help="Seconds from the start of one pass to the next.", minimum=0)
    pass_seconds: float = setting(
        20.0, help="Seconds that a pass may take for one target; the rest is for the next one.", minimum=0
    )
    processes: int = setting(
        0,
        help="How many notifiers share the work; 0 for this one alone. A target has as many queues as "
        f"{queues.SHARDS}, so more than that help with several targets only.",
        minimum=0,
    )
    process: int = setting(0, help="Which of them this one is, from 0.", minimum=0)
    retry_seconds: float = setting(
        5.0, help="Seconds until what failed is tried again; each time twice as long.", minimum=0
    )
    retry_seconds_max: float = setting(300.0, help="Longest such time.", minimum=0)
    give_up_seconds: float = setting(
        0.0, help="Age from which an event that its target does not take is dropped; 0 for never.", minimum=0
    )
    settle_seconds: float = setting(
        60.0, help="Age from which it is looked what became of a change whose proxy has died.", minimum=0
    )
    patience_seconds: float = setting(
        86400.0,
        help="Longest time that a request may take: what has left no trace by then is taken for failed.",
        minimum=0,
    )
    location: str = setting("us-east-1", help="Region that messages name; as the proxies' filter s3 has it.")
    dry_run: bool = setting(False, help="Only log and count what would be sent.")  # noqa: FBT003
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )

    def __post_init__(self) -> None:
        """Refuse a share that is nobody's."""
        if self.processes and self.process >= self.processes:
            raise ValueError("process must be less than processes")


class Notifier(Daemon):
    """Works through the log of what has happened."""

    def __init__(self, options: Mapping[str, str]) -> None:
        settings = self.settings = parse(NotifierSettings, options)
        self.interval_seconds = settings.interval
        self._targets = Targets(settings.swift_dir)
        common = {"swift_dir": settings.swift_dir}
        proxy = app_factory({}, **common)
        shown = symlink.filter_factory(common)(proxy)
        shown = versioned_writes.filter_factory(common, allow_object_versioning="yes")(shown)
        self._doubts = Doubts(proxy, slo.filter_factory(common)(shown), ORIGIN)
        self._entries = proxy.row_log(queues.ACCOUNT)
        self._rests = Rests(settings.retry_seconds, settings.retry_seconds_max)
        self._terms = Terms(
            region=settings.location,
            settle_seconds=settings.settle_seconds,
            patience_seconds=settings.patience_seconds,
            give_up_seconds=settings.give_up_seconds,
            dry_run=settings.dry_run,
        )
        self._done: dict[str, Done] = {}
        self._unknown: set[str] = set()

    def run_once(self) -> None:
        """Work through this process's queues once."""
        begun = time.time()
        targets = self._targets.all()
        ours = self._queues(targets, begun)
        tasks = {
            name: spawn(self._deliver, target, ours[name], begun)
            for name, target in targets.items()
            if not self._rests.is_resting(name)
        }
        self._done = {name: done for name, done in self._done.items() if name in targets}
        for name, task in tasks.items():
            self._done[name] = task.wait()
        self._tell(time.time() - begun)

    def _deliver(self, target: Target, ours: Sequence[Queue], begun: float) -> Done:
        delivery = Delivery(
            target,
            self._entries,
            self._doubts,
            self._terms,
            rests=self._rests,
            clock=time.time,
            until=begun + self.settings.pass_seconds,
        )
        try:
            return delivery.run(ours)
        except Exception:  # noqa: BLE001 - whatever one target's events are, the others get theirs
            log.exception("events not delivered", extra={"target": target.name})
            return delivery.done

    def _queues(self, targets: Mapping[str, Target], now: float) -> Mapping[str, Sequence[Queue]]:
        """Return this process's queues by their targets: what is listed, and what may not be yet."""
        settings = self.settings
        found = {queue for name in targets for queue in queues.present(name, now)}
        try:
            listed = [queues.queue_named(name) for name in self._entries.containers()]
        except Unavailable as problem:
            log.warning("queues of notifications not listed", extra={"problem": str(problem)})
            listed = []
        found.update(queue for queue in listed if queue is not None)
        unknown = {queue.target for queue in found} - targets.keys()
        for name in unknown - self._unknown:
            log.warning("events wait for a target that is not configured any more", extra={"target": name})
        self._unknown = unknown
        return {
            name: [
                queue
                for queue in found
                if queue.target == name and queue.belongs_to(settings.process, settings.processes)
            ]
            for name in targets
        }

    def _tell(self, seconds: float) -> None:
        """Leave the figures of the pass in the log and for recon."""
        total = Done()
        for done in self._done.values():
            total.add(done)
        level = logging.DEBUG if total == Done() else logging.INFO  # Mostly there is nothing to tell.
        log.log(level, "events delivered", extra={**asdict(total), "seconds": round(seconds, 3)})
        figures = {
            "seconds": round(seconds, 3),
            "finished": time.time(),
            "targets": {name: asdict(done) for name, done in self._done.items()},
        }
        process, path = str(self.settings.process), self.settings.recon_cache_path
        try:
            recon_cache.leave(path, "container", {"notifier_last_pass": {process: None}})
            recon_cache.leave(path, "container", {"notifier_last_pass": {process: figures}})
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})
