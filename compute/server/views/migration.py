"""A server's way from host to host, as both of its lists show it: os-migrations, servers/ID/migrations."""

from __future__ import annotations

from typing import Any

from ...api.times import plain

UUID_SINCE, OWNER_SINCE = 59, 80


def facts_of(row: Any, version: int) -> dict[str, Any]:
    """Return what both lists say of a row of `migrations`, in the form of microversion 2.`version`."""
    written = {
        "id": row.id,
        "source_compute": row.source,
        "source_node": row.source,
        "dest_compute": row.target,
        "dest_node": row.target,
        "dest_host": None,
        "status": row.status,
        "created_at": plain(row.created_at),
        "updated_at": plain(row.updated_at),
    }
    if version >= UUID_SINCE:
        written["uuid"] = row.uuid
    if version >= OWNER_SINCE:
        written |= {"user_id": row.user_id, "project_id": row.project_id}
    return written
