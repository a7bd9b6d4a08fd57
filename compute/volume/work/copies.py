"""Snapshots, backups, restores, images of volumes: all of them one more map of the same blocks.

    volume ──(its host commits)──▶ copy of its map ──▶ snapshot | backup | image
    backup ──copy of its map──▶ volume

Each of them stands alone: none needs another one to be read, and they may be deleted in any order.
"""

from __future__ import annotations

from typing import Any

from ....common.errors import Missing, Unavailable
from .. import rows
from ..disks import GIB, Place
from ..images import MapPlace
from ..jobs import Job, Later, Work
from ..office import Office
from ..tables import backups, snapshots, volumes
from ..views.viewer import Row
from .commit import copy_newest
from .ending import fail, leave, place_of, publish, remove, still
from .image_data import upload_packed
from .volumes import about_to_exchange, clean_up, exchange, exchange_failed, finish_restore


def _take_snapshot(office: Office, job: Job) -> Later | None:
    row = still(office, snapshots, job.resource_id, "creating")
    if row is None:
        return None
    return copy_newest(office, job, row["volume_id"], to=Place(row["map_project"], job.state["map_id"]))


def _offer_snapshot(office: Office, job: Job) -> None:
    map_id = job.state["map_id"]
    facts: dict[str, Any] = {"status": "available", "progress": "100%", "map_id": map_id}
    if publish(office, snapshots, job.resource_id, expected="creating", **facts) is None:
        _drop_unless_had(office, job, map_id, _row(office, "snapshot", job.resource_id))


def _snapshot_failed(office: Office, job: Job, why: str) -> None:
    _drop_unless_had(office, job, job.state["map_id"], _row(office, "snapshot", job.resource_id))
    fail(office, snapshots, job, why, doing="creating")


def _row(office: Office, kind: str, row_id: str) -> Row | None:
    with office.catalogue.read() as connection:
        return rows.one(
            connection, {"snapshot": snapshots, "backup": backups, "volume": volumes}[kind], row_id
        )


def _drop_unless_had(office: Office, job: Job, map_id: str, row: Row | None) -> None:
    if row is None or row["map_id"] != map_id:
        office.disks.delete(Place(job.project_id if row is None else row["map_project"], map_id))


def _delete_snapshot(office: Office, job: Job) -> None:
    row = still(office, snapshots, job.resource_id, "deleting")
    if row is not None:
        remove(office, snapshots, row)


def _snapshot_deletion_failed(office: Office, job: Job, why: str) -> None:
    fail(office, snapshots, job, why, doing="deleting")


def _back_up(office: Office, job: Job) -> Later | None:
    """Copy the map of the snapshot or of the volume; nothing is read, and only the map is written."""
    row = still(office, backups, job.resource_id, "creating")
    if row is None:
        return None
    target = Place(row["map_project"], job.state["map_id"])
    if row["snapshot_id"]:
        snapshot = _row(office, "snapshot", row["snapshot_id"])
        source = place_of(snapshot) if snapshot is not None else None
        if source is None:
            raise Missing(f"The snapshot {row['snapshot_id']} is gone.")
        office.disks.copy(source, to=target)
    elif (later := copy_newest(office, job, row["volume_id"], to=target)) is not None:
        return later
    parent = _row(office, "backup", row["parent_id"]) if row["parent_id"] else None
    added = office.disks.added(target, place_of(parent) if parent is not None else None)
    job.state["object_count"], job.state["bytes_added"] = added.blocks, added.bytes
    return None


def offer_backup(office: Office, job: Job) -> None:
    """Show the backup to its owner, and give back what was backed up."""
    map_id = job.state["map_id"]
    facts = {
        "status": "available",
        "map_id": map_id,
        "object_count": job.state.get("object_count", 0),
        "bytes_added": job.state.get("bytes_added", 0),
        "fail_reason": None,
    }
    if publish(office, backups, job.resource_id, expected="creating", **facts) is None:
        _drop_unless_had(office, job, map_id, _row(office, "backup", job.resource_id))
    _let_go(office, job)


