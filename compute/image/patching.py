"""Changes of an image as JSON patches, in the two dialects that Glance speaks.

    application/openstack-images-v2.1-json-patch   [{"op": "replace", "path": "/name", "value": "x"}, …]
    application/openstack-images-v2.0-json-patch   [{"replace": "/name", "value": "x"}, …]
    ──▶ parse() ──▶ [Change, …] ──▶ apply() ──▶ Image

Paths have one part: there is nothing below a property.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..api.faults import BadRequest, Conflict, Forbidden, UnsupportedMedia
from .image import Image, Status
from .properties import KNOWN, WRITABLE, check_name, checked_value

TYPES = ("application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch")
OPERATIONS = ("add", "replace", "remove")
CHANGES_MAX = 1000
_BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a patch."""

    operation: str
    name: str
    value: Any = None


def parse(content_type: str, document: Any) -> list[Change]:
    """Return the changes that a body asks for.

    Raises:
        UnsupportedMedia: it's of neither dialect.
        BadRequest: it is malformed.
        Forbidden: it asks for what nobody may change.
    """
    dialect = content_type.partition(";")[0].strip().lower()
    if dialect not in TYPES:
        raise UnsupportedMedia(
            "A change is a JSON patch of one of the types in Accept-Patch.",
            headers={"Accept-Patch": ", ".join(TYPES)},
        )
    if not isinstance(document, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    if len(document) > CHANGES_MAX:
        raise BadRequest(f"A patch has at most {CHANGES_MAX} operations.")
    read = _newer if dialect == TYPES[0] else _older
    return [_change(*read(line), line) for line in (_object(line) for line in document)]


def _object(line: Any) -> dict[str, Any]:
    if not isinstance(line, dict):
        raise BadRequest("Operations must be JSON objects.")
    return line


def _newer(line: dict[str, Any]) -> tuple[Any, Any]:
    for name in ("op", "path"):
        if name not in line:
            raise BadRequest(f"Unable to find '{name}' in JSON Schema change")
    if line["op"] not in OPERATIONS:
        raise BadRequest(f"Invalid operation: {line['op']!r}. It must be one of {', '.join(OPERATIONS)}.")
    return line["op"], line["path"]


def _older(line: dict[str, Any]) -> tuple[Any, Any]:
    named = [name for name in OPERATIONS if name in line]
    if len(named) != 1:
        raise BadRequest(f"Operation objects must contain exactly one of {', '.join(OPERATIONS)}.")
    return named[0], line[named[0]]


def _change(operation: str, path: Any, line: dict[str, Any]) -> Change:
    name = _name(path)
    if operation == "remove":
        return Change(operation, name)
    if "value" not in line:
        raise BadRequest(f"Operation {operation!r} requires a member named 'value'.")
    return Change(operation, name, line["value"])


def _name(path: Any) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise BadRequest(f"Pointer {path!r} does not start with '/'.")
    parts = path[1:].split("/")
    if any(not part for part in parts):
        raise BadRequest(f"Pointer {path!r} contains an empty part.")
    if _BAD_ESCAPE.search(path):
        raise BadRequest(f"Pointer {path!r} contains '~' that is not part of an escape sequence.")
    name = parts[0].strip().replace("~1", "/").replace("~0", "~")
    if name in ("location", "locations"):
        raise Forbidden("Locations are not shown, and cannot be changed.")
    if len(parts) > 1:
        raise BadRequest(f"Invalid JSON pointer for this resource: {path!r}")
    check_name(name)
    return name


def apply(image: Image, changes: Sequence[Change]) -> Image:
    """Return the image with the changes; order counts.

    Raises:
        BadRequest: a value is of the wrong kind.
        Forbidden: a property may not be removed, or not be changed any more.
        Conflict: a property that is to be replaced or removed is not there.
    """
    for change in changes:
        image = _removed(image, change) if change.operation == "remove" else _set(image, change)
    return image


def _removed(image: Image, change: Change) -> Image:
    if change.name in KNOWN:
        raise Forbidden(f"Property {change.name} may not be removed.")
    if change.name not in image.properties:
        raise Conflict(f"Property {change.name} does not exist.")
    return image.changed(properties={k: v for k, v in image.properties.items() if k != change.name})


def _set(image: Image, change: Change) -> Image:
    value = checked_value(change.name, change.value)
    if change.name not in WRITABLE:
        if change.operation == "replace" and change.name not in image.properties:
            raise Conflict(f"Property {change.name} does not exist.")
        return image.changed(properties={**image.properties, change.name: value})
    is_format = change.name in ("disk_format", "container_format") and getattr(image, change.name) != value
    if is_format and image.status is not Status.QUEUED:
        raise Forbidden(f"Attribute {change.name} can be only replaced for a queued image.")
    return image.changed(**{change.name: value})
