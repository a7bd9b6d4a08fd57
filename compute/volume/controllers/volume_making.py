"""What a client's document says of a volume that is to be made, and the row and job that come of it.

{"size", "imageRef" | "snapshot_id" | "source_volid" | "backup_id", …} ──▶ Source, type, size ──▶ row, job
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from ....common.errors import Missing, Refused, Unavailable
from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.faults import Unavailable as UnavailableFault
from .. import rows
from ..disks import GIB
from ..images import Image
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, is_uuid, size, string_map, text, yes_or_no
from ..status import SNAPSHOT_ACTIONS, VOLUME_ACTIONS, Condition, refusal
from ..tables import backups, default_types, snapshots, types, volumes
from ..views.viewer import Row
from ..work.image_data import CONVERTED_FORMATS, RAW_FORMATS
from .doors import found, has, refuse
from .quota_check import check, check_size


@dataclass(slots=True)
class Source:
    """Where the new volume's data come from, and what comes with them."""

    kind: str = "nothing"
    id: str | None = None
    size: int = 0  # GiB that the volume must have at least
    type_id: str | None = None
    bootable: bool = False
    image_metadata: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)  # For the job.


def image_source(office: Office, call: Call, image_ref: str) -> Source:
    """Look at an image as its user does; asked before the transaction, since it goes over the wire.

    Raises:
        BadRequest: there is none, or no volume can be made of it.
    """
    if not is_uuid(image_ref):
        raise BadRequest("Invalid image identifier or unable to access requested image.")
    try:
        image = office.images.show(image_ref, call.token)
    except (Missing, Refused) as problem:
        raise BadRequest("Invalid image identifier or unable to access requested image.") from problem
    except Unavailable as problem:
        raise UnavailableFault(str(problem)) from problem
    return Source(
        kind="image",
        id=image.id,
        size=max(image.min_disk, -(-image.disk_bytes // GIB)),
        bootable=True,
        image_metadata=image.facts(),
        state=image_state(office, image),
    )


def image_state(office: Office, image: Image) -> dict[str, Any]:
    """Return what a job must know of an image; refuse one that no volume can be made of."""
    if image.status != "active":
        raise BadRequest(f"Invalid input received: Image {image.id} is not active (it is {image.status}).")
    disk_format = image.disk_format or "raw"
    if disk_format not in RAW_FORMATS | set(CONVERTED_FORMATS):
        raise BadRequest(
            f"Invalid input received: An image of the format {disk_format} cannot become a volume."
        )
    try:
        place = office.images.map_of(image.id)
    except Unavailable as problem:
        raise UnavailableFault(str(problem)) from problem
    return {
        "image_id": image.id,
        "disk_format": disk_format,
        "image_map": None if place is None else [place.project_id, place.map_id],
    }


def source_of(connection: Connection, call: Call, document: dict[str, Any], image: Source | None) -> Source:
    """Return the one source that the document names, looked up as the caller may see it.

    Raises:
        BadRequest: it names several, or one that is in no state to be copied.
        NotFound: it names one that is not there.
    """
    snapshot_id, volume_id = identifier(document, "snapshot_id"), identifier(document, "source_volid")
    backup_id = identifier(document, "backup_id") if has(call, 47) else None
    if sum(thing is not None for thing in (snapshot_id, volume_id, backup_id, image)) > 1:
        raise BadRequest("A volume has one source: a snapshot, a volume, a backup or an image.")
    if snapshot_id is not None:
        row = found(connection, call, snapshots, snapshot_id, what="Snapshot")
        refuse(refusal(SNAPSHOT_ACTIONS["read"], Condition(status=row["status"]), what="Snapshot"))
        return _copy("snapshot", row, row["image_metadata"])
    if volume_id is not None:
        row = found(connection, call, volumes, volume_id, what="Volume")
        refuse(refusal(VOLUME_ACTIONS["clone"], Condition(status=row["status"])))
        return _copy("volume", row, row["image_metadata"])
    if backup_id is not None:
        row = found(connection, call, backups, backup_id, what="Backup")
        refuse(refusal(VOLUME_ACTIONS["clone"], Condition(status=row["status"]), what="Backup"))
        facts = row["volume_facts"]
        source = _copy("backup", {**row, **facts}, facts.get("image_metadata", {}))
        source.state["backup_id"] = row["id"]
        return source
    return image or Source()


def _copy(kind: str, row: Row, image_metadata: dict[str, str]) -> Source:
    return Source(
        kind=kind,
        id=row["id"],
        size=row["size"],
        type_id=row.get("type_id"),
        bootable=bool(row.get("bootable")),
        image_metadata=dict(image_metadata),
    )


def chosen_size(document: dict[str, Any], source: Source) -> int:
    """Return the volume's size: as asked, or its source's.

    Raises:
        BadRequest: none is given and none follows, or the source does not fit.
    """
    asked = size(document)
    if asked is None:
        if source.kind in ("nothing", "image"):
            raise BadRequest("Invalid input received: Volume size must be an integer and greater than 0.")
        return source.size
    if asked < source.size:
        raise BadRequest(
            f"Invalid input received: Size of the volume {asked}GB must not be smaller than that of its "
            f"{source.kind}, {source.size}GB."
        )
    return asked


def type_by(connection: Connection, call: Call, wanted: str) -> Row:
    """Return the type of that id or name, if the caller may use it.

    Raises:
        NotFound: there is none for him.
    """
    chosen = rows.where(connection, types, types.c.id == wanted) or rows.where(
        connection, types, types.c.name == wanted
    )
    project = call.identity.project_id
    if not chosen or not (chosen[0]["is_public"] or call.is_admin or project in chosen[0]["projects"]):
        raise NotFound(f"Volume type {wanted} could not be found.")
    return chosen[0]


def default_type(connection: Connection, office: Office, project_id: str) -> Row:
    """Return the type of volumes that name none: the project's, else the service's."""
    own = (
        connection.execute(default_types.select().where(default_types.c.project_id == project_id))
        .mappings()
        .first()
    )
    row = rows.one(connection, types, own["type_id"]) if own is not None else None
    if row is not None:
        return row
    named = rows.where(connection, types, types.c.name == office.config.default_type)
    if not named:
        raise NotFound(f"Volume type {office.config.default_type} could not be found.")
    return named[0]


def refuse_encrypted(kind: Row) -> None:
    """Refuse a type whose volumes would have to be encrypted, for none would be."""
    if kind["encryption"]:
        raise BadRequest(
            f"Volumes of the type {kind['name']} would have to be encrypted, which is not done one by one "
            "here; choose another type, and have the store encrypt (see its keymaster)."
        )


def is_multiattach(kind: Row) -> bool:
    """Whether volumes of the type may be attached more than once."""
    return str(kind["extra_specs"].get("multiattach", "")).replace(" ", "").lower() == "<is>true"


def make_volume(
    connection: Connection, office: Office, call: Call, document: dict[str, Any], image: Source | None
) -> Row:
    """Check everything, write the row and order the job; return the row."""
    project_id = call.project_id
    for name in ("consistencygroup_id", "group_id"):
        if document.get(name):
            raise BadRequest(f"{name}: groups of volumes are not kept here.")
    source = source_of(connection, call, document, image)
    gigabytes = chosen_size(document, source)
    kind = _type_of(connection, office, call, document, source)
    refuse_encrypted(kind)
    zone = text(document, "availability_zone") or office.config.availability_zone
    if zone != office.config.availability_zone:
        raise BadRequest(f"Invalid input received: Availability zone '{zone}' is invalid.")
    check_size(connection, project_id, gigabytes)
    check(connection, project_id, {"volumes": 1, "gigabytes": gigabytes}, type_name=kind["name"])
    now, volume_id = office.clock(), rows.new_id()
    row: dict[str, Any] = {
        "id": volume_id,
        "project_id": project_id,
        "user_id": call.identity.user_id,
        "name": text(document, "name", "display_name"),
        "description": text(document, "description", "display_description"),
        "created_at": now,
        "updated_at": now,
        "size": gigabytes,
        "status": "creating",
        "type_id": kind["id"],
        "availability_zone": zone,
        "bootable": source.bootable,
        "read_only": False,
        "multiattach": is_multiattach(kind) or yes_or_no(document, "multiattach"),
        "snapshot_id": source.id if source.kind == "snapshot" else None,
        "source_volume_id": source.id if source.kind == "volume" else None,
        "backup_id": source.id if source.kind == "backup" else None,
        "metadata": string_map(document.get("metadata")),
        "image_metadata": source.image_metadata,
        "map_id": None,
        "map_project": project_id,
    }
    rows.add(connection, volumes, row)
    state = {"source": source.kind, "map_id": rows.new_id(), **source.state}
    ordered(
        connection, "create volume", resource_id=volume_id, project_id=project_id, now=now,
        request_id=call.request_id, **state,
    )  # fmt: skip
    return {**row, "lease": None}


def _type_of(
    connection: Connection, office: Office, call: Call, document: dict[str, Any], source: Source
) -> Row:
    wanted = text(document, "volume_type")
    if wanted:
        return type_by(connection, call, wanted)
    inherited = rows.one(connection, types, source.type_id) if source.type_id else None
    return inherited or default_type(connection, office, call.project_id)
