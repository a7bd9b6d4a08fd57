"""The laws of the sample and its report."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.bin.dispersal.sample import Report, missing_line, names_for


def partition_of(name: str) -> int:
    return hashlib.md5(name.encode()).digest()[0]


@given(st.floats(0, 100), st.integers(0, 50), st.sets(st.integers(0, 255)))
def test_a_sample_covers_what_was_asked_for(coverage: float, first: int, covered: set[int]) -> None:
    """Each name has a partition of its own, none that is covered already, and there are enough."""
    names = list(
        names_for(
            lambda number: f"dispersion_{number}",
            partition_of,
            partition_count=256,
            coverage_percent=coverage,
            first=first,
            covered=covered,
        )
    )
    partitions = [partition_of(name) for name in names]
    assert len(set(partitions)) == len(partitions)
    assert not covered & set(partitions)
    assert len(names) == min(int(coverage / 100 * 256), 256 - len(covered))


def test_a_report_counts_copies() -> None:
    """Figures under the stock tool's names, and sentences."""
    report = Report("object", 3, 1024, overlapping=1)
    for found in (3, 3, 2, 0):
        report.add(found=found, expected=3)
    assert report.as_json() == {
        "retries": 0,
        "overlapping": 1,
        "pct_found": pytest.approx(66.667, abs=0.01),
        "copies_found": 8,
        "copies_expected": 12,
        "missing_1": 1,
        "missing_3": 1,
    }
    lines = list(report.lines(1.2))
    assert lines[0] == "Queried 5 objects for dispersion reporting, 1s, 0 retries"
    assert "66.67% of object copies found (8 of 12)" in lines
    assert lines[-1] == "Sample represents 0.39% of the object partition space"


@pytest.mark.parametrize(
    ("partitions", "copies", "text"),
    [
        (1, 1, "There was 1 partition missing 1 copy."),
        (2, 2, "! There were 2 partitions missing 2 copies."),
        (1, 3, "!!! There was 1 partition missing all copies."),
    ],
)
def test_the_fewer_are_left_the_louder(partitions: int, copies: int, text: str) -> None:
    """An operator's eye must fall on the last copy first."""
    assert missing_line(partitions, copies, 3) == text
