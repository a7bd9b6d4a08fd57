"""A list's query, read: filters, order, page.

    ?status=available&sort=name:asc,created_at&limit=2&marker=ID ──▶ asked() ──▶ Ask(conditions, sort, …)

Which words may be used follows the table of each resource; an unknown filter is passed over, as Cinder
does for those who may not use it, and an unknown sort key is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, Integer, Table, or_

from ..api.call import Call
from ..api.faults import BadRequest
from ..api.paging import Page
from ..api.times import seconds_of
from .rows import Ask

_COMPARISONS = ("gt", "gte", "lt", "lte", "eq", "neq")
_TRUE = frozenset(("true", "1", "yes", "on", "t", "y"))
_FALSE = frozenset(("false", "0", "no", "off", "f", "n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What may be said of one kind of resource: word of the query → column."""

    columns: Mapping[str, str]
    sorts: Mapping[str, str] = field(default_factory=dict)
    times: Sequence[str] = ("created_at", "updated_at")


VOLUMES = Filters(
    columns={
        **{
            name: name
            for name in ("id", "name", "status", "bootable", "multiattach", "availability_zone", "size")
        },
        **{name: name for name in ("snapshot_id", "user_id", "description")},
        "display_name": "name",
        "source_volid": "source_volume_id",
        "volume_type_id": "type_id",
    },
    sorts={
        **{name: name for name in ("id", "name", "status", "size", "created_at", "updated_at", "bootable")},
        "display_name": "name",
        "availability_zone": "availability_zone",
    },
)
SNAPSHOTS = Filters(
    columns={
        **{name: name for name in ("id", "name", "status", "volume_id", "user_id", "description")},
        "display_name": "name",
        "volume_size": "size",
    },
    sorts={
        **{name: name for name in ("id", "name", "status", "volume_id", "created_at", "updated_at")},
        "display_name": "name",
        "volume_size": "size",
    },
)
BACKUPS = Filters(
    columns={
        name: name
        for name in ("id", "name", "status", "volume_id", "snapshot_id", "size", "parent_id", "user_id")
    },
    sorts={
        name: name
        for name in ("id", "name", "status", "volume_id", "size", "created_at", "updated_at",
        "data_timestamp") },
)  # fmt: skip
TYPES = Filters(columns={"name": "name"}, sorts={"name": "name", "id": "id", "created_at": "created_at"})
MESSAGES = Filters(
    columns={
        "resource_type": "resource_type",
        "resource_uuid": "resource_id",
        "event_id": "event_id",
        "request_id": "request_id",
        "id": "id",
    },
    sorts={
        "id": "id",
        "event_id": "event_id",
        "resource_uuid": "resource_id",
        "resource_type": "resource_type",
        "request_id": "request_id",
        "created_at": "created_at",
    },
)
ATTACHMENTS = Filters(
    columns={
        "volume_id": "volume_id",
        "status": "status",
        "instance_id": "instance_id",
        "attach_status": "status",
        "id": "id",
    },
    sorts={"id": "id", "created_at": "created_at"},
)
TRANSFERS = Filters(
    columns={"id": "id", "name": "name", "volume_id": "volume_id"},
    sorts={"id": "id", "name": "name", "created_at": "created_at", "updated_at": "updated_at"},
)


def asked(call: Call, table: Table, filters: Filters, *, owner: ColumnElement[bool] | None = None) -> Ask:
    """Return what the query asks for, of this caller's project or (admin, ?all_tenants=1) of all.

    Raises:
        BadRequest: a value, a sort key or the page cannot be read.
    """
    query = call.query
    page = Page.of(call)
    conditions: list[ColumnElement[bool]] = []
    if owner is not None:
        conditions.append(owner)
    elif "project_id" in table.c:
        conditions += _projects(call, table, query)
    for word, text in query.items():
        conditions += _filtered(call, table, filters, word, text)
    return Ask(
        conditions=conditions,
        metadata=metadata_asked(query.get("metadata")) if "metadata" in table.c else {},
        sort=_sorted(query, filters),
        limit=page.limit,
        offset=_offset(query.get("offset")),
        marker=page.marker,
    )


