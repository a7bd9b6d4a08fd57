"""The laws of choosing which replica a partition gives up."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from apus.ring.selection import NEVER, NONE, one_each, rank_in_group

DEVICES = 6


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 60).flatmap(
        lambda rows: st.tuples(
            hnp.arrays(np.int32, (rows, 3), elements=st.integers(0, DEVICES - 1)),
            hnp.arrays(np.float64, (rows, 3), elements=st.sampled_from((NEVER, 0.0, 1.0, 5.0))),
            hnp.arrays(np.int64, DEVICES, elements=st.integers(0, 20)),
        )
    ),
    st.integers(0, 2**32),
)
def test_a_choice_is_allowed_and_within_limits(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    """No NEVER is chosen, and no device gives more than it may."""
    devices, score, most = case
    chosen = one_each(score, devices, wish=most.astype(float), most=most, rng=np.random.default_rng(seed))
    rows = np.flatnonzero(chosen != NONE)
    assert (score[rows, chosen[rows]] > NEVER).all()
    assert (np.bincount(devices[rows, chosen[rows]], minlength=DEVICES) <= most).all()


def test_the_better_score_goes_first() -> None:
    """Even when another device would rather give."""
    score = np.array([[1.0, 2.0]])
    chosen = one_each(
        score,
        np.array([[0, 1]], dtype=np.int32),
        wish=np.array([100.0, 1.0]),
        most=np.array([100, 1]),
        rng=np.random.default_rng(1),
    )
    assert chosen.tolist() == [1]


def test_equal_wishes_are_met_evenly() -> None:
    """Of twenty devices with the same wish none gives much more than another."""
    rng = np.random.default_rng(1)
    devices = np.array([rng.permutation(20)[:3] for _ in range(4000)], dtype=np.int32)
    most = np.full(20, 4000)
    chosen = one_each(np.zeros(devices.shape), devices, wish=most.astype(float), most=most, rng=rng)
    given = np.bincount(devices[np.arange(4000), chosen], minlength=20)
    assert given.min() > 180
    assert given.max() < 220


def test_ranks_count_equals_before() -> None:
    """By value, in order."""
    assert rank_in_group(np.array([3, 1, 3, 3, 1], dtype=np.int32)).tolist() == [0, 0, 1, 2, 1]
