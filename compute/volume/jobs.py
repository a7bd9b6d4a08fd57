"""Long work, a step at a time, each recorded before the next begins.

    ordered(connection, "create backup", …) ──▶ row of `jobs` ──▶ Jobs.run_due() ──▶ steps of WORK[kind]
          a step returns None, done, or Later(seconds)
          it raises Unavailable ──▶ again, later; anything else ──▶ failed()

A process that is killed leaves its jobs behind with a date by which they count as abandoned; another process
(or the same one after its restart) goes on at the step that had not ended. So every step may run twice, and
must come to the same. What a step needs to find again it puts in `job.state`, which is kept with the step.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, and_, or_, select, update

from ...common import concurrency
from ...common.errors import ApusError, Unavailable
from ...common.logs import transaction_id
from ..catalogue import Catalogue
from . import rows
from .tables import jobs

log = logging.getLogger(__name__)

World = TypeVar("World")
BACKOFF_MAX_SECONDS = 60.0
HOST = socket.gethostname()


@dataclass(slots=True)
class Job:
    """One piece of long work."""

    id: str
    kind: str
    resource_id: str
    project_id: str
    request_id: str | None
    step: int
    attempts: int
    created_at: float
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """The step has to wait for somebody; run it again after so many seconds."""

    seconds: float


Step = Callable[[World, Job], Later | None]


@dataclass(frozen=True, slots=True)
class Work(Generic[World]):
    """What one kind of job consists of, and what becomes of its resource when it fails."""

    steps: Sequence[Step[World]]
    failed: Callable[[World, Job, str], None]


def ordered(
    connection: Connection,
    kind: str,
    *,
    resource_id: str,
    project_id: str,
    now: float,
    request_id: str | None = None,
    **state: Any,
) -> str:
    """Write down a job in the transaction that promises it; return its id."""
    job_id = rows.new_id()
    rows.add(
        connection,
        jobs,
        {
            "id": job_id,
            "kind": kind,
            "resource_id": resource_id,
            "project_id": project_id,
            "request_id": request_id,
            "step": 0,
            "attempts": 0,
            "state": state,
            "due_at": now,
            "created_at": now,
            "owner": None,
        },
    )
    return job_id


class Jobs(Generic[World]):
    """Runs the jobs of one process."""

    def __init__(
        self,
        catalogue: Catalogue,
        work: Mapping[str, Work[World]],
        clock: Callable[[], float],
        *,
        lease_seconds: float,
        attempts: int,
    ) -> None:
        self._catalogue = catalogue
        self._work = work
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._attempts = attempts
        self._mine: set[str] = set()
        self._wanted = concurrency.Event()

    @property
    def owner(self) -> str:
        """Who runs jobs here: this host and process, so that others can see whether it lives."""
        return f"{HOST}/{os.getpid()}"

    def wake(self) -> None:
        """Have the loop look at once."""
        self._wanted.set()

    def serve(
        self, world: World, *, crew_size: int, poll_seconds: float, each_turn: Callable[[], None]
    ) -> None:
        """Run jobs as they come, until the process ends."""
        crew = concurrency.Crew(crew_size)
        concurrency.spawn(self._stay_alive)
        while True:
            try:
                each_turn()
                while (job := self.claim()) is not None:
                    crew.spawn(self.run, world, job)
            except Exception:  # noqa: BLE001 - a database that is away for a minute must not end the loop
                log.exception("jobs could not be looked for")
            self._wanted.wait(poll_seconds)
            self._wanted.clear()

    def _stay_alive(self) -> None:
        """Say again and again that the jobs here are in good hands."""
        while True:
            concurrency.sleep(self._lease_seconds / 3)
            mine = sorted(self._mine)
            if not mine:
                continue
            due_at = self._clock() + self._lease_seconds
            try:
                with self._catalogue.write() as connection:
                    connection.execute(
                        update(jobs)
                        .where(jobs.c.id.in_(mine), jobs.c.owner == self.owner)
                        .values(due_at=due_at)
                    )
            except Exception:  # noqa: BLE001 - the next turn says it again
                log.exception("jobs could not be kept")

    def run_due(self, world: World) -> int:
        """Run everything that is due, here and now; return how many jobs were begun or gone on with."""
        begun = 0
        while (job := self.claim()) is not None:
            self.run(world, job)
            begun += 1
        return begun

    def claim(self) -> Job | None:
        """Take the job that has waited longest, if any is due or was left by a dead process."""
        return self._catalogue.transaction(self._claim)

    def _claim(self, connection: Connection) -> Job | None:
        now = self._clock()
        left = and_(jobs.c.owner.is_not(None), jobs.c.owner.like(f"{HOST}/%"))
        statement = select(jobs).where(or_(jobs.c.due_at <= now, left)).order_by(jobs.c.due_at, jobs.c.id)
        for row in connection.execute(statement).mappings():
            if row["id"] in self._mine or (row["due_at"] > now and _is_alive(row["owner"], self.owner)):
                continue
            seen = jobs.c.owner.is_(None) if row["owner"] is None else jobs.c.owner == row["owner"]
            taken = connection.execute(
                update(jobs)
                .where(jobs.c.id == row["id"], jobs.c.due_at == row["due_at"], seen)
                .values(owner=self.owner, due_at=now + self._lease_seconds)
            )
            if taken.rowcount:
                self._mine.add(row["id"])
                return _job(dict(row))
        return None

    def run(self, world: World, job: Job) -> None:
        """Go through the steps that are left, as far as it goes now."""
        transaction_id.set(job.request_id or job.id)
        try:
            self._run(world, job)
        except Exception:  # noqa: BLE001 - the job stays in the table, and is taken up when its lease ends
            log.exception("the job's progress could not be recorded", extra={"job": job.id, "kind": job.kind})
        finally:
            self._mine.discard(job.id)

    def _run(self, world: World, job: Job) -> None:
        work = self._work[job.kind]
        while job.step < len(work.steps):
            try:
                outcome = work.steps[job.step](world, job)
            except Unavailable as problem:
                job.attempts += 1
                if job.attempts < self._attempts:
                    log.info("job put off", extra={"job": job.id, "kind": job.kind, "why": str(problem)})
                    self._put_off(job, min(2.0 ** (job.attempts - 1), BACKOFF_MAX_SECONDS))
                    return
                self._give_up(world, work, job, str(problem))
                return
            except ApusError as problem:
                self._give_up(world, work, job, str(problem))
                return
            except Exception:  # noqa: BLE001 - a defect in one job must not end the others; the client sees an error
                log.exception("the job failed", extra={"job": job.id, "kind": job.kind})
                self._give_up(world, work, job, "The service failed; its log says why.")
                return
            if outcome is not None:
                self._put_off(job, outcome.seconds)
                return
            job.step += 1
            job.attempts = 0
            self._record(job)
        self._forget(job)

    def _give_up(self, world: World, work: Work[World], job: Job, why: str) -> None:
        log.warning(
            "job failed", extra={"job": job.id, "kind": job.kind, "resource": job.resource_id, "why": why}
        )
        work.failed(world, job, why)
        self._forget(job)

    def _record(self, job: Job) -> None:
        with self._catalogue.write() as connection:
            rows.change(connection, jobs, job.id, step=job.step, attempts=job.attempts, state=job.state)

    def _put_off(self, job: Job, seconds: float) -> None:
        with self._catalogue.write() as connection:
            rows.change(
                connection,
                jobs,
                job.id,
                step=job.step,
                attempts=job.attempts,
                state=job.state,
                owner=None,
                due_at=self._clock() + seconds,
            )

    def _forget(self, job: Job) -> None:
        with self._catalogue.write() as connection:
            rows.drop(connection, jobs, jobs.c.id == job.id)


def _is_alive(owner: str | None, me: str) -> bool:
    """Whether the process that owns a job of this host still runs; our own jobs are known otherwise."""
    if owner is None:
        return False
    host, _, process = owner.rpartition("/")
    if host != HOST:
        return True
    if owner == me:
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _job(row: Mapping[str, Any]) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        resource_id=row["resource_id"],
        project_id=row["project_id"],
        request_id=row["request_id"],
        step=row["step"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        state=dict(row["state"]),
    )
