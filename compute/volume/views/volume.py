"""A volume as clients see it.

row, its attachments, its type's name ──▶ summary() | changed() | detail()
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...api.times import plain
from .viewer import Row, Viewer


def summary(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The short form of a list."""
    return {"id": row["id"], "name": row["name"], "links": viewer.links("volumes", row["id"])}


def detail(
    viewer: Viewer, row: Row, *, attached: Iterable[Row], type_name: str | None, host: str
) -> dict[str, Any]:
    """The full form; `attached` are the attachments that hold the volume now."""
    document = changed(viewer, row, attached=attached, type_name=type_name)
    document["os-vol-tenant-attr:tenant_id"] = row["project_id"]
    if row["image_metadata"]:
        document["volume_image_metadata"] = row["image_metadata"]
    if viewer.is_admin:
        document["os-vol-host-attr:host"] = host
        document["os-vol-mig-status-attr:migstat"] = None
        document["os-vol-mig-status-attr:name_id"] = None
    return document


def changed(viewer: Viewer, row: Row, *, attached: Iterable[Row], type_name: str | None) -> dict[str, Any]:
    """The answer to creations and changes: without what Cinder's extensions add to the full form."""
    document: dict[str, Any] = {
        **summary(viewer, row),
        "status": row["status"],
        "size": row["size"],
        "availability_zone": row["availability_zone"],
        "created_at": plain(row["created_at"]),
        "updated_at": plain(row["updated_at"]),
        "description": row["description"],
        "volume_type": type_name,
        "snapshot_id": row["snapshot_id"],
        "source_volid": row["source_volume_id"],
        "metadata": _shown_metadata(row),
        "user_id": row["user_id"],
        "bootable": "true" if row["bootable"] else "false",
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": row["multiattach"],
        "migration_status": None,
        "attachments": [_attachment(one) for one in attached],
    }
    return document | _later(viewer, row)


def _later(viewer: Viewer, row: Row) -> dict[str, Any]:
    """What versions after 3.0 added."""
    document: dict[str, Any] = {}
    if viewer.shows(3, 13):
        document["group_id"] = None
    if viewer.shows(3, 21) and viewer.is_admin:
        document["provider_id"] = None
    if viewer.shows(3, 48):
        document["service_uuid"] = None
        document["shared_targets"] = None if viewer.shows(3, 69) else False
    if viewer.shows(3, 61) and viewer.is_admin:
        document["cluster_name"] = None
    if viewer.shows(3, 63):
        document["volume_type_id"] = row["type_id"]
    if viewer.shows(3, 64):
        document["encryption_key_id"] = None
    if viewer.shows(3, 65):
        document["consumes_quota"] = True
    return document


def _shown_metadata(row: Row) -> dict[str, str]:
    """Metadata, with the two words of it that Cinder shows where they are set."""
    extra = {"readonly": "True"} if row["read_only"] else {}
    return {**row["metadata"], **extra}


def _attachment(row: Row) -> dict[str, Any]:
    return {
        "id": row["volume_id"],
        "volume_id": row["volume_id"],
        "attachment_id": row["id"],
        "server_id": row["instance_id"],
        "host_name": row["host"],
        "device": row["device"],
        "attached_at": plain(row["attached_at"]),
    }


def counted(viewer: Viewer, rows: Iterable[Row]) -> dict[str, Any]:
    """The answer to /volumes/summary: how many, how large, and (3.36) what metadata there is."""
    rows = list(rows)
    summed: dict[str, Any] = {"total_size": sum(row["size"] for row in rows), "total_count": len(rows)}
    if viewer.shows(3, 36):
        values: dict[str, set[str]] = {}
        for row in rows:
            for key, value in row["metadata"].items():
                values.setdefault(key, set()).add(value)
        summed["metadata"] = {key: sorted(found) for key, found in sorted(values.items())}
    return {"volume-summary": summed}


def attachment(row: Row, connection_info: dict[str, Any]) -> dict[str, Any]:
    """One attachment of the attachments API."""
    return {
        "id": row["id"],
        "status": row["status"],
        "instance": row["instance_id"],
        "volume_id": row["volume_id"],
        "attached_at": plain(row["attached_at"]) or "",
        "detached_at": plain(row["detached_at"]) or "",
        "attach_mode": row["mode"] or "null",
        "connection_info": connection_info,
    }


def snapshot_summary(viewer: Viewer, row: Row) -> dict[str, Any]:
    """A snapshot in a short list."""
    document = {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "volume_id": row["volume_id"],
        "status": row["status"],
        "size": row["size"],
        "created_at": plain(row["created_at"]),
        "updated_at": plain(row["updated_at"]),
        "metadata": row["metadata"],
    }
    if viewer.shows(3, 14):
        document["group_snapshot_id"] = None
    if viewer.shows(3, 41):
        document["user_id"] = row["user_id"]
    if viewer.shows(3, 65):
        document["consumes_quota"] = True
    return document


def snapshot_detail(viewer: Viewer, row: Row) -> dict[str, Any]:
    """A snapshot in full."""
    return {
        **snapshot_summary(viewer, row),
        "os-extended-snapshot-attributes:progress": row["progress"],
        "os-extended-snapshot-attributes:project_id": row["project_id"],
    }
