"""Quotas' maths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.compute.server.quotas import DEFAULTS, OverQuota, check, limits_of

AMOUNTS = st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.integers(-1, 50))
COUNTS = st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.integers(0, 50))


@given(AMOUNTS, COUNTS, COUNTS)
def test_what_is_granted_stays_within_the_limits(
    limits: dict[str, int], used: dict[str, int], asked: dict[str, int]
) -> None:
    """After a check that passed, no resource that was asked for is above a limit that is one."""
    try:
        check(limits, used, asked)
    except OverQuota as problem:
        assert str(problem).startswith("Quota exceeded for ")  # noqa: PT017
        return
    for name, amount in asked.items():
        assert amount == 0 or limits.get(name, -1) < 0 or used.get(name, 0) + amount <= limits[name]


def test_the_refusal_names_what_is_over_in_the_clients_words() -> None:
    """The sentence says what was asked, used and allowed."""
    with pytest.raises(
        OverQuota, match="Quota exceeded for instances: Requested 3, but already used 8 of 10 inst"
    ):
        check({"instances": 10, "cores": 20}, {"instances": 8}, {"instances": 3, "cores": 3})


def test_a_project_goes_before_its_class_and_that_before_the_default() -> None:
    """Each limit is the nearest that anyone has set; words that are no resource are not taken."""
    limits = limits_of({"cores": 5, "bananas": 7}, {"cores": 6, "ram": 7})
    assert (limits["cores"], limits["ram"], limits["instances"]) == (5, 7, DEFAULTS["instances"])
    assert "bananas" not in limits
