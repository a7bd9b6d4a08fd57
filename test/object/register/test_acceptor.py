"""What a device promises, as laws over any order of questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.common.register import Record, Version, Visible, ballot_after
from apus.common.timestamp import Timestamp
from apus.object.register import acceptor

ballots = st.integers(1, 9).map(lambda number: ballot_after("", number, "t"))
versions = st.integers(1, 5).map(lambda number: Version(f"c{number}", Timestamp(number), "e", exists=True))
questions = st.lists(st.tuples(st.sampled_from(["prepare", "accept", "commit"]), ballots, versions))


@given(questions)
def test_a_promise_is_kept(asked: list[tuple[str, str, Version]]) -> None:
    """Neither the promise nor the ballot of what was accepted ever falls, and nothing below a promise is granted."""
    record = Record()
    for step, ballot, version in asked:
        before = record
        if step == "prepare":
            after = acceptor.promised(record, ballot)
        elif step == "accept":
            after = acceptor.accepted(record, ballot, version)
        else:
            after = acceptor.learned(record, ballot, version)
        assert (after is None) == (step != "commit" and ballot < before.promised)
        record = after or before
        assert record.promised >= before.promised
        assert record.ballot >= before.ballot
        assert record.promised >= record.ballot


def test_a_version_that_may_have_been_deleted_is_not_believed() -> None:
    """Older than the reclaim age it counts only while it is there to be seen; the promise stays."""
    old = Version("c", Timestamp(100), "e", exists=True)
    record = Record("p", "b", old)
    shown = Visible(Timestamp(100), "e", exists=True, newest=Timestamp(100))
    assert acceptor.remembered(record, Visible(), horizon=Timestamp(100)) == record
    assert acceptor.remembered(record, shown, horizon=Timestamp(101)) == record
    assert acceptor.remembered(record, Visible(), horizon=Timestamp(101)) == Record("p")
