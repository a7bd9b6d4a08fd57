"""What a document may say about a thing, and what of it is stored where.

{"name": "x", "email": "y"} ──stored()──▶ {"name": "x", "extra": {"email": "y"}}, or BadRequest
row ──shown()──▶ {"id": …, "name": "x", "email": "y", "links": {"self": …}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from ..api.faults import BadRequest, Forbidden
from .world import Record

NAME_CHARACTERS_MAX = 255
TEXT, FLAG, OBJECT, NUMBER = "text", "flag", "object", "number"
_TYPES: Mapping[str, type] = {TEXT: str, FLAG: bool, OBJECT: dict, NUMBER: int}


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a document that has a column of its own."""

    name: str
    kind: str = TEXT
    required: bool = False
    fixed: bool = False
    """Whether it is said once and for all."""
    nullable: bool = True
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing."""

    plural: str
    singular: str
    table: Table
    fields: tuple[Field, ...]
    filters: tuple[str, ...] = ("name",)
    blank_as_none: tuple[str, ...] = ()
    """Columns in which "" is shown as null."""
    hidden: tuple[str, ...] = ()
    keeps_extra: bool = True
    name_characters_max: int = NAME_CHARACTERS_MAX

    def field(self, name: str) -> Field | None:
        """Return the field of that name."""
        return next((field for field in self.fields if field.name == name), None)


_NEVER_EXTRA = frozenset(("id", "links", "extra", "options"))


def stored(kind: Kind, document: Mapping[str, Any], *, before: Record | None = None) -> Record:
    """Return the columns that a document sets; `before` is the row that it changes, None for a new one.

    Raises:
        BadRequest: something is missing, of the wrong type, too long, or may not be changed.
    """
    values: Record = {}
    extra = dict(before["extra"]) if before is not None else {}
    for name, value in document.items():
        field = kind.field(name)
        if field is not None:
            _take(field, value, values, before, kind)
        elif name == "options" and isinstance(value, dict):
            values["options"] = value
        elif name == "id" and before is not None and value != before["id"]:
            raise BadRequest("The id cannot be changed.")
        elif name not in _NEVER_EXTRA and kind.keeps_extra and name not in kind.hidden:
            extra[name] = value
    for field in kind.fields:
        if before is None and field.required and values.get(field.name) in (None, ""):
            raise BadRequest(f"{field.name!r} is a required property")
    values["extra"] = extra
    return values


def _take(field: Field, value: Any, values: Record, before: Record | None, kind: Kind) -> None:
    """Check one member and note its column's value."""
    blank, length_max = field.name in kind.blank_as_none, kind.name_characters_max
    if value is None:
        if not field.nullable:
            raise BadRequest(f"{field.name!r} may not be null")
        value = "" if blank or field.name == "description" else None
    elif not isinstance(value, _TYPES[field.kind]) or (field.kind == NUMBER and isinstance(value, bool)):
        raise BadRequest(f"{field.name!r} must be a {field.kind}")
    elif field.name == "name" and not (str(value).strip() and len(str(value)) <= length_max):
        raise BadRequest(f"A name has between 1 and {length_max} characters.")
    elif field.choices and value not in field.choices:
        raise BadRequest(f"{field.name!r} must be one of {', '.join(field.choices)}")
    if field.fixed and before is not None and value != before[field.name]:
        raise Forbidden(f"{field.name!r} cannot be changed.")
    values[field.name] = value


def shown(kind: Kind, row: Record, base: str) -> Record:
    """Return the document of a row; `base` is the service's URL with /v3."""
    hidden = {"extra", "options", *kind.hidden}
    document = {**row["extra"], **{name: value for name, value in row.items() if name not in hidden}}
    for name in kind.blank_as_none:
        document[name] = document[name] or None
    if "options" in row:
        document["options"] = row["options"]
    document["links"] = {"self": f"{base}/{kind.plural}/{row['id']}"}
    return document
