"""What a list of images is asked for, read from the query.

    ?status=active&size_min=1&created_at=gt:2026-01-01T00:00:00Z&name=in:a,b&sort=name:asc&limit=5
        ──▶ ListingQuery.of(parameters) ──▶ fields that SQL is made of (rows.py)

The rules are Glance's: names that nobody knows are custom properties, times have operators, some fields take
`in:` lists with quotes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..api.faults import BadRequest
from ..api.times import seconds_of
from .image import MemberStatus, Status, Visibility
from .properties import NUMBER_MAX

LIMIT_DEFAULT, LIMIT_MAX = 25, 1000
SORTABLE = [
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
    "owner",
    "visibility",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
    "checksum",
    "virtual_size",
]
DIRECTIONS = ("asc", "desc")
IN_LISTS = frozenset(("id", "name", "status", "container_format", "disk_format"))
EQUALS = frozenset(("owner", "checksum", "os_hash_algo", "os_hash_value"))
NUMBERS = frozenset(("size_min", "size_max", "min_disk", "min_ram"))
TRUTHS = frozenset(("protected", "os_hidden"))
TIMES = frozenset(("created_at", "updated_at"))
OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
PAGING = frozenset(("limit", "marker", "sort", "sort_key", "sort_dir"))
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingQuery:
    """One page of a list, filtered and ordered."""

    limit: int = LIMIT_DEFAULT
    marker: str | None = None
    sort: tuple[tuple[str, str], ...] = (("created_at", "desc"), ("id", "desc"))
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By field, the values of which it must have one."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    protected: bool | None = None
    os_hidden: bool = False
    times: tuple[tuple[str, str, float], ...] = ()
    """Field, operator, Unix seconds."""
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    visibility: Visibility | None = None
    with_community: bool = False
    """Others' community images, too; they are left out unless asked for."""
    member_status: MemberStatus | None = MemberStatus.ACCEPTED
    """Of images shared with the caller: those answered so; None for all."""

    @classmethod
    def of(cls, parameters: Iterable[tuple[str, str]]) -> ListingQuery:
        """Read a query's names and values in order.

        Raises:
            BadRequest: something cannot be understood.
        """
        pairs = list(parameters)
        values = dict(pairs)
        asked = values.get("visibility")
        member = values.get("member_status", MemberStatus.ACCEPTED)
        return cls(
            limit=_limit(values.get("limit")),
            marker=values.get("marker"),
            sort=_sort(pairs),
            choices=_choices(values),
            numbers={name: _number(name, values[name]) for name in NUMBERS & values.keys()},
            protected=_truth("protected", values["protected"]) if "protected" in values else None,
            os_hidden=_truth("os_hidden", values.get("os_hidden", "false")),
            times=tuple(_time(name, value) for name, value in pairs if name in TIMES),
            tags=tuple(value for name, value in pairs if name == "tag"),
            properties={name: value for name, value in pairs if name not in _NAMED},
            visibility=None if asked in (None, "all") else _visibility(str(asked)),
            with_community=asked in ("all", "community"),
            member_status=None if member == "all" else _member_status(member),
        )


_NAMED = IN_LISTS | EQUALS | NUMBERS | TRUTHS | TIMES | PAGING | {"tag", "visibility", "member_status"}


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not _DIGITS.fullmatch(text):
        raise BadRequest("limit param must be a number that is not negative")
    return min(int(text), LIMIT_MAX)


def _number(name: str, text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > (2**63 - 1 if name.startswith("size") else NUMBER_MAX):
        raise BadRequest(f"Cannot convert {name} of {text!r} to a number")
    return int(text)


def _truth(name: str, text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise BadRequest(f"{name} must be true or false")


def _visibility(text: str) -> Visibility:
    try:
        return Visibility(text)
    except ValueError:
        raise BadRequest(f"Invalid visibility value: {text}") from None


def _member_status(text: str) -> MemberStatus:
    try:
        return MemberStatus(text)
    except ValueError:
        raise BadRequest(f"Invalid status: {text}") from None


def _choices(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    choices: dict[str, tuple[str, ...]] = {name: (values[name],) for name in EQUALS & values.keys()}
    for name in IN_LISTS & values.keys():
        value = values[name]
        choices[name] = _in_list(value[3:]) if value.startswith("in:") else (value,)
    for status in choices.get("status", ()):
        if status not in Status.__members__.values() and status not in ("killed", "pending_delete"):
            raise BadRequest(f"Invalid status value: {status}")
    return choices


def _in_list(text: str) -> tuple[str, ...]:
    """Split `a,"b,c"`: quotes are for values with commas."""
    if text.count('"') % 2:
        raise BadRequest(f"Invalid filter value {text!r}: a quote is not closed.")
    return tuple(next(csv.reader([text]), []))


def _time(name: str, text: str) -> tuple[str, str, float]:
    operator, colon, rest = text.partition(":")
    if not colon or operator not in OPERATORS:
        if operator.isalpha():
            raise BadRequest(
                f"Invalid comparison operator {operator!r} for {name}: one of {', '.join(OPERATORS)}"
            )
        operator, rest = "eq", text
    try:
        return name, operator, seconds_of(rest)
    except ValueError:
        raise BadRequest(f"{name}: {rest!r} is no time in ISO 8601") from None


def _sort(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    new = [value for name, value in pairs if name == "sort"]
    keys = [value for name, value in pairs if name == "sort_key"]
    directions = [value for name, value in pairs if name == "sort_dir"]
    if new and (keys or directions):
        raise BadRequest("Old and new sorting syntax cannot be combined")
    if new:
        parts = [part.strip().partition(":") for part in new[-1].split(",")]
        order = [(key, direction or "desc") for key, _, direction in parts]
    else:
        keys = keys or ["created_at"]
        if len(directions) > 1 and len(directions) != len(keys):
            raise BadRequest("Number of sort dirs does not match the number of sort keys")
        directions = directions or ["desc"]
        order = [
            (key, directions[at] if len(directions) > 1 else directions[0]) for at, key in enumerate(keys)
        ]
    for key, direction in order:
        if key not in SORTABLE:
            raise BadRequest(f"Invalid sort key: {key}. It must be one of {', '.join(SORTABLE)}.")
        if direction not in DIRECTIONS:
            raise BadRequest(f"Invalid sort direction: {direction}")
    for key in ("created_at", "id"):
        if key not in (known for known, _ in order):
            order.append((key, order[-1][1]))
    return tuple(order)
