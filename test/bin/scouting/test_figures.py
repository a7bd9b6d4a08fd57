"""The laws of summing up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.bin.scouting.figures import bytes_text, elapsed, histogram, summarise


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**9))))
def test_every_host_is_counted_once(values: list[int | None]) -> None:
    """Hosts that answered without the figure are counted as silent, not as zero."""
    summary = summarise("x", values)
    known = [value for value in values if value is not None]
    if not known:
        assert summary is None
        return
    assert summary is not None
    assert summary.reported + summary.number_none == len(values)
    assert summary.low <= summary.average <= summary.high
    assert summary.total == sum(known)


def test_the_line_is_the_stock_tools() -> None:
    """Operators' scripts read it."""
    summary = summarise("async_pending", [3, None, 5])
    assert summary is not None
    assert summary.line() == (
        "[async_pending] low: 3, high: 5, avg: 4.0, total: 8, Failed: 33.3%, no_result: 1, reported: 2"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0 seconds"), (61, "1 minutes"), (7200, "2 hours"), (700000, "1 weeks")]
)
def test_time_is_told_in_the_largest_unit(seconds: float, text: str) -> None:
    """As whole numbers, for people."""
    assert elapsed(seconds) == text


def test_sizes_have_units() -> None:
    """Powers of 1,024."""
    assert [bytes_text(size) for size in (512, 1536, 1 << 40)] == ["512.0 B", "1.5 KiB", "1.0 TiB"]


def test_the_longest_line_of_a_histogram_fits() -> None:
    """And every percentage that occurs has its line."""
    lines = histogram([10.2, 10.7, 55.0])
    assert [line[:9] for line in lines] == [" 10%    2", " 55%    1"]
    assert len(lines[0]) == 10 + 69
