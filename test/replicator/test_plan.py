"""The laws of what two devices exchange."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import Timestamp
from apus.replicator.plan import (
    Job,
    Need,
    Push,
    Version,
    burials,
    confirms,
    covers,
    differing_suffixes,
    in_order,
    job_of,
    may_remove_handoff,
    needs_stand_in,
    newest_of,
    owed,
    pushes,
    reclaim_horizon,
)

LONG_AGO = Timestamp(0)


def at(ticks: int) -> Timestamp:
    return Timestamp(ticks)


@st.composite
def versions(draw: st.DrawFn) -> Version:
    written = draw(st.integers(1, 12))
    if draw(st.booleans()):
        return Version(tombstone=at(written))
    later = st.one_of(st.none(), st.integers(written + 1, 16).map(at))
    return Version(data=at(written), meta=draw(later), content_type=draw(later))


INVENTORIES = st.dictionaries(st.sampled_from("abcd"), versions())


@given(versions())
def test_nothing_is_owed_to_an_equal(version: Version) -> None:
    """Two devices that hold the same exchange nothing."""
    assert owed(version, version, horizon=LONG_AGO) is Need.NOTHING
    assert newest_of(version, version) == version


@given(versions(), versions())
def test_the_newest_is_the_same_from_both_sides(left: Version, right: Version) -> None:
    """Who asks does not matter to what wins."""
    assert newest_of(left, right) == newest_of(right, left)


@given(versions(), versions())
def test_one_exchange_makes_both_sure(left: Version, right: Version) -> None:
    """What both hold after an exchange is news to neither, and it owes nothing to itself."""
    newest = newest_of(left, right)
    assert covers(newest, left, horizon=LONG_AGO)
    assert covers(newest, right, horizon=LONG_AGO)


@given(versions(), versions())
def test_only_what_loses_is_owed_something(left: Version, right: Version) -> None:
    """A device is owed something exactly when the other would change what it holds."""
    changes = newest_of(left, right) != right
    assert bool(owed(left, right, horizon=LONG_AGO)) == changes


@given(versions(), versions())
def test_two_devices_never_owe_each_other_the_same_part(left: Version, right: Version) -> None:
    """Data and tombstones travel one way only."""
    there, back = owed(left, right, horizon=LONG_AGO), owed(right, left, horizon=LONG_AGO)
    whole = Need.DATA | Need.TOMBSTONE
    assert not (there & whole and back & whole)


@given(INVENTORIES, INVENTORIES)
def test_pushing_both_ways_makes_inventories_equal(
    left: dict[str, Version], right: dict[str, Version]
) -> None:
    """One push each way and both devices hold the newest of everything."""

    def apply(source: dict[str, Version], target: dict[str, Version]) -> dict[str, Version]:
        grown = dict(target)
        for push in pushes(source, target, horizon=LONG_AGO):
            held = target.get(push.hash)
            grown[push.hash] = source[push.hash] if held is None else newest_of(source[push.hash], held)
        return grown

    new_right = apply(left, right)
    new_left = apply(right, left)
    assert new_left == new_right


@given(INVENTORIES, INVENTORIES)
def test_a_burial_is_what_we_would_be_pushed(left: dict[str, Version], right: dict[str, Version]) -> None:
    """Taking a peer's deletion early changes nothing but the hour."""
    told = {push.hash for push in pushes(right, left, horizon=LONG_AGO) if push.need is Need.TOMBSTONE}
    buried = burials(left, right)
    assert buried.keys() == {digest for digest in told if digest in left and left[digest].data is not None}
    assert all(newest_of(left[digest], right[digest]).tombstone == buried[digest] for digest in buried)


@pytest.mark.parametrize(
    ("need", "status", "sure"),
    [
        (Need.DATA, 201, True),
        (Need.DATA, 409, True),
        (Need.DATA, 422, False),
        (Need.DATA, 507, False),
        (Need.META, 202, True),
        (Need.META, 404, False),
        (Need.TOMBSTONE, 404, True),
        (Need.TOMBSTONE, 503, False),
    ],
)
def test_only_who_holds_it_or_newer_confirms(need: Need, status: int, *, sure: bool) -> None:
    """409 says newer; a DELETE that finds nothing leaves its tombstone; a POST without data says nothing."""
    assert confirms(need, status) is sure


def test_metadata_alone_travels_when_the_data_is_shared() -> None:
    """A POST is not paid for with the body."""
    posted = Version(data=at(5), meta=at(9))
    assert owed(posted, Version(data=at(5)), horizon=LONG_AGO) is Need.META
    assert owed(posted, Version(data=at(4)), horizon=LONG_AGO) == Need.DATA | Need.META
    assert owed(posted, Version(data=at(7)), horizon=LONG_AGO) is Need.META
    assert owed(posted, Version(data=at(10)), horizon=LONG_AGO) is Need.NOTHING


def test_a_content_type_has_a_timestamp_of_its_own() -> None:
    """Newer content type beside older metadata is still news."""
    ours = Version(data=at(5), meta=at(8), content_type=at(7))
    assert owed(ours, Version(data=at(5), meta=at(8)), horizon=LONG_AGO) is Need.META
    assert owed(ours, Version(data=at(5), meta=at(9), content_type=at(7)), horizon=LONG_AGO) is Need.NOTHING