def _projects(call: Call, table: Table, query: Mapping[str, str]) -> list[ColumnElement[bool]]:
    if not (call.is_admin and query.get("all_tenants", "0").strip().lower() in _TRUE | {""}):
        return [table.c.project_id == call.project_id]
    wanted = query.get("project_id") or query.get("tenant_id")
    return [table.c.project_id == wanted] if wanted else []


def _filtered(call: Call, table: Table, filters: Filters, word: str, text: str) -> list[ColumnElement[bool]]:
    if word in filters.times and word in table.c and call.version is not None and call.version >= (3, 60):
        return _moments(table.c[word], text)
    inexact = word.endswith("~")
    name = filters.columns.get(word.rstrip("~"))
    if name is None or name not in table.c:
        return []
    column = table.c[name]
    if inexact:
        # Wild cards in the text itself mean themselves.
        return [column.contains(text, autoescape=True)]
    if isinstance(column.type, Boolean):
        return [column.is_(truth(word, text))]
    if isinstance(column.type, Integer):
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise BadRequest(f"{word}={text!r} is no whole number")
        return [column == int(text)]
    if text == "" and column.nullable:
        return [or_(column.is_(None), column == "")]
    return [column == text]


def _moments(column: ColumnElement[Any], text: str) -> list[ColumnElement[bool]]:
    assert isinstance(column.type, Double)
    conditions: list[ColumnElement[bool]] = []
    for part in text.split(","):
        word, colon, moment = part.partition(":")
        if not colon or word not in _COMPARISONS:
            word, moment = "eq", part
        at = _moment(moment)
        comparisons = {
            "gt": column > at,
            "gte": column >= at,
            "lt": column < at,
            "lte": column <= at,
            "eq": column == at,
            "neq": column != at,
        }
        conditions.append(comparisons[word])
    return conditions


def _moment(text: str) -> float:
    try:
        return seconds_of(text.strip())
    except ValueError as problem:
        raise BadRequest(f"{text!r} is no time; say it as in 2026-01-31T12:00:00") from problem


def truth(word: str, value: object) -> bool:
    """Read a yes or no that a client wrote as a word, a number or a JSON truth.

    Raises:
        BadRequest: it is neither.
    """
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadRequest(f"Invalid value for {word}: {value!r} is neither true nor false.")


def metadata_asked(text: str | None) -> dict[str, str]:
    """Read ?metadata={'key': 'value'}, which clients write as Python does.

    Raises:
        BadRequest: it is no dictionary of strings.
    """
    if not text:
        return {}
    try:
        wanted = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as problem:
        raise BadRequest(f"metadata={text!r} cannot be read; say it as in {{'key': 'value'}}") from problem
    if not isinstance(wanted, dict):
        raise BadRequest(f"metadata={text!r} is no dictionary")
    return {str(key): str(value) for key, value in wanted.items()}


def _sorted(query: Mapping[str, str], filters: Filters) -> list[tuple[str, bool]]:
    pairs: list[tuple[str, str]] = []
    if "sort" in query:
        for part in query["sort"].split(","):
            word, _, direction = part.strip().partition(":")
            pairs.append((word, direction or "desc"))
    elif "sort_key" in query or "sort_dir" in query:
        pairs.append((query.get("sort_key", "created_at"), query.get("sort_dir", "desc")))
    return [_sort_key(word, direction, filters) for word, direction in pairs] or [("created_at", True)]


def _sort_key(word: str, direction: str, filters: Filters) -> tuple[str, bool]:
    if word not in filters.sorts:
        raise BadRequest(f"Invalid sort key {word!r}; known: {', '.join(sorted(filters.sorts))}.")
    if direction not in ("asc", "desc"):
        raise BadRequest(f"Unknown sort direction {direction!r}, must be asc or desc.")
    return filters.sorts[word], direction == "desc"


def _offset(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest(f"offset={text!r} is no number of items")
    return int(text)
