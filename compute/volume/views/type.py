"""Volume types, QoS specs and messages as clients see them.

row ──▶ volume_type() | made_type() | changed_type() | qos() | message()
"""

from __future__ import annotations

from typing import Any

from ...api.times import plain
from .viewer import Row, Viewer


def volume_type(viewer: Viewer, row: Row) -> dict[str, Any]:
    """A type. What it is made of inside is for administrators, except for the specs that users may know."""
    specs = dict(row["extra_specs"])
    if not viewer.is_admin:
        specs = {key: value for key, value in specs.items() if key in _FOR_USERS}
    document = {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "is_public": row["is_public"],
        "os-volume-type-access:is_public": row["is_public"],
        "extra_specs": specs,
    }
    if viewer.is_admin:
        document["qos_specs_id"] = row["qos_specs_id"]
    return document


def made_type(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The answer to a type's creation."""
    return _without(volume_type(viewer, row), "qos_specs_id")


def changed_type(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The answer to its change."""
    return _without(volume_type(viewer, row), "qos_specs_id", "os-volume-type-access:is_public")


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


_FOR_USERS = frozenset(("multiattach", "RESKEY:availability_zones", "replication_enabled"))


def qos(row: Row) -> dict[str, Any]:
    """A set of QoS specs."""
    return {"id": row["id"], "name": row["name"], "consumer": row["consumer"], "specs": row["specs"]}


def qos_alone(viewer: Viewer, row: Row) -> dict[str, Any]:
    """The answer that is one such set; its links stand beside it."""
    return {"qos_specs": qos(row), "links": viewer.links("qos-specs", row["id"])}


def message(viewer: Viewer, row: Row) -> dict[str, Any]:
    """What went wrong with a request after it had been accepted."""
    return {
        "id": row["id"],
        "event_id": row["event_id"],
        "user_message": row["text"],
        "message_level": "ERROR",
        "resource_type": row["resource_type"],
        "resource_uuid": row["resource_id"],
        "request_id": row["request_id"],
        "created_at": plain(row["created_at"]),
        "guaranteed_until": plain(row["expires_at"]),
        "links": viewer.links("messages", row["id"]),
    }
