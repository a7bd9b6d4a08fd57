"""Members of a client's document, read: each is what it should be, or the request is refused in a sentence.

    {"name": null, "size": "1", "metadata": {"a": "b"}} ──▶ text(), whole_number(), string_map(), …

A member that is null counts as not given, since clients send null for every option that nobody set.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from ..api.faults import BadRequest
from .asking import truth

TEXT_MAX = 255
SIZE_MAX_GIB = 1024 * 1024  # A pebibyte: more than any map here could describe in its memory.
_KEY = re.compile(r"[\w\-:. ]{1,255}")


def text(document: Mapping[str, Any], *names: str, most: int = TEXT_MAX) -> str | None:
    """Return the first of these members that is given, a string without blanks around it, or None.

    Raises:
        BadRequest: it is no string, or longer than the database keeps.
    """
    for name in names:
        value = document.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise BadRequest(f"{name} must be a string, not {value!r}.")
        if len(value) > most:
            raise BadRequest(f"{name} has {len(value)} characters, more than {most}.")
        if "\0" in value:
            raise BadRequest(f"{name} must not contain a null character.")
        return value.strip()
    return None


def required_text(document: Mapping[str, Any], name: str, *, most: int = TEXT_MAX) -> str:
    """Return a member that must be there and not be blank."""
    value = text(document, name, most=most)
    if not value:
        raise BadRequest(f"{name} is required and must not be empty.")
    return value


def identifier(document: Mapping[str, Any], name: str) -> str | None:
    """Return a member that is the UUID of something, or None; an empty one is none."""
    value = text(document, name)
    if not value:
        return None
    if not is_uuid(value):
        raise BadRequest(f"{name} must be a UUID, not {value!r}.")
    return value


def is_uuid(value: str) -> bool:
    """Whether it is a UUID in any of its spellings."""
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def size(document: Mapping[str, Any], name: str = "size") -> int | None:
    """Return a size in GiB, or None where none is given."""
    value = document.get(name)
    if value is None:
        return None
    number = whole_number(name, value)
    if not 0 < number <= SIZE_MAX_GIB:
        raise BadRequest(
            f"Invalid input received: Volume size '{value}' must be an integer and greater than 0 "
            f"(and at most {SIZE_MAX_GIB})."
        )
    return number


def whole_number(name: str, value: object) -> int:
    """Return a whole number that a client wrote as one or as a word."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadRequest(f"Invalid input received: {name} '{value}' must be an integer.")
    try:
        return int(value)
    except ValueError as problem:
        raise BadRequest(f"Invalid input received: {name} '{value}' must be an integer.") from problem


def yes_or_no(document: Mapping[str, Any], name: str, *, otherwise: bool = False) -> bool:
    """Return a truth, in any of the ways that clients write one."""
    value = document.get(name)
    return otherwise if value is None else truth(name, value)


def string_map(value: object, name: str = "metadata", *, values_max: int = TEXT_MAX) -> dict[str, str]:
    """Return a map of strings to strings, {} for None.

    Raises:
        BadRequest: a key or value is none, empty or too long.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object of strings.")
    for key, held in value.items():
        if not _KEY.fullmatch(key):
            raise BadRequest(
                f"{name}: a key has 1 to 255 letters, digits, blanks or any of -_:. — not {key!r}."
            )
        if not isinstance(held, str):
            raise BadRequest(f"{name}: the value of {key} must be a string, not {held!r}.")
        if len(held) > values_max:
            raise BadRequest(f"{name}: the value of {key} has more than {values_max} characters.")
    return dict(value)


def member(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an inner object that must be there (null counts as an empty one)."""
    if name not in document:
        raise BadRequest(f"The body lacks {name!r}.")
    value = document[name]
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name!r} must be a JSON object.")
    return value
