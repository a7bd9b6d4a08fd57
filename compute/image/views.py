"""Images, members and tasks as documents: the form of Glance's v2 API.

Image ──▶ image_document() ──▶ {"id": …, "status": …, "hw_disk_bus": …, "file": "/v2/images/…/file"}
"""

from __future__ import annotations

from typing import Any

from ..api.times import zulu
from .image import HAS_DATA, Image, ImageTask, Member

STORE = "apus"
"""The one store there is, for clients that know several."""


def image_document(image: Image) -> dict[str, Any]:
    """Return what clients see of an image; custom properties stand beside the others."""
    document: dict[str, Any] = {
        **image.properties,
        "id": image.id,
        "name": image.name,
        "status": image.status.value,
        "visibility": image.visibility.value,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "owner": image.owner,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "checksum": image.checksum,
        "os_hash_algo": "sha512" if image.os_hash_value else None,
        "os_hash_value": image.os_hash_value,
        "tags": sorted(image.tags),
        "created_at": zulu(image.created_at),
        "updated_at": zulu(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    if image.status in HAS_DATA:
        document["stores"] = STORE
    return document


def member_document(member: Member) -> dict[str, Any]:
    """Return what clients see of a member."""
    return {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status.value,
        "created_at": zulu(member.created_at),
        "updated_at": zulu(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def task_document(task: ImageTask, *, in_full: bool = True) -> dict[str, Any]:
    """Return what clients see of a task; lists of tasks leave out what went in and came of it."""
    document: dict[str, Any] = {
        "id": task.id,
        "type": task.type,
        "status": task.status,
        "owner": task.owner,
        "image_id": task.image_id,
        "user_id": task.user_id,
        "request_id": task.request_id,
        "created_at": zulu(task.created_at),
        "updated_at": zulu(task.updated_at),
        "expires_at": None if task.expires_at is None else zulu(task.expires_at),
        "self": f"/v2/tasks/{task.id}",
        "schema": "/v2/schemas/task",
    }
    if in_full:
        document |= {"input": dict(task.input), "result": dict(task.result) or None, "message": task.message}
    return document
