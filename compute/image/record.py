"""What of an image is kept beside its map, so that a lost catalogue can be made again.

Image, members ──▶ record_of() ──▶ {"format": "apus-image", …} ──▶ image_in() ──▶ Image, members
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from ...common.errors import Corrupt
from .image import Image, Member, MemberStatus, Status, Visibility

KIND = "images"
FORMAT, VERSION = "apus-image", 1


def record_of(image: Image, members: Sequence[Member]) -> dict[str, Any]:
    """Return the record of an image that has data."""
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for each in fields(Image):
        value = getattr(image, each.name)
        document[each.name] = value.value if isinstance(value, Enum) else value
    document["tags"] = sorted(image.tags)
    document["properties"] = dict(image.properties)
    document["members"] = [
        {**{each.name: getattr(m, each.name) for each in fields(Member)}, "status": m.status.value}
        for m in members
    ]
    return document


def image_in(document: Mapping[str, Any]) -> tuple[Image, list[Member]]:
    """Return the image that a record is of.

    Raises:
        Corrupt: it's no such record.
    """
    if (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise Corrupt(f"a record of {document.get('format')} {document.get('version')} is not known here")
    values = {each.name: document[each.name] for each in fields(Image) if each.name in document}
    try:
        values["status"] = Status(values["status"])
        values["visibility"] = Visibility(values["visibility"])
        values["tags"] = frozenset(values["tags"])
        members = [Member(**{**m, "status": MemberStatus(m["status"])}) for m in document["members"]]
        return Image(**values), members
    except (KeyError, TypeError, ValueError) as problem:
        raise Corrupt(f"a record of an image cannot be read: {problem}") from problem
