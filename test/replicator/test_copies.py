"""The laws of the exact count."""

from __future__ import annotations

from collections import Counter

from apus.common.timestamp import Timestamp
from apus.replicator.copies import Holding, Shortage, Tally, count, total
from apus.replicator.plan import Version

OLD, NEW = Version(data=Timestamp(5)), Version(data=Timestamp(9))
DELETED = Version(tombstone=Timestamp(10))


def primaries(*inventories: dict[str, Version] | None) -> list[Holding]:
    return [Holding(f"d{index}", True, inventory) for index, inventory in enumerate(inventories)]


def test_a_partition_with_all_its_copies_is_settled() -> None:
    """Three primaries, three equal copies, nothing elsewhere."""
    tally = count(1, primaries({"a": NEW}, {"a": NEW}, {"a": NEW}))
    assert tally.settled
    assert (tally.objects, tally.partitions, tally.copies) == (1, 1, Counter({3: 1}))


def test_an_older_copy_is_no_copy() -> None:
    """Only who holds the newest version holds the object."""
    tally = count(1, primaries({"a": NEW}, {"a": OLD}, {}))
    assert (tally.objects_below, tally.partitions_below, tally.settled) == (1, 1, False)
    assert tally.shortages == (Shortage(1, "a", 1, 3),)


def test_a_copy_on_a_handoff_is_in_the_wrong_place() -> None:
    """It does not complete the partition, and it is stale when the partition is complete."""
    elsewhere = Holding("d9", False, {"a": NEW})
    full = count(1, [*primaries({"a": NEW}, {"a": NEW}, {"a": NEW}), elsewhere])
    assert (full.objects_below, full.objects_above, full.stale_handoffs) == (0, 1, 1)
    assert not full.settled
    short = count(1, [*primaries({"a": NEW}, {"a": NEW}, {}), elsewhere])
    assert (short.objects_below, short.objects_above, short.stale_handoffs) == (1, 0, 1)


def test_an_object_only_on_a_handoff_has_no_copy_where_it_belongs() -> None:
    """The worst case has a number of its own."""
    tally = count(1, [*primaries({}, {}, {}), Holding("d9", False, {"a": NEW})])
    assert (tally.objects, tally.objects_without_copy, tally.copies) == (1, 1, Counter({0: 1}))


def test_a_deleted_object_is_not_missed() -> None:
    """A tombstone takes the object out of the count, and is itself counted until all know it."""
    tally = count(1, primaries({"a": DELETED}, {"a": NEW}, {"a": DELETED}))
    assert (tally.objects, tally.tombstones, tally.tombstones_below) == (0, 1, 1)
    assert not tally.settled


def test_an_empty_handoff_is_nothing() -> None:
    """A partition directory without objects is not stale."""
    assert count(1, [*primaries({}, {}, {}), Holding("d9", False, {})]) == Tally()


def test_a_silent_device_makes_the_count_a_bound() -> None:
    """What was not asked is counted as missing, and the count says that it is not exact."""
    tally = count(1, primaries({"a": NEW}, None, {"a": NEW}))
    assert (tally.objects_below, tally.unanswered, tally.exact) == (1, 1, False)


def test_an_old_tombstone_may_be_forgotten() -> None:
    """Past the reclaim age devices forget one by one, and nothing is wrong."""
    holdings = primaries({"a": DELETED}, {}, {})
    assert count(1, holdings).tombstones_below == 1
    assert count(1, holdings, horizon=Timestamp(11)).settled


def test_tallies_add_up() -> None:
    """The cluster's count is the sum of its partitions'."""
    left, right = (
        count(1, primaries({"a": NEW}, {}, {})),
        count(2, primaries({"b": NEW}, {"b": NEW}, {"b": NEW})),
    )
    both = total([left, right, Tally()])
    assert (both.objects, both.objects_below, both.partitions) == (2, 1, 2)
    assert both.copies == Counter({1: 1, 3: 1})
    assert both.shortages == left.shortages
