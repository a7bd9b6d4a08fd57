"""Backups, their schedules and transfers as clients see them.

row ──▶ summary() | detail() | schedule() | transfer_summary() | transfer_detail()
"""

from __future__ import annotations

from typing import Any

from ...api.times import plain
from .viewer import Row, Viewer


def summary(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The short form of a list."""
    return {"id": row["id"], "name": row["name"], "links": viewer.links("backups", row["id"])}


def detail(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The full form. No backup depends on another one here, and the answer says so."""
    document: dict[str, Any] = {
        **summary(viewer, row),
        "status": row["status"],
        "size": row["size"],
        "object_count": row["object_count"],
        "availability_zone": row["availability_zone"],
        "container": row["container"],
        "created_at": plain(row["created_at"]),
        "updated_at": plain(row["updated_at"]),
        "description": row["description"],
        "fail_reason": row["fail_reason"],
        "volume_id": row["volume_id"],
        "is_incremental": row["parent_id"] is not None,
        "has_dependent_backups": False,
        "snapshot_id": row["snapshot_id"],
        "data_timestamp": plain(row["data_timestamp"]),
    }
    if viewer.shows(3, 18) and viewer.is_admin:
        document["os-backup-project-attr:project_id"] = row["project_id"]
    if viewer.shows(3, 43):
        document["metadata"] = row["metadata"]
    if viewer.shows(3, 56):
        document["user_id"] = row["user_id"]
    if viewer.shows(3, 64):
        document["encryption_key_id"] = None
    return document


def schedule(row: Row, *, next_run_at: float | None) -> dict[str, Any]:
    """A schedule of backups, which is our own extension."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "volume_id": row["volume_id"],
        "enabled": row["enabled"],
        "interval_seconds": row["interval_seconds"],
        "keep_last": row["keep_last"],
        "keep_daily": row["keep_daily"],
        "keep_weekly": row["keep_weekly"],
        "keep_monthly": row["keep_monthly"],
        "last_run_at": plain(row["last_run_at"]),
        "last_fault": row["last_fault"],
        "next_run_at": plain(next_run_at),
        "created_at": plain(row["created_at"]),
        "updated_at": plain(row["updated_at"]),
    }


def transfer_summary(viewer: Viewer, row: Row) -> dict[str, Any]:
    """A transfer in a short list."""
    return {
        "id": row["id"],
        "name": row["name"],
        "volume_id": row["volume_id"],
        "links": [
            {
                "rel": "self",
                "href": f"{viewer.base_url}/v3/{viewer.project_id}/os-volume-transfer/{row['id']}",
            },
            {
                "rel": "bookmark",
                "href": f"{viewer.base_url}/{viewer.project_id}/os-volume-transfer/{row['id']}",
            },
        ],
    }


def transfer_detail(viewer: Viewer, row: Row) -> dict[str, Any]:
    """A transfer in full; its key is told once, when it is made."""
    document = {**transfer_summary(viewer, row), "created_at": plain(row["created_at"])}
    if viewer.shows(3, 55):
        document["no_snapshots"] = row["no_snapshots"]
    if viewer.shows(3, 57):
        document["source_project_id"] = row["source_project_id"]
        document["destination_project_id"] = row["destination_project_id"]
        document["accepted"] = row["accepted"]
    return document
