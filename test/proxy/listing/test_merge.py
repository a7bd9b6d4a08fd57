"""Laws of merged listings, against a model that simply merges all rows first."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import Timestamp
from apus.proxy.listing.merge import Entry, ListingQuery, Page, merge, merged_listing

NAMES = st.text("ab/é", min_size=1, max_size=4)


@dataclass(frozen=True)
class Row:
    """One row of one replica."""

    name: str
    at: int
    deleted: bool

    def entry(self) -> Entry:
        return {
            "name": self.name,
            "hash": str(self.at),
            "deleted": int(self.deleted),
            "timestamp": self.stamp,
        }

    @property
    def stamp(self) -> str:
        return Timestamp.of(self.at).internal


Replica = dict[str, Row]


@st.composite
def replicas(draw: st.DrawFn) -> list[Replica]:
    """Replicas that each heard some of the same history."""
    count = draw(st.integers(1, 3))
    known: list[Replica] = [{} for _ in range(count)]
    for at in range(1, draw(st.integers(0, 25)) + 1):
        row = Row(draw(NAMES), at, draw(st.booleans()))
        for replica in known:
            if draw(st.booleans()):
                replica[row.name] = row
    return known


QUERIES = st.builds(
    ListingQuery,
    limit=st.integers(1, 12),
    marker=st.one_of(st.just(""), NAMES),
    end_marker=st.one_of(st.just(""), NAMES),
    prefix=st.one_of(st.just(""), NAMES),
    delimiter=st.sampled_from(["", "/"]),
    reverse=st.booleans(),
)


def listed(rows: list[Row], query: ListingQuery) -> list[Entry]:
    """List rows as one database would; rows are all live or all dead."""
    low, high = (query.end_marker, query.marker) if query.reverse else (query.marker, query.end_marker)
    entries: list[Entry] = []
    for row in sorted(rows, key=lambda row: row.name):
        name = row.name
        if not name.startswith(query.prefix) or (low and name <= low) or (high and name >= high):
            continue
        end = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        if end < 0:
            entries.append(row.entry())
            continue
        subdir = name[: end + 1]
        entry: dict[str, Any] = {"subdir": subdir, "deleted": int(row.deleted)}
        if subdir != low and entry not in entries:
            entries.append(entry)
    return entries


def sort_key(entry: Entry) -> str:
    name: str = entry.get("subdir") or entry["name"]
    return name


def fetched(known: list[Replica], query: ListingQuery, page_max: int) -> list[Page]:
    """Answer as each replica would, in pages of at most `page_max`."""
    pages = []
    for replica in known:
        live = listed([row for row in replica.values() if not row.deleted], query)
        dead = listed([row for row in replica.values() if row.deleted], query)
        whole = sorted([*live, *dead], key=sort_key, reverse=query.reverse)
        cut = min(query.limit, page_max)
        pages.append(Page(whole[:cut], complete=len(whole) < cut))
    return pages


def model(known: list[Replica], query: ListingQuery) -> list[Entry]:
    """Merge everything first, then list it."""
    merged: Replica = {}
    for row in itertools.chain.from_iterable(replica.values() for replica in known):
        if row.name not in merged or merged[row.name].at < row.at:
            merged[row.name] = row
    entries = listed([row for row in merged.values() if not row.deleted], query)
    entries.sort(key=sort_key, reverse=query.reverse)
    shown = [
        {key: value for key, value in each.items() if key not in ("deleted", "timestamp")} for each in entries
    ]
    return shown[: query.limit]


def names_only(entries: list[Entry]) -> list[str]:
    return [sort_key(entry) for entry in entries]


@given(replicas(), QUERIES.map(lambda query: replace(query, delimiter="")), st.integers(2, 40))
def test_a_flat_listing_is_the_merged_databases_listing(
    known: list[Replica], query: ListingQuery, page_max: int
) -> None:
    """However replicas differ and pages are cut, the client sees the newest of everything, once."""
    assert merged_listing(query, lambda asked: fetched(known, asked, page_max)) == model(known, query)


@given(replicas(), QUERIES, st.integers(4, 40))
def test_a_rolled_up_listing_hides_nothing(known: list[Replica], query: ListingQuery, page_max: int) -> None:
    """With a delimiter no live name or subdir is missing; a subdir too many is alive in every replica."""
    query = replace(query, limit=1000)
    shown = merged_listing(query, lambda asked: fetched(known, asked, page_max))
    wanted = model(known, query)
    assert names_only(shown) == sorted(set(names_only(shown)), reverse=query.reverse) or len(
        set(names_only(shown))
    ) < len(shown)
    for entry in wanted:
        assert entry in shown
    for entry in shown:
        if entry not in wanted:
            subdir = entry["subdir"]
            for replica in known:
                assert any(row.name.startswith(subdir) and not row.deleted for row in replica.values())


@given(replicas(), QUERIES)
def test_a_limit_is_kept(known: list[Replica], query: ListingQuery) -> None:
    """Never more entries than asked for."""
    assert len(merged_listing(query, lambda asked: fetched(known, asked, 40))) <= query.limit


@given(replicas(), st.integers(1, 5), st.booleans())
def test_pages_of_a_client_join(known: list[Replica], limit: int, reverse: bool) -> None:
    """A client that pages by the last name sees each name once, as in one large listing."""
    whole = ListingQuery(limit=1000, reverse=reverse)
    query = replace(whole, limit=limit)
    paged: list[Entry] = []
    while page := merged_listing(query, lambda asked: fetched(known, asked, 40)):
        paged += page
        query = replace(query, marker=sort_key(page[-1]))
    assert paged == merged_listing(whole, lambda asked: fetched(known, asked, 40))


def test_equal_pages_merge_to_themselves() -> None:
    """Replicas that agree lose nothing by being merged."""
    rows = [Row(name, 1, deleted=False).entry() for name in "abc"]
    merged = merge([Page(rows, complete=True)] * 2, reverse=False)
    assert [item.entry["name"] for item in merged.items] == ["a", "b", "c"]
    assert merged.complete
