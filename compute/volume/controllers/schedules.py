"""Backups by the clock, and how many of them stay: an extension of ours, since Cinder has none.

GET POST /backup-schedules   GET PUT DELETE /backup-schedules/{id}
run_due() ──▶ once a turn of the job loop

    {"backup_schedule": {"volume_id", "interval_seconds", "keep_last", "keep_daily", "keep_weekly",
                         "keep_monthly",
                         "name", "description", "enabled"}}
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Fault
from ...api.reply import answer, empty
from .. import rows
from ..office import Office
from ..reading import identifier, text, whole_number, yes_or_no
from ..retention import Plan, due, expired, next_run_at
from ..tables import backups, schedules, volumes
from ..views import backup as view
from ..views.viewer import Row
from .backup_making import Wish, make_backup, newest_backup
from .backups import order_backup_deletion
from .doors import at, found

log = logging.getLogger(__name__)

PLAN_WORDS = ("interval_seconds", "keep_last", "keep_daily", "keep_weekly", "keep_monthly")


@dataclass(frozen=True, slots=True)
class ScheduleController:
    """Serves /backup-schedules."""

    office: Office

    @at("POST", "/backup-schedules")
    def create(self, call: Call) -> Response:
        """Begin to back a volume up by the clock; the first backup is made at once."""
        document = call.member("backup_schedule")
        volume_id = identifier(document, "volume_id")
        if volume_id is None or "interval_seconds" not in document:
            raise BadRequest("'volume_id' and 'interval_seconds' must be specified.")
        plan = plan_of(document, dict.fromkeys(PLAN_WORDS, 0))
        row: dict[str, Any] = {
            "id": rows.new_id(),
            "user_id": call.identity.user_id,
            "name": text(document, "name"),
            "description": text(document, "description"),
            "volume_id": volume_id,
            "enabled": yes_or_no(document, "enabled", otherwise=True),
            **_words(plan),
            "created_at": self.office.clock(),
            "updated_at": None,
            "last_run_at": None,
            "last_fault": None,
        }

        def work(connection: Connection) -> None:
            volume = found(connection, call, volumes, volume_id, what="Volume")
            row["project_id"] = volume["project_id"]
            rows.add(connection, schedules, row)

        self.office.written(work)
        return answer(201, {"backup_schedule": self._shown(row)})

    @at("GET HEAD", "/backup-schedules")
    def index(self, call: Call) -> Response:
        """List the project's schedules; ?volume_id= for one volume's."""
        conditions = [schedules.c.project_id == call.project_id]
        if wanted := call.query.get("volume_id"):
            conditions.append(schedules.c.volume_id == wanted)
        with self.office.catalogue.read() as connection:
            listed = rows.where(connection, schedules, *conditions)
        return answer(200, {"backup_schedules": [self._shown(row) for row in listed]})

    @at("GET HEAD", "/backup-schedules/{schedule_id}")
    def show(self, call: Call, schedule_id: str) -> Response:
        """Show one."""
        with self.office.catalogue.read() as connection:
            row = found(connection, call, schedules, schedule_id, what="Backup schedule")
        return answer(200, {"backup_schedule": self._shown(row)})

    @at("PUT", "/backup-schedules/{schedule_id}")
    def update(self, call: Call, schedule_id: str) -> Response:
        """Change when and what it keeps, or switch it off and on."""
        document = call.member("backup_schedule")

        def work(connection: Connection) -> Row:
            row = found(connection, call, schedules, schedule_id, what="Backup schedule", lock=True)
            changes: dict[str, Any] = _words(plan_of(document, row))
            changes |= {name: text(document, name) for name in ("name", "description") if name in document}
            changes["enabled"] = yes_or_no(document, "enabled", otherwise=row["enabled"])
            changes["updated_at"] = self.office.clock()
            rows.change(connection, schedules, schedule_id, **changes)
            return {**row, **changes}

        return answer(200, {"backup_schedule": self._shown(self.office.written(work))})

    @at("DELETE", "/backup-schedules/{schedule_id}")
    def delete(self, call: Call, schedule_id: str) -> Response:
        """Stop it; the backups that it made stay."""
        with self.office.catalogue.write() as connection:
            found(connection, call, schedules, schedule_id, what="Backup schedule", lock=True)
            rows.drop(connection, schedules, schedules.c.id == schedule_id)
        return empty(204)

    def _shown(self, row: Row) -> dict[str, Any]:
        at_last = row["last_run_at"]
        upcoming = next_run_at(plan_of({}, row), last_run_at=at_last, now=self.office.clock())
        return view.schedule(row, next_run_at=upcoming if row["enabled"] else None)


def plan_of(document: dict[str, Any], otherwise: Row) -> Plan:
    """Return the plan that a document says, where it says nothing as it was.

    Raises:
        BadRequest: a number is none, or out of its range.
    """
    values = {
        name: whole_number(name, document[name]) if document.get(name) is not None else otherwise[name]
        for name in PLAN_WORDS
    }
    try:
        return Plan(**values)
    except ValueError as problem:
        raise BadRequest(f"Invalid input received: {problem}.") from problem


def _words(plan: Plan) -> dict[str, int]:
    return {name: getattr(plan, name) for name in PLAN_WORDS}


def run_due(office: Office) -> int:
    """Order the backups that are due, and the end of those that no plan keeps; return how many began."""
    with office.catalogue.read() as connection:
        now = office.clock()
        waiting = [
            row["id"]
            for row in rows.where(connection, schedules, schedules.c.enabled.is_(True))
            if due(plan_of({}, row), last_run_at=row["last_run_at"], now=now)
        ]
        planned = list(connection.execute(select(schedules.c.id)).scalars())
    begun = sum(_run(office, schedule_id) for schedule_id in waiting)
    for schedule_id in planned:
        _let_expire(office, schedule_id)
    return begun


def _run(office: Office, schedule_id: str) -> bool:
    """Begin one backup, unless another process has just done so; a refusal is noted in the schedule."""

    def work(connection: Connection) -> bool:
        row = rows.one(connection, schedules, schedule_id, lock=True)
        now = office.clock()
        if row is None or not row["enabled"]:
            return False
        if not due(plan_of({}, row), last_run_at=row["last_run_at"], now=now):
            return False
        wish = Wish(
            volume_id=row["volume_id"],
            user_id=row["user_id"],
            request_id=None,
            schedule_id=schedule_id,
            name=row["name"] or f"schedule-{schedule_id}",
            description=row["description"],
            incremental=newest_backup(connection, row["volume_id"]) is not None,
            attached_too=True,
        )
        make_backup(connection, office, wish)
        ran_at = next_run_at(plan_of({}, row), last_run_at=row["last_run_at"], now=now)
        rows.change(connection, schedules, schedule_id, last_run_at=ran_at, last_fault=None)
        return True

    try:
        return office.written(work)
    except Fault as fault:
        log.warning("scheduled backup refused", extra={"schedule": schedule_id, "why": fault.message})
        with office.catalogue.write() as connection:
            # The next turn tries again: a volume that is busy now is free in a moment.
            rows.change(connection, schedules, schedule_id, last_fault=fault.message)
        return False


def _let_expire(office: Office, schedule_id: str) -> None:
    def work(connection: Connection) -> None:
        row = rows.one(connection, schedules, schedule_id, lock=True)
        if row is None:
            return
        own = (backups.c.schedule_id == schedule_id, backups.c.status == "available")
        there = {backup["id"]: backup for backup in rows.where(connection, backups, *own)}
        made_at = {backup_id: float(backup["data_timestamp"]) for backup_id, backup in there.items()}
        for backup_id in expired(plan_of({}, row), made_at):
            order_backup_deletion(connection, office, there[backup_id], request_id=None)

    office.catalogue.transaction(work)  # Whoever runs this looks for jobs next; nobody need be woken.
