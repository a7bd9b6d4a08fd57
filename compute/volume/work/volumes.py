"""A volume made, grown, put back, deleted, given away.

job "create volume": source ──▶ map ──▶ row available

Each volume gets a map of its own; the blocks are shared.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table

from ....common.errors import Missing, Refused
from .. import rows
from ..back_end import unsuited
from ..disks import GIB, Place
from ..jobs import Job, Later, Work
from ..office import Office
from ..tables import attachments, backups, schedules, snapshots, transfers, types, volumes
from ..views.viewer import Row
from .commit import copy_newest
from .ending import fail, place_of, publish, remove, rest, still, write_record
from .image_data import image_disk, make_from_image


def _fill(office: Office, job: Job) -> Later | None:
    """Make the new volume's map out of its source."""
    row = still(office, volumes, job.resource_id, "creating")
    if row is None:
        return None
    _check_type(office, row)
    target, size = Place(row["map_project"], job.state["map_id"]), row["size"] * GIB
    match job.state["source"]:
        case "nothing":
            office.disks.make_empty(target, size)
        case "image":
            make_from_image(office, image_disk(job), target, size)
        case "volume":
            return copy_newest(office, job, row["source_volume_id"], to=target, size=size)
        case "snapshot":
            office.disks.copy(_map_of(office, "snapshot", row["snapshot_id"]), to=target, size=size)
        case "backup":
            office.disks.copy(_map_of(office, "backup", row["backup_id"]), to=target, size=size)
    return None


def _check_type(office: Office, row: Row) -> None:
    """Refuse a volume whose type wants another back end: after the request, as a scheduler does."""
    with office.catalogue.read() as connection:
        kind = rows.one(connection, types, row["type_id"]) if row["type_id"] else None
    why = unsuited(kind["extra_specs"]) if kind is not None else None
    if why is not None:
        raise Refused(why)


def _map_of(office: Office, kind: str, row_id: str) -> Place:
    with office.catalogue.read() as connection:
        row = rows.one(connection, {"snapshot": snapshots, "backup": backups}[kind], row_id)
    place = place_of(row) if row is not None else None
    if place is None:
        raise Missing(f"The {kind} {row_id} is gone.")
    return place


def _offer(office: Office, job: Job) -> None:
    """Show the volume to its owner, or throw away what nobody waits for any more."""
    map_id = job.state["map_id"]
    if (
        publish(office, volumes, job.resource_id, expected="creating", status="available", map_id=map_id)
        is None
    ):
        drop_unless_owned(office, job, map_id)
    if job.state["source"] == "backup":
        with office.catalogue.write() as connection:
            finish_restore(connection, job.state.get("backup_id"))


def drop_unless_owned(office: Office, job: Job, map_id: str) -> None:
    """Delete a map that this job made, unless the volume has it (the step ran before)."""
    with office.catalogue.read() as connection:
        row = rows.one(connection, volumes, job.resource_id)
    if row is None or row["map_id"] != map_id:
        project = job.project_id if row is None else row["map_project"]
        office.disks.delete(Place(project, map_id))


def finish_restore(connection: Connection, backup_id: str | None) -> None:
    """Let a backup be available again when nothing restores from it any more."""
    if backup_id is None:
        return
    backup = rows.one(connection, backups, backup_id, lock=True)
    if backup is not None and backup["status"] == "restoring":
        rows.change(connection, backups, backup_id, status="available")


def _creation_failed(office: Office, job: Job, why: str) -> None:
    drop_unless_owned(office, job, job.state["map_id"])
    fail(office, volumes, job, why, doing="creating")
    with office.catalogue.write() as connection:
        finish_restore(connection, job.state.get("backup_id"))


def _delete(office: Office, job: Job) -> None:
    """Delete the snapshots that go with it, then the volume."""
    row = still(office, volumes, job.resource_id, "deleting")
    if row is None:
        return
    with office.catalogue.read() as connection:
        going = [
            rows.one(connection, snapshots, snapshot_id) for snapshot_id in job.state.get("snapshots", ())
        ]
    for snapshot in going:
        if snapshot is not None:
            remove(office, snapshots, snapshot)
    for table in (attachments, schedules, transfers):
        with office.catalogue.write() as connection:
            rows.drop(connection, table, table.c.volume_id == job.resource_id)
    remove(office, volumes, row)


def _deletion_failed(office: Office, job: Job, why: str) -> None:
    fail(office, volumes, job, why, doing="deleting")


def _grow(office: Office, job: Job) -> None:
    row = about_to_exchange(office, job)
    if row is not None:
        target = Place(row["map_project"], job.state["map_id"])
        office.disks.copy(Place(row["map_project"], row["map_id"]), to=target, size=job.state["size"] * GIB)


