"""How jobs end, well or not: what the catalogue says then, and what is left for the client to read.

publish(…) ──▶ the row, or None when it is gone or was taken away meanwhile
tell(…) ──▶ a row of `messages`
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, func, select

from .. import rows
from ..disks import Place
from ..jobs import Job
from ..office import Office
from ..status import failed, resting
from ..tables import attachments, messages, volumes
from ..views.viewer import Row

log = logging.getLogger(__name__)

DAY = 86400.0
KIND_OF: Mapping[str, str] = {"volumes": "VOLUME", "snapshots": "VOLUME_SNAPSHOT", "backups": "VOLUME_BACKUP"}
_RECORDED = (
    "id",
    "project_id",
    "user_id",
    "name",
    "description",
    "created_at",
    "size",
    "metadata",
    "type_id",
    "availability_zone",
    "bootable",
    "read_only",
    "multiattach",
    "image_metadata",
    "volume_id",
    "snapshot_id",
    "parent_id",
    "data_timestamp",
    "volume_facts",
    "container",
    "map_id",
    "map_project",
)


def publish(office: Office, table: Table, row_id: str, *, expected: str, **values: Any) -> Row | None:
    """Write the outcome into the row, if the row still waits for it; return the row, or None.

    The record is written first: whoever is killed in between does both again, and nobody is told of an
    outcome that a lost catalogue could not be given back.
    """
    waiting = still(office, table, row_id, expected)
    if waiting is None:
        return None
    write_record(office, table, {**waiting, **values})

    def work(connection: Connection) -> Row | None:
        row = rows.one(connection, table, row_id, lock=True)
        if row is None or row["status"] != expected:
            return None
        values.setdefault("updated_at", office.clock())
        rows.change(connection, table, row_id, **values)
        return {**row, **values}

    row = office.catalogue.transaction(work)
    if row is None:
        _forget_lost(office, table, {**waiting, **values})
    return row


def _forget_lost(office: Office, table: Table, row: Row) -> None:
    """Remove the record of what was removed while it was written."""
    with office.catalogue.read() as connection:
        is_there = rows.one(connection, table, row["id"]) is not None
    if not is_there:
        office.disks.forget(row["map_project"], table.name, row["id"])


def write_record(office: Office, table: Table, row: Row) -> None:
    """Keep beside the map what the catalogue knows of it."""
    facts = {name: row[name] for name in _RECORDED if name in row}
    office.disks.record(row["map_project"], table.name, row["id"], facts)


def place_of(row: Row) -> Place | None:
    """Return where the row's map is, None before it has one."""
    return Place(row["map_project"], row["map_id"]) if row["map_id"] else None


def still(office: Office, table: Table, row_id: str, status: str) -> Row | None:
    """Return the row if it is in that status, else None: then there is nothing left to do."""
    with office.catalogue.read() as connection:
        row = rows.one(connection, table, row_id)
    return row if row is not None and row["status"] == status else None


def attached_count(connection: Connection, volume_id: str) -> int:
    """Return how many attachments hold the volume."""
    statement = select(func.count()).where(
        attachments.c.volume_id == volume_id, attachments.c.status.in_(("attached", "detaching"))
    )
    return connection.execute(statement).scalar_one()


def reserved_count(connection: Connection, volume_id: str) -> int:
    """Return how many attachments wait for their host."""
    statement = select(func.count()).where(
        attachments.c.volume_id == volume_id, attachments.c.status.in_(("reserved", "attaching"))
    )
    return connection.execute(statement).scalar_one()


def rest(connection: Connection, volume_id: str, **values: Any) -> None:
    """Put a volume back to the status that its attachments say."""
    status = resting(attached_count(connection, volume_id), reserved=reserved_count(connection, volume_id))
    rows.change(connection, volumes, volume_id, status=status, previous_status=None, **values)


def leave(office: Office, volume_id: str, doing: str) -> None:
    """End work that only read the volume: it rests again, unless something else was done to it."""

    def work(connection: Connection) -> None:
        row = rows.one(connection, volumes, volume_id, lock=True)
        if row is not None and row["status"] == doing:
            rest(connection, volume_id)

    office.catalogue.transaction(work)


def fail(office: Office, table: Table, job: Job, why: str, *, doing: str, **values: Any) -> None:
    """Mark the resource as failed, if it still is at this work, and tell its owner why."""

    def work(connection: Connection) -> None:
        row = rows.one(connection, table, job.resource_id, lock=True)
        if row is None:
            return
        if row["status"] == doing:
            now = office.clock()
            rows.change(connection, table, job.resource_id, status=failed(doing), updated_at=now, **values)
        tell(connection, office, table, job, why)

    office.catalogue.transaction(work)


def tell(connection: Connection, office: Office, table: Table, job: Job, why: str) -> None:
    """Leave a message for the project."""
    now = office.clock()
    message = {
        "id": rows.new_id(),
        "project_id": job.project_id,
        "request_id": job.request_id,
        "resource_type": KIND_OF.get(table.name, "VOLUME"),
        "resource_id": job.resource_id,
        "event_id": f"{KIND_OF.get(table.name, 'VOLUME')}_{job.kind.replace(' ', '_').upper()}",
        "text": f"{job.kind}: {why}",
        "created_at": now,
        "expires_at": now + office.config.message_days * DAY,
    }
    rows.add(connection, messages, message)


def remove(office: Office, table: Table, row: Row) -> None:
    """Delete what a row stands for: its map, its record, and the row itself last."""
    place = place_of(row)
    if place is not None:
        office.disks.delete(place)
    office.disks.forget(row["map_project"], table.name, row["id"])
    with office.catalogue.write() as connection:
        rows.drop(connection, table, table.c.id == row["id"])
