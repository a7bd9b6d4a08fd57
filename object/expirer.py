"""Deletes objects whose time has come.

    .expiring_objects: a container per day, a row per object ──▶ tasks that are due, every process its share
        task ──▶ DELETE with X-If-Delete-At at the object's replicas ──▶ done: the row is removed
                                                                    └──▶ not sure: tried again next pass

The queue is read from all replicas of its containers, so a row that reached only one counts. A deletion
stands when a majority of the object's replicas has it; the others learn by replication. The stock expirer
goes through a proxy pipeline of its own; ours asks the rings (doc/decisions), so it needs none.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ..common import recon_cache
from ..common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ..common.concurrency import Crew
from ..common.config import parse, setting
from ..common.daemon import Daemon
from ..common.errors import Refused, Unavailable
from ..common.timestamp import Timestamp, now
from . import expiry
from .auditor import Pace
from .expiry import Task
from .replicas import Replicas, Verdict, verdict
from .settings import RECLAIM_AGE_SECONDS

log = logging.getLogger(__name__)

_DELAY_PREFIX = "delay_reaping_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpirerSettings:
    """How expired objects are deleted."""

    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    interval: float = setting(300.0, help="Seconds from the start of one pass to the next.", minimum=0)
    tasks_per_second: float = setting(50.0, help="Objects deleted a second; 0 for no limit.", minimum=0)
    concurrency: int = setting(8, help="Objects deleted at the same time.", minimum=1)
    processes: int = setting(0, help="How many expirers share the work; 0 for this one alone.", minimum=0)
    process: int = setting(0, help="Which of them this one is, from 0.", minimum=0)
    reclaim_age: float = setting(
        RECLAIM_AGE_SECONDS, help="Seconds for which a task that cannot be done is tried again.", minimum=0
    )
    node_timeout: float = setting(10.0, help="Seconds to wait for a server's answer.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection.", minimum=0)
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )

    def __post_init__(self) -> None:
        """Refuse a share that is nobody's."""
        if self.processes and self.process >= self.processes:
            raise ValueError("process must be less than processes")


@dataclass(frozen=True, slots=True)
class Queued:
    """A task and where in the queue it stands."""

    container: str
    name: str
    task: Task
    is_async_delete: bool


class ObjectExpirer(Daemon):
    """Works through the queue of expiring objects."""

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        settings = self.settings = parse(ExpirerSettings, options)
        self.interval_seconds = settings.interval
        self._delays = delays(options)
        self._replicas = Replicas(
            settings.swift_dir,
            cluster or ClusterConf.load(settings.swift_dir),
            connect_timeout_seconds=settings.conn_timeout,
            response_timeout_seconds=settings.node_timeout,
        )
        self.expired = 0

    def run_once(self) -> None:
        """Do every task that is due."""
        begun, self.expired = time.time(), 0
        crew, pace = Crew(self.settings.concurrency), Pace(self.settings.tasks_per_second)
        for container in self._due_containers():
            rows = 0
            for name, content_type in self._replicas.rows(expiry.ACCOUNT, container):
                rows += 1
                queued = self._due(container, name, content_type)
                if queued is not None:
                    pace.wait()
                    crew.spawn(self._process, queued)
            if not rows:
                self._replicas.delete_container(expiry.ACCOUNT, container, now())
        crew.wait_all()
        seconds = time.time() - begun
        log.info("objects expired", extra={"objects": self.expired, "seconds": round(seconds, 3)})
        figures = {"object_expiration_pass": seconds, "expired_last_pass": self.expired}
        try:
            recon_cache.leave(self.settings.recon_cache_path, "object", figures)
        except OSError as problem:
            log.warning("figures not left for recon", extra={"problem": str(problem)})

    def _due_containers(self) -> Iterator[str]:
        for name in self._replicas.containers(expiry.ACCOUNT):
            if name.isdigit() and int(name) <= time.time():
                yield name

    def _due(self, container: str, name: str, content_type: str) -> Queued | None:
        """Return the task of a row when it is ours and due."""
        try:
            task = expiry.parse_task(name)
        except ValueError:
            log.error("row of the queue is no task", extra={"container": container, "row": name})
            return None
        if not self._is_mine(container, name):
            return None
        is_async = content_type.partition(";")[0].strip() == expiry.ASYNC_DELETE_CONTENT_TYPE
        delay = (
            0.0
            if is_async
            else self._delays.get((task.account, task.container), self._delays.get((task.account, ""), 0.0))
        )
        if task.delete_at + delay > time.time():
            return None
        return Queued(container, name, task, is_async)

    def _is_mine(self, container: str, name: str) -> bool:
        if self.settings.processes <= 1:
            return True
        digest = hashlib.md5(f"{container}/{name}".encode("utf-8", "surrogateescape")).hexdigest()
        return int(digest, 16) % self.settings.processes == self.settings.process

    def _process(self, queued: Queued) -> None:
        try:
            if self._delete(queued):
                self._replicas.delete_row(expiry.ACCOUNT, queued.container, queued.name, now())
                self.expired += 1
        except Unavailable as problem:
            log.warning("object not expired yet", extra={"row": queued.name, "problem": str(problem)})

    def _delete(self, queued: Queued) -> bool:
        """Delete the object; return whether its row has no use any more."""
        task = queued.task
        # A deletion that was put off must not reach what was written in the rest of its second.
        moment = expiry.exact_moment(queued.name) if queued.is_async_delete else Timestamp.of(task.delete_at)
        headers = {"X-Timestamp": moment.normal, "X-Backend-Clean-Expiring-Object-Queue": "no"}
        if not queued.is_async_delete:
            headers["X-If-Delete-At"] = moment.normal
        judged = verdict(self._replicas.delete_object(task.account, task.container, task.obj, headers))
        if judged is Verdict.DONE or (queued.is_async_delete and judged is Verdict.NOT_THERE):
            return True
        # A row whose object is not there, or has another X-Delete-At, may only be ahead of its object.
        return judged is Verdict.NOT_THERE and task.delete_at < time.time() - self.settings.reclaim_age


def delays(options: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """Return the extra seconds of `delay_reaping_ACCOUNT[/CONTAINER]` options by (account, container or "").

    Raises:
        Refused: when one is malformed.
    """
    found = {}
    for option, value in options.items():
        if not option.startswith(_DELAY_PREFIX):
            continue
        account, slash, container = unquote(option[len(_DELAY_PREFIX) :]).partition("/")
        try:
            seconds = float(value)
        except ValueError as problem:
            raise Refused(f"{option} = {value!r}: expected seconds") from problem
        if not account or bool(slash) != bool(container) or "/" in container or seconds < 0:
            raise Refused(f"{option}: expected delay_reaping_ACCOUNT or delay_reaping_ACCOUNT/CONTAINER")
        found[account, container] = seconds
    return found