def test_an_expired_tombstone_is_told_only_to_who_holds_what_it_deleted() -> None:
    """Old tombstones neither live for ever nor let the dead return."""
    old = Version(tombstone=at(50))
    horizon = at(60)
    assert owed(old, None, horizon=horizon) is Need.NOTHING
    assert owed(old, Version(tombstone=at(40)), horizon=horizon) is Need.NOTHING
    assert owed(old, Version(data=at(49)), horizon=horizon) is Need.TOMBSTONE
    assert owed(Version(tombstone=at(60)), None, horizon=horizon) is Need.TOMBSTONE


def test_a_tombstone_wins_at_the_same_moment() -> None:
    """A tie has one outcome everywhere, and it is the one the file names give."""
    data, tombstone = Version(data=at(5)), Version(tombstone=at(5))
    assert newest_of(data, tombstone) == tombstone
    assert owed(tombstone, data, horizon=LONG_AGO) is Need.TOMBSTONE
    assert owed(data, tombstone, horizon=LONG_AGO) is Need.NOTHING


def test_pushes_go_oldest_change_first() -> None:
    """The order is a law so that two runs are alike."""
    ours = {"b": Version(data=at(2)), "a": Version(data=at(9)), "c": Version(tombstone=at(5))}
    assert pushes(ours, {}, horizon=LONG_AGO) == [
        Push("b", Need.DATA),
        Push("c", Need.TOMBSTONE),
        Push("a", Need.DATA),
    ]


def test_suffixes_differ_when_hashes_do() -> None:
    """Only ours that the peer lacks or holds otherwise; the peer's own are the peer's to push."""
    ours = {"aaa": "1", "bbb": "2", "ccc": "3"}
    theirs = {"aaa": "1", "bbb": "x", "ddd": "4"}
    assert differing_suffixes(ours, theirs) == ("bbb", "ccc")


@pytest.mark.parametrize(
    ("confirmed", "primaries", "handoff_delete", "removed"),
    [(3, 3, 0, True), (2, 3, 0, False), (2, 3, 2, True), (1, 3, 2, False), (0, 0, 0, False), (2, 2, 3, True)],
)
def test_a_handoff_goes_when_every_primary_confirmed(
    confirmed: int, primaries: int, handoff_delete: int, *, removed: bool
) -> None:
    """Or as many as the operator said are enough in an emergency."""
    assert (
        may_remove_handoff(confirmed=confirmed, primaries=primaries, handoff_delete=handoff_delete) is removed
    )


def test_an_unmounted_primary_is_stood_in_for() -> None:
    """Unless the operator asked for fewer copies and those are still within reach."""
    assert needs_stand_in(copies_sure=1, primaries_left=1)
    assert not needs_stand_in(copies_sure=1, primaries_left=1, handoff_delete=2)
    assert needs_stand_in(copies_sure=1, primaries_left=0, handoff_delete=2)


def test_the_horizon_is_the_reclaim_age_ago() -> None:
    """And never before the epoch."""
    assert reclaim_horizon(Timestamp.of(1000), 400) == Timestamp.of(600)
    assert reclaim_horizon(Timestamp.of(10), 400) == Timestamp(0)


JOBS = st.builds(
    Job, st.integers(0, 1), st.integers(0, 3), st.integers(0, 9), st.booleans(), st.integers(0, 2)
)


@given(st.sets(JOBS), st.booleans(), st.randoms(use_true_random=False))
def test_every_partition_has_its_turn(jobs: set[Job], handoffs_first: bool, chance: random.Random) -> None:
    """Order loses and doubles nothing, and serves handoffs first where asked to."""
    ordered = in_order(jobs, handoffs_first=handoffs_first, chance=chance)
    assert sorted(ordered, key=repr) == sorted(jobs, key=repr)
    if handoffs_first:
        assert [job.handoff for job in ordered] == sorted((job.handoff for job in jobs), reverse=True)


def test_devices_take_turns() -> None:
    """No disk idles while another has all the work."""
    jobs = [Job(0, device, partition, False) for device in range(4) for partition in range(3)]
    ordered = in_order(jobs, handoffs_first=False, chance=random.Random(7))
    assert [sorted(job.device_id for job in ordered[start : start + 4]) for start in (0, 4, 8)] == [
        [0, 1, 2, 3]
    ] * 3


@given(st.integers(0, 1 << 22), st.lists(st.integers(0, 99), min_size=1, max_size=14, unique=True))
def test_no_two_nodes_have_a_partition_in_the_same_turn(partition: int, primaries: list[int]) -> None:
    """Else both would bring the same objects to a third at once. A handoff needs no turn."""
    jobs = [job_of(0, device, partition, primaries) for device in primaries]
    assert sorted(job.turn for job in jobs) == list(range(len(primaries)))
    assert not any(job.handoff for job in jobs)
    assert job_of(0, 100, partition, primaries).handoff


@given(st.sets(JOBS), st.randoms(use_true_random=False))
def test_each_device_works_turn_by_turn(jobs: set[Job], chance: random.Random) -> None:
    """What is another node's first turn waits for ours."""
    ordered = in_order(jobs, handoffs_first=False, chance=chance)
    for device in range(4):
        turns = [job.turn for job in ordered if job.device_id == device]
        assert turns == sorted(turns)
