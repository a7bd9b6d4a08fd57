"""What a backup, or the volume that one is restored into, begins as: checks, a row, a job.

Wish ──▶ make_backup() ──▶ row of `backups`, job        schedules make theirs by the same way
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from .. import rows
from ..jobs import ordered
from ..office import Office
from ..record import SERVICE, Record
from ..status import SNAPSHOT_ACTIONS, VOLUME_ACTIONS, Condition, refusal
from ..tables import backups, snapshots, types, volumes
from ..views.viewer import Row
from ..work.ending import attached_count
from .doors import found, refuse
from .quota_check import check
from .volume_making import default_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A backup that somebody wants."""

    volume_id: str
    user_id: str
    request_id: str | None
    snapshot_id: str | None = None
    schedule_id: str | None = None
    name: str | None = None
    description: str | None = None
    container: str | None = None
    incremental: bool = False
    attached_too: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


def make_backup(connection: Connection, office: Office, wish: Wish) -> Row:
    """Check whether it may begin, write the row, order the job; return the row.

    Raises:
        BadRequest: the volume or snapshot is in no state for it, or there is nothing to be an increment of.
        NotFound: there is no such volume or snapshot.
        OverLimit: the project has no room for it.
    """
    volume = rows.one(connection, volumes, wish.volume_id, lock=True)
    if volume is None:
        raise NotFound(f"Volume {wish.volume_id} could not be found.")
    data_timestamp = _begin(connection, office, wish, volume)
    size = volume["size"]
    check(connection, volume["project_id"], {"backups": 1, "backup_gigabytes": size})
    parent = newest_backup(connection, wish.volume_id)
    if wish.incremental and parent is None:
        raise BadRequest(
            "Invalid backup: No backups available to do an incremental backup. Make a full one first."
        )
    now, backup_id = office.clock(), rows.new_id()
    row: dict[str, Any] = {
        "id": backup_id,
        "project_id": volume["project_id"],
        "user_id": wish.user_id,
        "name": wish.name,
        "description": wish.description,
        "created_at": now,
        "updated_at": now,
        "volume_id": wish.volume_id,
        "snapshot_id": wish.snapshot_id,
        "schedule_id": wish.schedule_id,
        "parent_id": parent["id"] if wish.incremental and parent is not None else None,
        "size": size,
        "status": "creating",
        "container": wish.container or f"{volume['project_id']}-maps",
        "availability_zone": office.config.availability_zone,
        "fail_reason": None,
        "object_count": 0,
        "bytes_added": 0,
        "data_timestamp": data_timestamp,
        "metadata": wish.metadata,
        "volume_facts": {
            name: volume[name]
            for name in ("bootable", "image_metadata", "metadata", "type_id", "name", "description")
        },
        "map_id": None,
        "map_project": volume["map_project"],
    }
    rows.add(connection, backups, row)
    ordered(
        connection, "create backup", resource_id=backup_id, project_id=row["project_id"], now=now,
        request_id=wish.request_id, map_id=rows.new_id(), snapshot_id=wish.snapshot_id,
        volume_id=wish.volume_id,
    )  # fmt: skip
    return row


def _begin(connection: Connection, office: Office, wish: Wish, volume: Row) -> float:
    """Mark what is to be backed up; return when its data were as the backup will have them."""
    now = office.clock()
    if wish.snapshot_id is None:
        action = VOLUME_ACTIONS["back up attached" if wish.attached_too else "back up"]
        refuse(
            refusal(
                action,
                Condition(status=volume["status"], attachments=attached_count(connection, volume["id"])),
            )
        )
        rows.change(
            connection,
            volumes,
            volume["id"],
            status="backing-up",
            previous_status=volume["status"],
            updated_at=now,
        )
        return now
    snapshot = rows.one(connection, snapshots, wish.snapshot_id, lock=True)
    if snapshot is None or snapshot["project_id"] != volume["project_id"]:
        raise NotFound(f"Snapshot {wish.snapshot_id} could not be found.")
    if snapshot["volume_id"] != volume["id"]:
        raise BadRequest(f"Invalid snapshot: {wish.snapshot_id} is no snapshot of the volume {volume['id']}.")
    refuse(refusal(SNAPSHOT_ACTIONS["back up"], Condition(status=snapshot["status"]), what="Snapshot"))
    rows.change(connection, snapshots, wish.snapshot_id, status="backing-up", updated_at=now)
    return float(snapshot["created_at"])


