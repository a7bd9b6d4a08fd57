"""Which of two reports about an object is right."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import Timestamp, decode_triple
from apus.container.rows import (
    ObjectRow,
    entry_of,
    from_entry,
    from_item,
    joined,
    split_size,
    tombstone,
    with_moments,
)

moments = st.integers(1, 6).map(lambda at: Timestamp.of(at).internal)
types = st.sampled_from(["text/plain", "a/b; charset=utf-8", "a/b; swift_bytes=9", "a/b;swift_bytes=7;x=1"])
puts = st.builds(
    lambda at, size, kind, etag, kind_at, meta_at: with_moments(
        ObjectRow("o", at, size, kind, etag, 0, 0), kind_at, meta_at
    ),
    moments,
    st.integers(0, 2),
    types,
    st.sampled_from(["e1", "e2"]),
    st.none() | moments,
    st.none() | moments,
)
deletions = st.builds(lambda at: tombstone("o", at, 0), moments)
rows = st.one_of(puts, deletions)


def canonical(row: ObjectRow) -> ObjectRow:
    """A row alone says the same as a row joined with itself in another spelling."""
    return joined(row, ObjectRow("o", Timestamp.of(0).internal, -1, "", "", 0, 0))


@given(rows, rows)
def test_joining_commutes(left: ObjectRow, right: ObjectRow) -> None:
    """It does not matter which report came first."""
    assert canonical(joined(left, right)) == canonical(joined(right, left))


@given(rows, rows, rows)
def test_joining_associates(one: ObjectRow, two: ObjectRow, three: ObjectRow) -> None:
    """It does not matter who met whom first."""
    assert canonical(joined(joined(one, two), three)) == canonical(joined(one, joined(two, three)))


@given(rows, rows)
def test_joining_again_changes_nothing(left: ObjectRow, right: ObjectRow) -> None:
    """A report that was heard already is no news."""
    both = joined(left, right)
    assert joined(both, left) == both == joined(both, right)


@given(st.lists(rows, min_size=1, max_size=4))
def test_all_orders_end_alike(reports: list[ObjectRow]) -> None:
    """Reports in any order end in one row."""
    ends = {canonical(functools.reduce(joined, order)) for order in itertools.permutations(reports)}
    assert len(ends) == 1


def test_each_part_has_its_own_moment() -> None:
    """Data, content type and metadata are each the newest, whoever reported them."""
    put = ObjectRow("o", Timestamp.of(5).internal, 10, "a/a", "e5", 0, 0)
    post = with_moments(
        ObjectRow("o", Timestamp.of(3).internal, 7, "b/b", "e3", 0, 0),
        Timestamp.of(6).internal,
        Timestamp.of(8).internal,
    )
    row = joined(put, post)
    assert (row.size, row.etag, row.content_type, row.deleted) == (10, "e5", "b/b", 0)
    assert decode_triple(row.created_at) == (Timestamp.of(5), Timestamp.of(6), Timestamp.of(8))


def test_a_large_objects_size_goes_with_its_data() -> None:
    """swift_bytes lives in the content type's column but belongs to the data."""
    manifest = ObjectRow("o", Timestamp.of(5).internal, 10, "a/a; swift_bytes=999", "e5", 0, 0)
    post = with_moments(
        ObjectRow("o", Timestamp.of(4).internal, 1, "b/b; charset=x", "e4", 0, 0),
        Timestamp.of(6).internal,
        None,
    )
    assert joined(manifest, post).content_type == "b/b; charset=x;swift_bytes=999"


def test_of_one_moment_the_deletion_counts() -> None:
    """A put and a deletion of the same moment end deleted on every replica, as on disk."""
    at = Timestamp.of(5).internal
    put = ObjectRow("o", at, 10, "a/a", "e", 0, 0)
    assert joined(put, tombstone("o", at, 0)).deleted == joined(tombstone("o", at, 0), put).deleted == 1


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/plain", ("text/plain", "")),
        ("text/plain; swift_bytes=12", ("text/plain", "12")),
        ("text/plain;charset=utf-8;swift_bytes=12 ;x=y", ("text/plain;charset=utf-8;x=y", "12")),
        ("swift_bytes=5", ("swift_bytes=5", "")),
    ],
)
def test_the_hidden_size_comes_out(content_type: str, expected: tuple[str, str]) -> None:
    """The parameter, and the content type without it."""
    assert split_size(content_type) == expected


def test_entries_of_all_releases_are_read() -> None:
    """Six columns at first, then the policy, then the moments of POSTs."""
    old = ("o", "0000000005.00000", 1, "a/b", "e", 0)
    assert from_entry(old) == ObjectRow("o", "0000000005.00000", 1, "a/b", "e", 0, 0)
    assert from_entry((*old, 3)).policy_index == 3
    row = from_entry((*old, 3, "0000000006.00000", "0000000007.00000"))
    assert decode_triple(row.created_at)[1:] == (Timestamp.of(6), Timestamp.of(7))
    assert from_entry(entry_of(row)) == row


def test_a_row_with_an_unreadable_moment_loses() -> None:
    """One bad row must not stop a database from merging."""
    bad, good = ObjectRow("o", "nonsense", 1, "a/b", "e", 0, 0), ObjectRow("o", "5", 2, "a/b", "e", 0, 0)
    assert joined(bad, good).size == joined(good, bad).size == 2


def test_items_of_old_peers_are_read() -> None:
    """A peer from before storage policies does not name one."""
    item = {
        "name": "o",
        "created_at": "5",
        "size": 1,
        "content_type": "a/b",
        "etag": "e",
        "deleted": 0,
        "ROWID": 9,
    }
    assert from_item(item).policy_index == 0
