"""How a conditional change is decided, answer by answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from apus.common.register import ABSENT, NEWCOMER_TICKS, Promise, Record, Version, Visible, ballot_after
from apus.common.timestamp import Timestamp
from apus.proxy.register.condition import Condition
from apus.proxy.register.proposer import (
    FOUNDING_TICKS,
    Accept,
    Ask,
    Change,
    Commit,
    Heard,
    Look,
    Outcome,
    Pause,
    Prepare,
    Proposal,
    Verdict,
    is_newcomer,
    majority,
    state_of,
)

NOW = 1000
NOTHING_SEEN = Visible()
CREATE = Condition(is_absent=True)
OTHER = Version("other", Timestamp(2000), "e2", exists=True)


def told(
    script: Sequence[Heard],
    condition: Condition = CREATE,
    etag: str | None = "new",
    *,
    seen: Sequence[Promise] = (),
    replicas: int = 3,
) -> tuple[list[Ask], Outcome]:
    """Return what a proposal asks when it hears these answers, and its outcome; looks see nothing new, or `seen`."""
    change = Change("me", condition.holds, etag)
    steps = Proposal(change, replicas=replicas, now_ticks=lambda: NOW).steps()
    asked = [next(steps)]
    try:
        for heard in script:
            asked.append(steps.send(heard))
            if isinstance(asked[-1], Pause):
                asked.append(steps.send(()))
            if isinstance(asked[-1], Look):
                asked.append(steps.send(seen or (no(1), no(1))))
    except StopIteration as end:
        return asked, end.value
    raise AssertionError(f"not settled: {asked}")


def yes(
    accepted: Version | None = None, number: int = 1, visible: Visible = NOTHING_SEEN, *, since: int = 0
) -> Promise:
    ballot = ballot_after("", number, "x")
    record = Record(ballot) if accepted is None else Record(ballot, ballot, accepted)
    return Promise(True, record, visible, Timestamp(since))


def no(number: int) -> Promise:
    return Promise(False, Record(ballot_after("", number, "x")))


def test_a_first_writer_takes_two_rounds_and_tells() -> None:
    """Promises, acceptance, commit: done, with a moment of its own."""
    asked, outcome = told([[yes(), yes()], [yes(), yes()], [True, True]])
    assert [type(each) for each in asked] == [Prepare, Accept, Commit]
    assert outcome == Outcome(Verdict.DONE, ABSENT.followed_by("me", Timestamp(NOW), "new"))


def test_its_moment_is_later_than_all_it_has_seen() -> None:
    """A proxy's clock may be behind: what it replaces must be older even so."""
    _, outcome = told([[yes(OTHER), yes(OTHER)], [yes(), yes()], [True, True]], Condition(if_match='"e2"'))
    assert outcome.version.moment == Timestamp(2001)
    assert outcome.version.ancestors[-1] == "other"


@pytest.mark.parametrize("heard", [[], [yes()], [no(5)]])
def test_without_a_majority_nothing_is_guessed(heard: list[Promise]) -> None:
    """503."""
    assert told([heard])[1].verdict is Verdict.UNSETTLED


def test_a_refusal_stands_on_a_chosen_state() -> None:
    """Accepted by a majority it is told at once; else a majority accepts it first, and everybody is shown it."""
    shown = Visible(OTHER.moment, OTHER.etag, True, OTHER.moment)
    asked, outcome = told([[yes(OTHER, visible=shown), yes(OTHER, visible=shown)]])
    assert (len(asked), outcome) == (1, Outcome(Verdict.REFUSED, OTHER))
    asked, outcome = told([[yes(OTHER), yes()], [yes(), yes()], [True, True]])
    assert [type(each) for each in asked] == [Prepare, Accept, Commit]
    assert asked[1] == Accept(asked[0].ballot, OTHER)  # type: ignore[union-attr]
    assert outcome == Outcome(Verdict.REFUSED, OTHER)


def test_who_is_overtaken_before_he_has_tried_has_done_nothing() -> None:
    """409, after many attempts with higher ballots."""
    asked, outcome = told([[no(2000 + 10 * number), no(1)] for number in range(20)])
    ballots = [each.ballot for each in asked if isinstance(each, Prepare)]
    assert ballots == sorted(ballots)
    assert outcome.verdict is Verdict.CONFLICT


def test_who_is_overtaken_looks_before_he_overtakes_others() -> None:
    """A state that is chosen refuses him at once: of many who race most ask for no second promise."""
    shown = Visible(OTHER.moment, OTHER.etag, True, OTHER.moment)
    seen = [yes(OTHER, 4, shown), yes(OTHER, 4, shown)]
    asked, outcome = told([[no(4), no(4)]], seen=seen)
    assert [type(each) for each in asked] == [Prepare, Pause, Look]
    assert outcome == Outcome(Verdict.REFUSED, OTHER)