def _let_go(office: Office, job: Job) -> None:
    """Give back the volume or snapshot that was backed up."""
    if snapshot_id := job.state.get("snapshot_id"):
        with office.catalogue.write() as connection:
            row = rows.one(connection, snapshots, snapshot_id, lock=True)
            if row is not None and row["status"] == "backing-up":
                rows.change(connection, snapshots, snapshot_id, status="available")
    elif volume_id := job.state.get("volume_id"):
        leave(office, volume_id, "backing-up")


def backup_failed(office: Office, job: Job, why: str) -> None:
    """Say why there is no backup, and give back what was to be backed up."""
    _drop_unless_had(office, job, job.state["map_id"], _row(office, "backup", job.resource_id))
    fail(office, backups, job, why, doing="creating", fail_reason=why)
    _let_go(office, job)


def _delete_backup(office: Office, job: Job) -> None:
    row = still(office, backups, job.resource_id, "deleting")
    if row is not None:
        remove(office, backups, row)


def _backup_deletion_failed(office: Office, job: Job, why: str) -> None:
    fail(office, backups, job, why, doing="deleting", fail_reason=why)


def _restore(office: Office, job: Job) -> None:
    """Make a map of the backup's blocks for the volume that is to become it."""
    row = about_to_exchange(office, job)
    if row is None:
        return
    backup = _row(office, "backup", job.state["backup_id"])
    place = place_of(backup) if backup is not None else None
    if place is None:
        raise Missing(f"The backup {job.state['backup_id']} is gone.")
    office.disks.copy(place, to=Place(row["map_project"], job.state["map_id"]), size=row["size"] * GIB)


def _restored(office: Office, job: Job) -> None:
    clean_up(office, job)
    with office.catalogue.write() as connection:
        finish_restore(connection, job.state["backup_id"])


def _restore_failed(office: Office, job: Job, why: str) -> None:
    exchange_failed(office, job, why)
    with office.catalogue.write() as connection:
        finish_restore(connection, job.state["backup_id"])


def _copy_for_image(office: Office, job: Job) -> Later | None:
    """Give the image a map of its own, which the volume's next writes do not touch."""
    row = _row(office, "volume", job.resource_id)
    if row is None:
        return None
    later = copy_newest(office, job, job.resource_id, to=Place(row["map_project"], job.state["map_id"]))
    if later is None:
        job.state["map_project"] = row["map_project"]
    return later


def _give_to_image(office: Office, job: Job) -> None:
    """Hand the map to the image service, or, where it takes none or wants another format, send it bytes.

    Raises:
        Unavailable: what the image service was doing when it was killed has not been given up yet.
    """
    project = job.state.get("map_project")
    if project is None:
        return
    place, image_id = Place(project, job.state["map_id"]), job.state["image_id"]
    status = office.images.show(image_id).status
    if status == "saving":
        raise Unavailable(f"image {image_id} is being saved")
    disk_format = job.state.get("disk_format", "raw")
    if status == "active":
        pass  # This step ran before, and was killed at its end.
    elif disk_format != "raw":
        upload_packed(office, place, image_id, disk_format)
    elif not office.images.offer_map(image_id, MapPlace(project, place.map_id)):
        size = office.disks.size(place)
        office.images.upload(image_id, lambda: office.disks.read(place), size)
    if office.images.map_of(image_id) != MapPlace(project, place.map_id):
        office.disks.delete(place)  # The image has one of its own.


def _uploaded(office: Office, job: Job) -> None:
    leave(office, job.resource_id, "uploading")


def _upload_failed(office: Office, job: Job, why: str) -> None:
    if project := job.state.get("map_project"):
        office.disks.delete(Place(project, job.state["map_id"]))

    leave(office, job.resource_id, "uploading")
    fail(office, volumes, job, why, doing="uploading")


COPY_WORK = {
    "create snapshot": Work((_take_snapshot, _offer_snapshot), _snapshot_failed),
    "delete snapshot": Work((_delete_snapshot,), _snapshot_deletion_failed),
    "create backup": Work((_back_up, offer_backup), backup_failed),
    "delete backup": Work((_delete_backup,), _backup_deletion_failed),
    "restore backup": Work((_restore, exchange, _restored), _restore_failed),
    "upload volume": Work((_copy_for_image, _give_to_image, _uploaded), _upload_failed),
}
