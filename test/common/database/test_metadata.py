"""Metadata with a moment for each item."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.constraints import Constraints
from apus.common.database import metadata
from apus.common.errors import Corrupt, Refused

items = st.dictionaries(
    st.sampled_from("abc"),
    st.tuples(st.sampled_from(["", "x", "y"]), st.sampled_from(["1", "2", "3"])),
    max_size=3,
)


@given(st.lists(items, max_size=4))
def test_merging_has_no_order(updates: list[metadata.Metadata]) -> None:
    """Updates in any order, any number of times, end alike."""
    ends = []
    for order in itertools.permutations(updates):
        state: metadata.Metadata = {}
        for update in (*order, *order):
            state = metadata.merged(state, update)
        ends.append(state)
    assert all(end == ends[0] for end in ends)


@given(items)
def test_text_form_round_trips(stored: metadata.Metadata) -> None:
    """What is written is read."""
    assert metadata.read(metadata.written(stored)) == stored


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1}', '{"a": ["x"]}', "null"])
def test_nonsense_is_corrupt(text: str) -> None:
    """A column that is no metadata is no reason for a 500."""
    with pytest.raises(Corrupt):
        metadata.read(text)


def test_an_empty_value_deletes_and_is_forgotten_later() -> None:
    """The deletion is remembered until all replicas must have heard of it."""
    stored = metadata.merged({"A": ("x", "1")}, {"A": ("", "2")})
    assert list(metadata.visible(stored)) == []
    assert metadata.without_old_deletions(stored, "2") == stored
    assert metadata.without_old_deletions(stored, "3") == {}


def test_limits_hold_for_the_sum() -> None:
    """Many small updates may not add up to more than one may hold; system metadata does not count."""
    limits = Constraints(max_meta_count=2, max_meta_overall_size=20)
    metadata.check({"X-Container-Meta-A": ("x", "1"), "X-Container-Sysmeta-B": ("y" * 99, "1")}, limits)
    metadata.check({f"X-Container-Meta-{name}": ("", "1") for name in "abcdef"}, limits)
    with pytest.raises(Refused, match="Too many"):
        metadata.check({f"X-Container-Meta-{name}": ("x", "1") for name in "abc"}, limits)
    with pytest.raises(Refused, match="too large"):
        metadata.check({"X-Account-Meta-A": ("x" * 20, "1")}, limits)


def test_broken_utf8_is_refused() -> None:
    """A database's text is UTF-8."""
    with pytest.raises(Refused):
        metadata.check({"X-Container-Meta-A": ("\udcff", "1")}, Constraints())
