"""What two replicas of one database must do to become equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import Timestamp
from apus.replicator.database_plan import Course, Summary, course, is_reclaimable, may_be_removed, partners

rows = st.integers(-1, 5000)
hashes = st.sampled_from(["a", "b"])


@given(rows, hashes, rows, hashes, rows, rows)
def test_every_row_of_ours_gets_there(
    max_row: int, our_hash: str, their_row: int, their_hash: str, their_point: int, our_point: int
) -> None:
    """Unless they have been told all, or have the same, they get every row behind the point, or the file."""
    ours, theirs = Summary(max_row, our_hash), Summary(their_row, their_hash)
    decision = course(ours, theirs, their_point=their_point, our_point=our_point, batch_rows=1000)
    told = max(their_point, our_point) >= max_row
    assert (decision.course is Course.NOTHING_NEW) == told
    if not told:
        assert (decision.course is Course.SAME) == (our_hash == their_hash)
    if decision.course in (Course.ROWS, Course.COPY):
        assert decision.point < max_row
        assert decision.point <= max(their_point, our_point)
    if decision.course is Course.COPY:
        assert max_row - their_row > 1000, "a few rows are cheaper than the file"


@given(st.lists(st.integers(0, 9), unique=True, max_size=6), st.integers(0, 12))
def test_everybody_else_is_met(primaries: list[int], own: int) -> None:
    """Each other primary once; one that is no primary meets them all."""
    met = partners(primaries, lambda device: device == own)
    assert sorted(met) == sorted(device for device in primaries if device != own)


def test_each_begins_with_another() -> None:
    """Three replicas that all lag do not all begin with the first."""
    firsts = {partners([1, 2, 3], own.__eq__)[0] for own in (1, 2, 3)}
    assert firsts == {1, 2, 3}


def test_what_may_be_removed() -> None:
    """Only what every primary has; that nobody was asked is no permission."""
    assert may_be_removed([True, True, True])
    assert not may_be_removed([True, False, True])
    assert not may_be_removed([])


def test_what_may_be_forgotten() -> None:
    """A deletion older than the horizon, of something empty that was not put again."""
    old, put = Timestamp.of(100).internal, Timestamp.of(50).internal
    later = Timestamp.of(200)
    assert is_reclaimable(count=0, put_timestamp=put, delete_timestamp=old, horizon=later)
    assert not is_reclaimable(count=1, put_timestamp=put, delete_timestamp=old, horizon=later)
    assert not is_reclaimable(count=0, put_timestamp=old, delete_timestamp=put, horizon=later)
    assert not is_reclaimable(count=0, put_timestamp=put, delete_timestamp=old, horizon=Timestamp.of(99))
    assert not is_reclaimable(count=0, put_timestamp=put, delete_timestamp="0", horizon=later)
