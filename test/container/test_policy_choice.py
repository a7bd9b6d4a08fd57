"""Whose storage policy stands when two replicas differ."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from apus.container.policy_choice import PolicyClaim, theirs_is_better

moments = st.integers(0, 4).map(lambda at: f"{at:010d}.00000")
claims = st.builds(
    PolicyClaim,
    policy_index=st.integers(0, 1),
    put_timestamp=moments,
    delete_timestamp=moments,
    status_changed_at=moments,
    object_count=st.integers(0, 1),
)


def claim(policy: int, put: int, delete: int = 0, changed: int = 0, count: int = 0) -> PolicyClaim:
    return PolicyClaim(
        policy_index=policy,
        put_timestamp=f"{put:010d}.00000",
        delete_timestamp=f"{delete:010d}.00000",
        status_changed_at=f"{changed:010d}.00000",
        object_count=count,
    )


@given(claims, claims)
def test_not_both_give_way(ours: PolicyClaim, theirs: PolicyClaim) -> None:
    """Two replicas never both take the other's policy and swap for ever."""
    assert not (theirs_is_better(ours, theirs) and theirs_is_better(theirs, ours))


@given(claims, claims)
def test_one_policy_is_no_conflict(ours: PolicyClaim, theirs: PolicyClaim) -> None:
    """Nothing changes between replicas that agree."""
    assume(ours.policy_index == theirs.policy_index)
    assert not theirs_is_better(ours, theirs)


def test_the_living_beat_the_deleted() -> None:
    """A container that clients see keeps its policy."""
    assert theirs_is_better(claim(0, put=1, delete=5), claim(1, put=3))
    assert not theirs_is_better(claim(1, put=3), claim(0, put=1, delete=5))


def test_the_first_creation_stands() -> None:
    """Of two lives that never ended the older decision counts."""
    assert theirs_is_better(claim(0, put=9, changed=9), claim(1, put=5, changed=5))


def test_a_recreation_beats_one_who_has_not_heard() -> None:
    """Whoever knows of the deletion knows more."""
    assert theirs_is_better(claim(0, put=1, changed=1), claim(1, put=9, delete=5, changed=9))


def test_a_recreation_before_the_last_deletion_loses() -> None:
    """Of two recreations one may itself have been deleted."""
    ours, theirs = claim(0, put=4, delete=3, changed=4), claim(1, put=9, delete=6, changed=9)
    assert theirs_is_better(ours, theirs)
    assert not theirs_is_better(theirs, ours)
