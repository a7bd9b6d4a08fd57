"""What a listing shows, against a model that looks at every name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apus.common.database.listing import NO_LIMIT, Fetch, Query, Range, Subdir, after_prefix, scan

ALPHABET = "ab/0é\n%\x01\ud7ff\ue000\U0010ffff~."
names = st.text(ALPHABET, min_size=1, max_size=6)
short = st.text(ALPHABET, max_size=3)
queries = st.builds(
    Query,
    limit=st.integers(0, 12),
    marker=short,
    end_marker=short,
    prefix=short,
    delimiter=st.text("/a0%é\U0010ffff", max_size=2),
    reverse=st.booleans(),
    reserved=st.booleans(),
)


def fetch_from(stored: set[str], asked: list[Range] | None = None) -> Fetch:
    """Return what an index over the names would answer."""

    def fetch(span: Range) -> Iterator[tuple[str]]:
        if asked is not None:
            asked.append(span)
        found = [
            name
            for name in sorted(stored, reverse=span.reverse)
            if (name >= span.low if span.low_is_in else name > span.low)
            and (not span.high or name < span.high)
        ]
        return iter([(name,) for name in (found if span.limit == NO_LIMIT else found[: span.limit])])

    return fetch


def model(stored: set[str], query: Query) -> list[str]:
    """Look at every name; roll up at the delimiter; cut at the limit."""
    low, high = (query.end_marker, query.marker) if query.reverse else (query.marker, query.end_marker)
    shown: list[str] = []
    for name in sorted(stored, reverse=query.reverse):
        if not name.startswith(query.prefix) or (low and name <= low) or (high and name >= high):
            continue
        if name.startswith("\0") and not query.reserved:
            continue
        item = name
        if query.delimiter:
            end = name.find(query.delimiter, len(query.prefix))
            if end >= 0:
                item = name[: end + len(query.delimiter)] + "<dir>"
                if item == low + "<dir>":
                    continue
        if not shown or shown[-1] != item:
            shown.append(item)
    return shown[: query.limit]


def listed(stored: set[str], query: Query) -> list[str]:
    return [
        item.name + "<dir>" if isinstance(item, Subdir) else item[0]
        for item in scan(query, fetch_from(stored))
    ]


@given(st.sets(st.one_of(names, names.map(lambda name: "\0" + name)), max_size=30), queries)
@example({"a/b", "a/c", "b"}, Query(limit=10, delimiter="/", marker="a/"))
@example({"a/b", "a/c", "b"}, Query(limit=10, delimiter="/", end_marker="a/", reverse=True))
@example({"a\U0010ffff", "a\U0010ffffb", "b"}, Query(limit=10, prefix="a\U0010ffff"))
def test_a_listing_equals_the_model(stored: set[str], query: Query) -> None:
    """Every combination of conditions shows what looking at every name shows."""
    assert listed(stored, query) == model(stored, query)


@given(st.sets(names, max_size=30), st.text("ab/", max_size=3), st.booleans())
def test_path_shows_one_level(stored: set[str], path: str, reverse: bool) -> None:
    """`path` shows the names directly under it, and those that end in the slash there, but no deeper ones."""
    prefix = path.rstrip("/") + "/" if path else ""
    expected = [
        name
        for name in sorted(stored, reverse=reverse)
        if name.startswith(prefix) and name != prefix and "/" not in name[len(prefix) :].removesuffix("/")
    ]
    assert listed(stored, Query(limit=100, path=path, reverse=reverse)) == expected


@given(st.sets(names, max_size=30), queries, st.integers(1, 4))
def test_pages_make_up_the_whole(stored: set[str], query: Query, page: int) -> None:
    """Whoever asks on from the last name shown gets each one once, in order."""
    query = replace(query, marker="", end_marker="", limit=1000)
    whole, pages, marker = listed(stored, query), [], ""
    for _ in range(len(whole) + 1):
        shown = listed(stored, replace(query, marker=marker, limit=page))
        pages += shown
        if not shown:
            break
        marker = shown[-1].removesuffix("<dir>")
    assert pages == whole


@given(short)
def test_after_prefix_is_the_least_name_behind(prefix: str) -> None:
    """Nothing with the prefix is as great, and nothing without it lies between."""
    following = after_prefix(prefix)
    if following:
        assert following > prefix + "\U0010ffff" * 3
        assert not following.startswith(prefix) or not prefix
        assert following[:-1] == prefix[: len(following) - 1]
        following.encode()


def test_a_large_folder_is_jumped_over() -> None:
    """A folder of a hundred thousand names costs one more question, not a hundred thousand rows."""
    stored = {f"big/{index:05}" for index in range(1000)} | {"zoo"}
    asked: list[Range] = []
    read = 0

    def counting(span: Range) -> Iterator[tuple[str]]:
        nonlocal read
        for row in fetch_from(stored, asked)(span):
            read += 1
            yield row

    assert len(list(scan(Query(limit=10, delimiter="/"), counting))) == 2
    assert len(asked) <= 2
    assert read < 40


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_no_question(limit: int) -> None:
    """A listing of nothing does not touch the index."""
    asked: list[Range] = []
    assert list(scan(Query(limit=limit), fetch_from({"a"}, asked))) == []
    assert not asked


def test_a_plain_listing_is_one_range() -> None:
    """Without a delimiter the index is asked once, and for no more than is shown."""
    asked: list[Range] = []
    rows = list(itertools.islice(scan(Query(limit=5, prefix="a"), fetch_from({"a1", "a2", "b"}, asked)), 10))
    assert len(rows) == 2
    assert asked == [Range("a", True, "b", 5)]
