"""Which node carries out a bucket's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.bin.lifecycle import LifecycleSettings, turn_of

DAY = 86400


@given(
    st.floats(min_value=0, max_value=2e9),
    st.integers(min_value=0, max_value=2**16),
    st.integers(min_value=1, max_value=6),
)
def test_each_replica_has_its_turn(now: float, partition: int, replicas: int) -> None:
    """One a day, and none waits longer than there are replicas."""
    turns = [turn_of(now + day * DAY, partition, replicas) for day in range(replicas)]
    assert sorted(turns) == list(range(replicas))


def test_nothing_is_deleted_before_its_time() -> None:
    """A clock that is put forward only ever counts."""
    assert LifecycleSettings(dry_run=True, ahead_seconds=5.0).ahead_seconds == 5.0
    with pytest.raises(ValueError, match="dry_run"):
        LifecycleSettings(ahead_seconds=5.0)
