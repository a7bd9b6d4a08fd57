"""What a list shows: which documents, in which order, which page, which of their members.

    documents, query ──▶ chosen() ──▶ sorted_() ──▶ page() ──▶ trimmed()

Any member filters: several values of one name mean any of them; a list matches by one of its items; fixed_ips
takes KEY=VALUE. Names that no document has are no filters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...common.errors import Refused

Document = Mapping[str, Any]
LIMIT_MAX = 1000
_NO_FILTERS = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})
_TAGS = ("tags", "tags-any", "not-tags", "not-tags-any")


@dataclass(frozen=True, slots=True)
class Query:
    """A list's query, read."""

    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    sort: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    marker: str | None = None
    is_reverse: bool = False

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Query:
        """Read the query's parameters, several of one name included.

        Raises:
            Refused: limit, sort_key or sort_dir is wrong.
        """
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        keys, directions = values.get("sort_key", []), values.get("sort_dir", [])
        if len(directions) not in (0, len(keys)) or set(directions) - {"asc", "desc"}:
            raise Refused("The number of sort_keys and sort_dirs must be same, and each asc or desc")
        limit = values.get("limit", [None])[-1]
        if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
            raise Refused(f"Bad limit request: limit must be a positive number, and is '{limit}'")
        return cls(
            filters={name: tuple(each) for name, each in values.items() if name not in _NO_FILTERS},
            fields=tuple(values.get("fields", ())),
            sort=tuple(zip(keys, directions or ["asc"] * len(keys), strict=True)),
            limit=min(int(limit), LIMIT_MAX) or None if limit is not None else None,
            marker=values.get("marker", [None])[-1],
            is_reverse=values.get("page_reverse", [""])[-1].lower() in ("true", "1"),
        )


def chosen(documents: Iterable[Document], filters: Mapping[str, Sequence[str]]) -> list[Document]:
    """Return those that match all filters."""
    return [each for each in documents if all(_fits(each, name, values) for name, values in filters.items())]


def _fits(document: Document, name: str, values: Sequence[str]) -> bool:
    if name in _TAGS:
        return _tags_fit(set(document.get("tags", ())), name, values)
    if name not in document:
        return True
    member = document[name]
    if name == "fixed_ips":
        return all(_address_fits(member, value) for value in values)
    if isinstance(member, list):
        return any(_same(each, value) for each in member for value in values)
    return any(_same(member, value) for value in values)


def _tags_fit(tags: set[str], name: str, values: Sequence[str]) -> bool:
    asked = {tag for value in values for tag in value.split(",")}
    has = bool(tags & asked) if name.endswith("-any") else asked <= tags
    return has != name.startswith("not-")


def _address_fits(fixed_ips: Sequence[Document], value: str) -> bool:
    key, _, wanted = value.partition("=")
    if key == "ip_address_substr":
        return any(wanted in each["ip_address"] for each in fixed_ips)
    return any(str(each.get(key)) == wanted for each in fixed_ips)


def _same(member: Any, value: str) -> bool:
    if isinstance(member, bool):
        return member == (value.lower() in ("true", "1", "yes", "on"))
    if member is None:
        return value in ("", "None", "null")
    return str(member) == value


def arranged(documents: Iterable[Document], sort: Sequence[tuple[str, str]]) -> list[Document]:
    """Return them in order: by the keys asked for, then by age and id, so that pages never overlap.

    Raises:
        Refused: a key is no member.
    """
    ordered = sorted(documents, key=lambda each: (str(each.get("created_at", "")), str(each.get("id", ""))))
    for name, direction in reversed(sort):
        if ordered and not all(name in each for each in ordered):
            raise Refused(f"'{name}' is an invalid attribute for sort keys")
        ordered.sort(key=lambda each: _sort_value(each[name]), reverse=direction == "desc")
    return ordered


def _sort_value(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, int | float) else (2, str(value))


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and whether there is more on either side."""

    documents: list[Document]
    has_previous: bool = False
    has_next: bool = False


def page(documents: Sequence[Document], query: Query) -> Page:
    """Return the page behind the marker, or before it where that was asked for.

    Raises:
        Refused: the marker is in no document.
    """
    begin, end = 0, len(documents)
    if query.marker is not None:
        places = [place for place, each in enumerate(documents) if each.get("id") == query.marker]
        if not places:
            raise Refused(f"Invalid input for operation: marker {query.marker} could not be found.")
        begin, end = (0, places[0]) if query.is_reverse else (places[0] + 1, end)
    if query.limit is not None:
        if query.is_reverse:
            begin = max(begin, end - query.limit)
        else:
            end = min(end, begin + query.limit)
    return Page(list(documents[begin:end]), begin > 0, end < len(documents))


def trimmed(document: Document, fields: Sequence[str]) -> Document:
    """Return the members asked for; all where none was."""
    return {name: document[name] for name in fields if name in document} if fields else document