@pytest.mark.parametrize("ballots", [(4, 5), (5, 4)])
def test_what_a_look_sees_of_a_few_refuses_nobody(ballots: tuple[int, int]) -> None:
    """Accepted at two ballots is not chosen at one: it may vanish yet."""
    first, second = ballots
    asked, _ = told([[no(4), no(4)], [], []], seen=[yes(OTHER, first), yes(OTHER, second)])
    assert [type(each) for each in asked] == [Prepare, Pause, Look, Prepare]


LATE = FOUNDING_TICKS + 1


def test_a_newcomer_has_no_vote_beside_who_was_there_before() -> None:
    """A replaced disk has forgotten what it promised, and nothing tells what that was; of two others both decide."""
    new = yes(since=LATE)
    assert told([[yes(), new]])[1].verdict is Verdict.UNSETTLED
    assert told([[yes(), yes(), new], [yes(), yes()], [True, True]])[1].verdict is Verdict.DONE
    asked, outcome = told([[yes(), yes()], *[[yes(), new]] * 20])
    assert Commit not in [type(each) for each in asked]
    assert outcome.verdict is Verdict.UNSETTLED


@pytest.mark.parametrize(("replicas", "others"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_beside_a_newcomer_a_majority_of_the_others_decides(replicas: int, others: int) -> None:
    """They have a device in common with every majority that there was before."""
    heard = [*[yes()] * others, yes(since=LATE)]
    shown = [True] * replicas
    assert told([heard, heard, shown], replicas=replicas)[1].verdict is Verdict.DONE
    assert told([heard[1:]], replicas=replicas)[1].verdict is Verdict.UNSETTLED


def test_where_all_are_new_nobody_has_decided_anything() -> None:
    """A partition's first conditional write needs a majority as every other one does."""
    new = yes(since=LATE)
    assert told([[new, new], [new, new], [True, True]])[1].verdict is Verdict.DONE


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        (FOUNDING_TICKS, 0, False),
        (LATE, LATE, True),
        (LATE, LATE + NEWCOMER_TICKS - 1, True),
        (LATE, LATE + NEWCOMER_TICKS, False),
    ],
)
def test_a_newcomer_is_one_for_a_day(since: int, now: int, expected: bool) -> None:
    """Then replication has made it whole, and every proxy follows the ring that brought it."""
    assert is_newcomer(Timestamp(since), Timestamp(0), now) is expected


def test_who_is_refused_can_read_why() -> None:
    """What nobody can show is no ground for a refusal: it might be forgotten yet."""
    assert told([[yes(OTHER), yes(OTHER)], [False, False]])[1].verdict is Verdict.UNSETTLED
    assert told([[yes(OTHER), yes(OTHER)], [False, True]])[1].verdict is Verdict.REFUSED


def test_who_was_accepted_by_a_few_may_have_won() -> None:
    """He looks again: finished by somebody else he is done, else it is open."""
    mine = ABSENT.followed_by("me", Timestamp(NOW), "new")
    begun: list[Heard] = [[yes(), yes()], [yes(), no(3000)]]
    after = mine.followed_by("other", Timestamp(2000), "e2")
    assert told([*begun, [yes(after, 4000), yes(after, 4000)], [True, True]])[1].verdict is Verdict.DONE
    unknown = Version("@x", Timestamp(5000), "e3", exists=True)
    assert told([*begun, [yes(unknown, 4000), yes(unknown, 4000)]])[1].verdict is Verdict.UNSETTLED
    rival = ABSENT.followed_by("other", Timestamp(2000), "e2")
    shown = Visible(rival.moment, rival.etag, True, rival.moment)
    refused = told([*begun, [yes(rival, 4000, shown), yes(rival, 4000, shown)]])[1]
    assert refused == Outcome(Verdict.REFUSED, rival)


def test_chosen_but_not_shown_is_not_done() -> None:
    """Only what a majority of disks shows is acknowledged."""
    assert told([[yes(), yes()], [yes(), yes()], [True, False]])[1].verdict is Verdict.UNSETTLED


def test_the_state_is_of_the_highest_ballot_or_newer_without_register() -> None:
    """The later of what was accepted and what is to be seen; an expired one is absent."""
    low = Version("low", Timestamp(9000), "e", exists=True)
    assert state_of([yes(low, 1), yes(OTHER, 2)]) == OTHER
    plain = Visible(Timestamp(3000), "e3", True, Timestamp(3000))
    assert state_of([yes(OTHER, 2), yes(visible=plain)]) == plain.version
    expired = Visible(OTHER.moment, "", False, OTHER.moment)
    assert not state_of([yes(OTHER, 2), yes(visible=expired)]).exists


def test_any_two_majorities_meet() -> None:
    """Also of even numbers."""
    assert [majority(replicas) for replicas in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]
