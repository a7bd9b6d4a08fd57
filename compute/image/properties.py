"""Names and values of what clients may say of an image.

    {"name": …, "disk_format": …, "hw_disk_bus": "scsi"} ──▶ checked() ──▶ columns and custom properties

Refused are what the service alone says (403), unknown formats, and values of the wrong type or length (400).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ..api.faults import BadRequest, Forbidden
from .image import CONTAINER_FORMATS, DISK_FORMATS, Visibility

READ_ONLY = frozenset(
    [
        "created_at",
        "updated_at",
        "status",
        "checksum",
        "size",
        "virtual_size",
        "direct_url",
        "self",
        "file",
        "schema",
        "os_hash_algo",
        "os_hash_value",
        "stores",
    ]
)
RESERVED = frozenset(("location", "locations", "deleted", "deleted_at", "image_id", "os_glance_import_task"))
RESERVED_PREFIX = "os_glance_"
WRITABLE = frozenset(
    [
        "name",
        "visibility",
        "protected",
        "os_hidden",
        "min_disk",
        "min_ram",
        "disk_format",
        "container_format",
        "tags",
        "owner",
        "id",
    ]
)
KNOWN = READ_ONLY | WRITABLE
NAME_LENGTH_MAX = 255
PROPERTY_LENGTH_MAX = 65535  # What MariaDB's TEXT takes.
NUMBER_MAX = 2**31 - 1


def check_name(name: str) -> None:
    """Refuse names of properties that the service alone may write, or none may.

    Raises:
        Forbidden: so it is.
        BadRequest: it is no name.
    """
    if name in READ_ONLY or name == "id":
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        raise Forbidden(f"Attribute '{name}' is reserved.")
    if not name or len(name) > NAME_LENGTH_MAX or "\0" in name:
        raise BadRequest(f"A property's name has 1 to {NAME_LENGTH_MAX} characters.")


def checked_value(name: str, value: Any) -> Any:
    """Return the value as it is kept.

    Raises:
        BadRequest: it is not of the kind that the property has.
    """
    check = _CHECKS.get(name)
    return _custom(name, value) if check is None else check(name, value)


def checked_id(value: Any) -> str:
    """Return an image's id that a client chose.

    Raises:
        BadRequest: it is no UUID as they are usually written.
    """
    try:
        if isinstance(value, str) and str(uuid.UUID(value)) == value.lower():
            return value.lower()
    except ValueError:
        pass
    raise BadRequest("Provided object does not match schema 'image': id must be a UUID.")


def checked_tag(value: Any) -> str:
    """Return a tag.

    Raises:
        BadRequest: it is no text of at most 255 characters.
    """
    if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH_MAX and _is_text(value):
        return value
    raise BadRequest(
        f"Provided object does not match schema 'image': a tag has 1 to {NAME_LENGTH_MAX} characters."
    )


def _wrong(name: str, what: str) -> BadRequest:
    return BadRequest(f"Provided object does not match schema 'image': {name} must be {what}.")


def _is_text(value: str) -> bool:
    """Whether every database can keep it: no zero byte, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _text(name: str, value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= NAME_LENGTH_MAX and _is_text(value)):
        return value
    raise _wrong(name, f"text of at most {NAME_LENGTH_MAX} characters, or null")


def _custom(name: str, value: Any) -> str:
    if (
        isinstance(value, str)
        and len(value.encode("utf-8", "replace")) <= PROPERTY_LENGTH_MAX
        and _is_text(value)
    ):
        return value
    raise _wrong(name, f"text of at most {PROPERTY_LENGTH_MAX} bytes")


def _truth(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _wrong(name, "true or false")


def _number(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX:
        return value
    raise _wrong(name, f"a number from 0 to {NUMBER_MAX}")


def _one_of(*choices: str) -> Callable[[str, Any], str | None]:
    def check(name: str, value: Any) -> str | None:
        if value is None or value in choices:
            return value  # type: ignore[no-any-return]  # None or one of the choices
        raise _wrong(name, f"one of {', '.join(choices)}")

    return check


def _visibility(name: str, value: Any) -> Visibility:
    try:
        return Visibility(value)
    except ValueError:
        raise _wrong(name, f"one of {', '.join(Visibility)}") from None


def _tags(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise _wrong(name, "a list of texts")
    return frozenset(checked_tag(tag) for tag in value)


def _owner(name: str, value: Any) -> str:
    if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH_MAX and _is_text(value):
        return value
    raise _wrong(name, "a project's id")


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "visibility": _visibility,
    "protected": _truth,
    "os_hidden": _truth,
    "min_disk": _number,
    "min_ram": _number,
    "disk_format": _one_of(*DISK_FORMATS),
    "container_format": _one_of(*CONTAINER_FORMATS),
    "tags": _tags,
    "owner": _owner,
}
