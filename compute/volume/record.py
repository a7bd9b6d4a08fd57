"""A backup's record as clients carry it from one cloud to another: base64 of JSON, as Cinder writes it.

    {"id", "container", "size", …} ──▶ exported() ──▶ "backup_url" ──▶ imported() ──▶ the same fields

What it names as its service says how its data lie: our block maps, or the chunk layout of Cinder's Swift
driver.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from ...common.errors import Refused
from .chunk_layout import SWIFT_SERVICES

SERVICE = "cinder.backup.drivers.apus"
"""Of our block maps; clients tell by how it begins that it is a backup driver's."""
RECORD_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """What must be known of a backup to find it again."""

    id: str
    volume_id: str
    size: int
    container: str
    name: str | None
    description: str | None
    parent_id: str | None
    prefix: str  # Of the chunk layout; "" for a block map.
    map_id: str  # Of a block map; "" for the chunk layout.
    map_project: str
    metadata: dict[str, str]


def exported(fields: dict[str, Any]) -> str:
    """Return the backup_url of these fields."""
    return base64.b64encode(orjson.dumps(fields)).decode("ascii")


def imported(service: str, url: str) -> Record:
    """Read a record that was exported here or by Cinder with its Swift driver.

    Raises:
        Refused: it is none, or its data lie in a way that is not known here.
    """
    if len(url) > RECORD_BYTES_MAX:
        raise Refused(f"A backup_url of more than {RECORD_BYTES_MAX} bytes is not read.")
    try:
        fields = orjson.loads(base64.b64decode(url, validate=True))
        record = Record(
            id=str(uuid.UUID(str(fields["id"]))),
            volume_id=str(fields.get("volume_id") or ""),
            size=int(fields["size"]),
            container=str(fields.get("container") or ""),
            name=_text(fields.get("display_name")),
            description=_text(fields.get("display_description")),
            parent_id=_text(fields.get("parent_id")),
            prefix=str(fields.get("service_metadata") or ""),
            map_id=str(fields.get("map_id") or ""),
            map_project=str(fields.get("map_project") or ""),
            metadata={str(key): str(value) for key, value in (fields.get("metadata") or {}).items()},
        )
    except (
        binascii.Error,
        orjson.JSONDecodeError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as problem:
        raise Refused(f"backup_url is no record of a backup: {problem}.") from problem
    if record.size < 1:
        raise Refused("backup_url is of a backup without a size.")
    if service == SERVICE and record.map_id:
        return record
    if service in SWIFT_SERVICES and record.prefix:
        return record
    raise Refused(
        f"A backup of the service {service!r} cannot be read here; "
        f"known: {SERVICE}, {', '.join(sorted(SWIFT_SERVICES))}."
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
