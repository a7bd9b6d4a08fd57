"""Many numbers in a few, without hiding what must be seen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peer import Reading
from bench.summary import medians, percentile, times_better

NUMBERS = st.lists(st.floats(0, 1e6), min_size=1).map(sorted)


@given(NUMBERS, st.floats(0.01, 1))
def test_a_percentile_is_exceeded_by_no_more_than_the_rest(ordered: list[float], share: float) -> None:
    """At least `share` of the numbers are no greater, and the number is one of them."""
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(number <= found for number in ordered) >= share * len(ordered) - 1e-9


def test_a_percentile_is_the_smallest_that_will_do() -> None:
    """The 50th of 1 to 100 is 50, the 99th is 99, the 100th the greatest."""
    ordered = [float(number) for number in range(1, 101)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]


def test_rounds_are_joined_by_the_median() -> None:
    """One bad round out of three leaves no trace in a rate; figures keep their order."""
    rounds = [
        Reading(figure, "apus", {"cpu_ms": value}) for value in (1.0, 9.0, 2.0) for figure in ("put", "get")
    ]
    joined = medians(rounds)
    assert [reading.figure for reading in joined] == ["put", "get"]
    assert joined[0].measures == {"cpu_ms": 2.0}


def test_failures_and_worst_cases_survive_the_median() -> None:
    """Errors add up, and the slowest request of one round is the slowest of all."""
    rounds = [
        Reading("get", "apus", {"errors": errors, "max_ms": ms}) for errors, ms in ((0, 5), (3, 900), (0, 6))
    ]
    assert medians(rounds)[0].measures == {"errors": 3, "max_ms": 900}


@pytest.mark.parametrize(("measure", "better"), [("cpu_ms", 0.25), ("operations_per_second", 4.0)])
def test_better_means_less_cost_or_more_rate(measure: str, better: float) -> None:
    """A cost four times the other's is a quarter as good; a rate four times the other's is four times as good."""
    assert times_better({measure: 8.0}, {measure: 2.0}, measure) == better


def test_what_was_not_measured_has_no_ratio() -> None:
    """A figure that one side lacks is not compared."""
    assert times_better({}, {"cpu_ms": 1.0}, "cpu_ms") is None
    assert times_better({"cpu_ms": 1.0}, {}, "cpu_ms") is None


def test_nothing_is_as_good_as_nothing() -> None:
    """Two costs of zero are equal, and none at all is better than any."""
    assert times_better({"dispersion": 0.0}, {"dispersion": 0.0}, "dispersion") == 1
    assert times_better({"dispersion": 0.0}, {"dispersion": 0.1}, "dispersion") == math.inf
    assert times_better({"mb_per_second": 0.0}, {"mb_per_second": 5.0}, "mb_per_second") == 0