def newest_backup(connection: Connection, volume_id: str) -> Row | None:
    """Return what an increment is measured against: the backup with the newest data."""
    there = rows.where(connection, backups, backups.c.volume_id == volume_id, backups.c.status == "available")
    return max(there, key=lambda row: (row["data_timestamp"], row["created_at"]), default=None)


def volume_to_restore(
    connection: Connection,
    office: Office,
    call: Call,
    backup: Row,
    *,
    volume_id: str | None,
    name: str | None,
) -> Row:
    """Return the volume that a backup goes into: the one that is named, or a new one.

    Raises:
        BadRequest: the volume is too small, or in no state for it.
    """
    now = office.clock()
    if volume_id is not None:
        volume = found(connection, call, volumes, volume_id, what="Volume", lock=True)
        condition = Condition(status=volume["status"], attachments=attached_count(connection, volume_id))
        refuse(refusal(VOLUME_ACTIONS["restore into"], condition))
        if volume["size"] < backup["size"]:
            raise BadRequest(
                f"Invalid input received: volume size {volume['size']} GB is too small to restore "
                f"backup of size {backup['size']} GB."
            )
        rows.change(
            connection,
            volumes,
            volume_id,
            status="restoring-backup",
            previous_status=volume["status"],
            updated_at=now,
        )
        return volume
    return _new_volume(connection, office, call, backup, name=name)


def _new_volume(connection: Connection, office: Office, call: Call, backup: Row, *, name: str | None) -> Row:
    """Write the row of a volume that a backup will fill; it has what the backed-up one had."""
    now = office.clock()
    facts = backup["volume_facts"]
    kind = rows.one(connection, types, facts["type_id"]) if facts.get("type_id") else None
    kind = kind or default_type(connection, office, call.project_id)
    wanted = {"volumes": 1, "gigabytes": backup["size"]}
    check(connection, call.project_id, wanted, type_name=kind["name"])
    row: dict[str, Any] = {
        "id": rows.new_id(),
        "project_id": call.project_id,
        "user_id": call.identity.user_id,
        "name": name or facts.get("name") or f"restore_backup_{backup['id']}",
        "description": facts.get("description"),
        "created_at": now,
        "updated_at": now,
        "size": backup["size"],
        "status": "restoring-backup",
        "type_id": kind["id"],
        "availability_zone": office.config.availability_zone,
        "bootable": bool(facts.get("bootable")),
        "read_only": False,
        "multiattach": False,
        "backup_id": backup["id"],
        "metadata": facts.get("metadata", {}),
        "image_metadata": facts.get("image_metadata", {}),
        "map_id": None,
        "map_project": call.project_id,
    }
    rows.add(connection, volumes, row)
    return row


def make_imported(connection: Connection, office: Office, call: Call, known: Record, *, service: str) -> Row:
    """Write the row of a backup that was made elsewhere, and order the job that takes it in.

    Raises:
        Conflict: the backup is here already, as another one than what the record names.
    """
    project_id = call.project_id
    if rows.one(connection, backups, known.id) is not None:
        raise Conflict(f"Backup {known.id} is here already.")
    check(connection, project_id, {"backups": 1, "backup_gigabytes": known.size})
    now = office.clock()
    row: dict[str, Any] = {
        "id": known.id,
        "project_id": project_id,
        "user_id": call.identity.user_id,
        "name": known.name,
        "description": known.description,
        "created_at": now,
        "updated_at": now,
        "volume_id": known.volume_id,
        "snapshot_id": None,
        "parent_id": None,
        "size": known.size,
        "status": "creating",
        "container": known.container,
        "availability_zone": office.config.availability_zone,
        "data_timestamp": now,
        "object_count": 0,
        "bytes_added": 0,
        "metadata": known.metadata,
        "volume_facts": {},
        "map_id": None,
        "map_project": project_id,
    }
    rows.add(connection, backups, row)
    kind = "adopt backup" if service == SERVICE else "import backup"
    ordered(
        connection, kind, resource_id=known.id, project_id=project_id, now=now, request_id=call.request_id,
        map_id=rows.new_id(), container=known.container, prefix=known.prefix,
        source=[known.map_project, known.map_id],
    )  # fmt: skip
    return row
