"""One truthful listing out of several replicas' differing ones.

    query ──▶ merged_listing(query, fetch) ──▶ what a client is shown
                   └─ fetch(query) ──▶ one Page per replica, deleted rows included
    pages ──▶ merge() ──▶ the newest word on every name, up to where all pages speak

A row's newest timestamp wins, a deletion as much as a change. A subdir that some replica has only
deleted names under is settled by looking at the names themselves. Pure: whoever calls says how pages
are fetched, and a page is what a replica would answer to X-Backend-Include-Deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ...common.timestamp import Timestamp, decode_triple

Entry = dict[str, Any]

PAGE_MIN: Final = 64
"""Fewest entries asked of a replica: a page must hold more than one name to get anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingQuery:
    """What a client asks of a container's listing."""

    limit: int
    marker: str = ""
    end_marker: str = ""
    prefix: str = ""
    delimiter: str = ""
    path: str | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A replica's answer; `complete` if nothing follows it."""

    entries: Sequence[Entry]
    complete: bool


Fetch = Callable[[ListingQuery], Sequence[Page]]


@dataclass(frozen=True, slots=True)
class Item:
    """Something to show; a subdir that may turn out empty is not settled."""

    entry: Entry
    settled: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """What the pages say together, up to and including `reached`."""

    items: Sequence[Item]
    reached: str
    complete: bool


@dataclass(slots=True)
class _Words:
    """What the replicas say of one name."""

    row: Entry | None = None
    moment: tuple[Timestamp, Timestamp, Timestamp, bool] | None = None
    live_in: set[int] = field(default_factory=set)
    dead_in: set[int] = field(default_factory=set)
    subdir: Entry | None = None

    def hear(self, replica: int, entry: Entry) -> None:
        if "subdir" in entry:
            (self.dead_in if entry.get("deleted") else self.live_in).add(replica)
            self.subdir = {"subdir": entry["subdir"]}
            return
        moment = (*decode_triple(entry["timestamp"]), bool(entry["deleted"]))
        if self.moment is None or moment > self.moment:
            self.row, self.moment = entry, moment

    def items(self, replicas: int) -> Iterator[Item]:
        if self.row is not None and not self.row["deleted"]:
            yield Item(_shown(self.row), settled=True)
        if self.subdir is not None and self.live_in:
            # Names under it may be live here and deleted there, where nothing else lives.
            doubtful = bool(self.dead_in) and len(self.live_in) < replicas
            yield Item(self.subdir, settled=not doubtful)


def merged_listing(query: ListingQuery, fetch: Fetch) -> list[Entry]:
    """Return the entries that the client is shown."""
    shown: list[Entry] = []
    asking = replace(query, limit=max(query.limit, PAGE_MIN))
    while len(shown) < query.limit:
        merged = merge(fetch(asking), reverse=query.reverse)
        for item in merged.items:
            if item.settled or _holds_something(item.entry["subdir"], query, fetch):
                shown.append(item.entry)
                if len(shown) == query.limit:
                    break
        if merged.complete:
            break
        asking = _further(asking, merged)
    return shown


def _holds_something(subdir: str, query: ListingQuery, fetch: Fetch) -> bool:
    """Tell whether any name under the subdir, within the query's range, is alive."""
    asking = replace(query, prefix=subdir, delimiter="", path=None, limit=PAGE_MIN)
    while True:
        merged = merge(fetch(asking), reverse=query.reverse)
        if merged.items:
            return True
        if merged.complete:
            return False
        asking = _further(asking, merged)


def _further(asked: ListingQuery, merged: Merged) -> ListingQuery:
    """Return the question for what lies behind; a larger one if the pages did not get anywhere."""
    if not merged.reached:
        return replace(asked, limit=asked.limit * 2)
    return replace(asked, marker=merged.reached)


def merge(pages: Sequence[Page], *, reverse: bool) -> Merged:
    """Return the newest word on every name that all pages cover."""
    assert pages
    edge = _edge(pages, reverse=reverse)
    words: dict[str, _Words] = {}
    for replica, page in enumerate(pages):
        for entry in page.entries:
            name = name_of(entry)
            if edge is None or (name > edge if reverse else name < edge):
                words.setdefault(name, _Words()).hear(replica, entry)
    names = sorted(words, reverse=reverse)
    items = [item for name in names for item in words[name].items(len(pages))]
    return Merged(items, names[-1] if names else "", complete=edge is None)


def _edge(pages: Sequence[Page], *, reverse: bool) -> str | None:
    """Return the first name that not all pages are sure to cover; None when all are complete.

    The last name of an incomplete page is not covered: its subdir may have been cut in two.
    """
    lasts = [name_of(page.entries[-1]) for page in pages if not page.complete]
    if not lasts:
        return None
    return max(lasts) if reverse else min(lasts)


def name_of(entry: Entry) -> str:
    """Return the name by which an entry is sorted."""
    name: str = entry["subdir"] if "subdir" in entry else entry["name"]
    return name


def _shown(row: Entry) -> Entry:
    return {key: value for key, value in row.items() if key not in ("deleted", "timestamp")}
