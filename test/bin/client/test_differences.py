"""What a folder and a container must exchange."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.bin.client.differences import Entry, compare, same_by_mtime

paths = st.sampled_from(["a", "a/b", "a/b/c", "b", "b/c", "d"])
entries = st.builds(Entry, st.integers(0, 2), is_folder=st.just(value=False), mtime=st.just(1))
folders = st.just(Entry(0, is_folder=True, mtime=1))
trees = st.dictionaries(paths, entries | folders)


@given(trees, trees, st.booleans())
def test_every_path_has_one_fate(source: dict[str, Entry], target: dict[str, Entry], delete: bool) -> None:
    """Nothing is copied and deleted, nothing that the source has is deleted, nothing is forgotten."""
    plan = compare(source, target, delete=delete)
    told = [*plan.copy, *plan.doubtful, *plan.same, *plan.clashes]
    assert len(told) == len(set(told))
    assert not set(plan.remove) & source.keys()
    filled = {path for path in source if any(other.startswith(f"{path}/") for other in source)}
    assert {path for path in source if path not in told} <= filled
    assert delete or not plan.remove
    assert not set(plan.remove) & filled


@given(trees, trees, st.sets(paths))
def test_what_is_spared_stays(source: dict[str, Entry], target: dict[str, Entry], spared: set[str]) -> None:
    """And what lies below it; the rest has the fate that it would have had."""
    plan, without = compare(source, target, delete=True, spared=spared), compare(source, target, delete=True)
    stays = {path for path in without.remove for each in spared if f"{path}/".startswith(f"{each}/")}
    assert set(plan.remove) == set(without.remove) - stays
    assert (plan.copy, plan.doubtful, plan.same) == (without.copy, without.doubtful, without.same)


@given(trees)
def test_a_copy_of_itself_needs_nothing(tree: dict[str, Entry]) -> None:
    """Only a closer look at times can find work between equals."""
    plan = compare(tree, tree, delete=True)
    assert not plan.copy
    assert not plan.remove


def test_children_go_before_their_folders() -> None:
    """So that the folders are empty when their turn comes."""
    target = {"a": Entry(0, is_folder=True), "a/b": Entry(1)}
    assert compare({}, target, delete=True).remove == ["a/b", "a"]


def test_a_listed_size_of_nothing_is_looked_at_again() -> None:
    """A dynamic large object is listed with 0 bytes."""
    plan = compare({"a": Entry(5, mtime=1)}, {"a": Entry(0)}, delete=False)
    assert plan.doubtful == ["a"]


def test_times_tell_only_where_both_are_known() -> None:
    """Else bytes must be compared."""
    assert same_by_mtime(1, 1_000_000, 1, 1_000_999) is True
    assert same_by_mtime(1, 1_000_000, 1, 1_009_000) is False
    assert same_by_mtime(1, None, 1, 5) is None
    assert same_by_mtime(1, None, 2, 5) is False