def about_to_exchange(office: Office, job: Job) -> Row | None:
    """Note which map the volume has before it gets another; None when it waits for none any more."""
    row = still(office, volumes, job.resource_id, job.state["doing"])
    if row is None or row["map_id"] == job.state["map_id"]:
        return None
    job.state["old_map_id"] = row["map_id"]
    return row


def exchange(office: Office, job: Job) -> None:
    """Give the volume the map that was made for it, if it still waits for it."""
    doing, map_id = job.state["doing"], job.state["map_id"]

    def work(connection: Connection) -> None:
        row = rows.one(connection, volumes, job.resource_id, lock=True)
        if row is None or row["status"] != doing or row["map_id"] == map_id:
            return
        size = job.state.get("size", row["size"])
        facts = job.state.get("values", {})
        rest(connection, row["id"], map_id=map_id, size=size, updated_at=office.clock(), **facts)

    office.catalogue.transaction(work)


def clean_up(office: Office, job: Job) -> None:
    """Delete whichever of the two maps the volume does not have; the volume's record says what it has."""
    with office.catalogue.read() as connection:
        row = rows.one(connection, volumes, job.resource_id)
    project = job.project_id if row is None else row["map_project"]
    for map_id in (job.state["map_id"], job.state.get("old_map_id")):
        if map_id and (row is None or row["map_id"] != map_id):
            office.disks.delete(Place(project, map_id))
    if row is not None and row["map_id"]:
        write_record(office, volumes, row)


def exchange_failed(office: Office, job: Job, why: str) -> None:
    """Leave the volume as it was, with a status that says so."""
    clean_up(office, job)
    fail(office, volumes, job, why, doing=job.state["doing"])


def _put_back(office: Office, job: Job) -> None:
    row = about_to_exchange(office, job)
    if row is not None:
        target = Place(row["map_project"], job.state["map_id"])
        snapshot = _map_of(office, "snapshot", job.state["snapshot_id"])
        office.disks.copy(snapshot, to=target, size=row["size"] * GIB)


def _image_anew(office: Office, job: Job) -> None:
    row = about_to_exchange(office, job)
    if row is not None:
        target = Place(row["map_project"], job.state["map_id"])
        make_from_image(office, image_disk(job), target, row["size"] * GIB)


def _hand_over(office: Office, job: Job) -> None:
    """Copy the maps of a volume and its snapshots into the containers of the project that has it now."""
    old = []
    for table, row_id, map_id in _moving(job):
        with office.catalogue.read() as connection:
            row = rows.one(connection, table, row_id)
        place = place_of(row) if row is not None else None
        if place is not None and place.project_id != job.project_id:
            office.disks.copy(place, to=Place(job.project_id, map_id))
            old.append({"kind": table.name, "id": row_id, "project": place.project_id, "map": place.map_id})
    job.state["old"] = old


def _hand_over_rows(office: Office, job: Job) -> None:
    for table, row_id, map_id in _moving(job):
        with office.catalogue.write() as connection:
            row = rows.one(connection, table, row_id, lock=True)
            if row is None:
                continue
            rows.change(connection, table, row_id, map_project=job.project_id, map_id=map_id)
        write_record(office, table, {**row, "map_project": job.project_id, "map_id": map_id})


def _leave_old(office: Office, job: Job) -> None:
    for thing in job.state["old"]:
        office.disks.delete(Place(thing["project"], thing["map"]))
        office.disks.forget(thing["project"], thing["kind"], thing["id"])
    with office.catalogue.write() as connection:
        row = rows.one(connection, volumes, job.resource_id, lock=True)
        if row is not None and row["status"] == "maintenance":
            rest(connection, job.resource_id)


def _moving(job: Job) -> list[tuple[Table, str, str]]:
    pairs = [(volumes, job.resource_id, job.state["map_id"])]
    pairs += [(snapshots, row_id, map_id) for row_id, map_id in job.state.get("snapshots", {}).items()]
    return pairs


def _handing_over_failed(office: Office, job: Job, why: str) -> None:
    fail(office, volumes, job, why, doing="maintenance")


VOLUME_WORK = {
    "create volume": Work((_fill, _offer), _creation_failed),
    "delete volume": Work((_delete,), _deletion_failed),
    "extend volume": Work((_grow, exchange, clean_up), exchange_failed),
    "revert volume": Work((_put_back, exchange, clean_up), exchange_failed),
    "reimage volume": Work((_image_anew, exchange, clean_up), exchange_failed),
    "accept transfer": Work((_hand_over, _hand_over_rows, _leave_old), _handing_over_failed),
}
