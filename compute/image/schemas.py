"""JSON schemas of what the service speaks of, for clients that build themselves from them.

GET /v2/schemas/image ──▶ schema_of("image")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .image import CONTAINER_FORMATS, DISK_FORMATS, MemberStatus, Status, Visibility

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
_TEXT: Mapping[str, Any] = {"type": "string"}
_MAYBE_TEXT: Mapping[str, Any] = {"type": ["null", "string"]}


def _said_here(kind: Any, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "readOnly": True, "description": description, **more}


_IMAGE: Mapping[str, Any] = {
    "id": {"type": "string", "pattern": _UUID, "description": "An identifier for the image"},
    "name": {"type": ["null", "string"], "maxLength": 255, "description": "Descriptive name for the image"},
    "status": _said_here("string", "Status of the image", enum=[*Status, "killed", "pending_delete"]),
    "visibility": {"type": "string", "enum": list(Visibility), "description": "Scope of image accessibility"},
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {"type": "boolean", "description": "If true, image will not appear in default listings."},
    "checksum": _said_here(["null", "string"], "md5 hash of image contents.", maxLength=32),
    "os_hash_algo": _said_here(["null", "string"], "Algorithm of os_hash_value", maxLength=64),
    "os_hash_value": _said_here(["null", "string"], "Hash of the image contents", maxLength=128),
    "owner": {"type": ["null", "string"], "maxLength": 255, "description": "Owner of the image"},
    "size": _said_here(["null", "integer"], "Size of image file in bytes"),
    "virtual_size": _said_here(["null", "integer"], "Virtual size of image in bytes"),
    "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
    "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]},
    "created_at": _said_here("string", "Date and time of image registration"),
    "updated_at": _said_here("string", "Date and time of the last image modification"),
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
    "min_ram": {"type": "integer", "description": "Amount of ram (in MB) required to boot image."},
    "min_disk": {"type": "integer", "description": "Amount of disk space (in GB) required to boot image."},
    "self": _said_here("string", "An image self url"),
    "file": _said_here("string", "An image file url"),
    "schema": _said_here("string", "An image schema url"),
    "stores": _said_here("string", "Store in which image data resides."),
}
_MEMBER: Mapping[str, Any] = {
    "member_id": {"type": "string", "description": "An identifier for the image member (tenantId)"},
    "image_id": {"type": "string", "pattern": _UUID, "description": "An identifier for the image"},
    "created_at": _TEXT,
    "updated_at": _TEXT,
    "status": {
        "type": "string",
        "enum": list(MemberStatus),
        "description": "The status of this image member",
    },
    "schema": {"type": "string", "readOnly": True},
}
_TASK: Mapping[str, Any] = {
    "id": {"type": "string", "pattern": _UUID, "description": "An identifier for the task"},
    "type": {"type": "string", "enum": ["import", "api_image_import"]},
    "status": {"type": "string", "enum": ["pending", "processing", "success", "failure"]},
    "input": {"type": ["null", "object"]},
    "result": {"type": ["null", "object"]},
    "owner": _TEXT,
    "message": _TEXT,
    "image_id": _TEXT,
    "user_id": _TEXT,
    "request_id": _TEXT,
    "expires_at": _MAYBE_TEXT,
    "created_at": _TEXT,
    "updated_at": _TEXT,
    "self": {"type": "string", "readOnly": True},
    "schema": {"type": "string", "readOnly": True},
}
_NAMESPACE: Mapping[str, Any] = {
    "namespace": {"type": "string", "maxLength": 80},
    "display_name": {"type": "string", "maxLength": 80},
    "description": {"type": "string", "maxLength": 500},
    "visibility": {"type": "string", "enum": ["public", "private"]},
    "protected": {"type": "boolean"},
    "owner": {"type": "string", "maxLength": 255},
    "schema": {"type": "string", "readOnly": True},
    "self": {"type": "string", "readOnly": True},
}
_OBJECT: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 80},
    "description": _TEXT,
    "required": {"type": "array", "items": _TEXT},
    "properties": {"type": "object"},
    "schema": {"type": "string", "readOnly": True},
    "self": {"type": "string", "readOnly": True},
    "created_at": _said_here("string", "Date and time of object creation"),
    "updated_at": _said_here("string", "Date and time of the last object modification"),
}
_PROPERTY: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 80},
    "title": _TEXT,
    "description": _TEXT,
    "type": {"type": "string", "enum": ["array", "boolean", "integer", "number", "object", "string"]},
    "enum": {"type": "array"},
    "default": {},
}
_TAG: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 80},
    "created_at": _said_here("string", "Date and time of tag creation"),
    "updated_at": _said_here("string", "Date and time of the last tag modification"),
}
_RESOURCE_TYPE: Mapping[str, Any] = {
    "name": {"type": "string", "maxLength": 80},
    "prefix": {"type": "string", "maxLength": 80},
    "properties_target": {"type": "string", "maxLength": 80},
}


def _plural(name: str, singular: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": singular},
            "first": _TEXT,
            "next": _TEXT,
            "schema": _TEXT,
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


_IMAGE_SCHEMA: Mapping[str, Any] = {
    "name": "image",
    "properties": _IMAGE,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
_MEMBER_SCHEMA = {"name": "member", "properties": _MEMBER}
_TASK_SCHEMA = {"name": "task", "properties": _TASK}
_NAMESPACE_SCHEMA = {"name": "namespace", "properties": _NAMESPACE, "required": ["namespace"]}
_RESOURCE_TYPE_SCHEMA = {"name": "resource_type_association", "properties": _RESOURCE_TYPE}
_OBJECT_SCHEMA = {"name": "object", "properties": _OBJECT, "required": ["name"]}
_PROPERTY_SCHEMA = {"name": "property", "properties": _PROPERTY, "required": ["name", "title", "type"]}
_TAG_SCHEMA = {"name": "tag", "properties": _TAG, "required": ["name"]}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "image": _IMAGE_SCHEMA,
    "images": _plural("images", _IMAGE_SCHEMA),
    "member": _MEMBER_SCHEMA,
    "members": _plural("members", _MEMBER_SCHEMA),
    "task": _TASK_SCHEMA,
    "tasks": _plural("tasks", _TASK_SCHEMA),
    "metadefs/namespace": _NAMESPACE_SCHEMA,
    "metadefs/namespaces": _plural("namespaces", _NAMESPACE_SCHEMA),
    "metadefs/object": _OBJECT_SCHEMA,
    "metadefs/objects": _plural("objects", _OBJECT_SCHEMA),
    "metadefs/property": _PROPERTY_SCHEMA,
    "metadefs/properties": _plural("properties", _PROPERTY_SCHEMA),
    "metadefs/tag": _TAG_SCHEMA,
    "metadefs/tags": _plural("tags", _TAG_SCHEMA),
    "metadefs/resource_type": _RESOURCE_TYPE_SCHEMA,
    "metadefs/resource_types": _plural("resource_type_associations", _RESOURCE_TYPE_SCHEMA),
}


def schema_of(name: str) -> Mapping[str, Any] | None:
    """Return a schema by the end of its path, None where there is none."""
    return _SCHEMAS.get(name)
