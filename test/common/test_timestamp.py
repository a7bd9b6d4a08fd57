"""Laws of the cluster's clock values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.timestamp import TICKS_MAX, Timestamp, decode_triple, encode_triple

MOMENTS = st.builds(Timestamp, st.integers(0, TICKS_MAX - 1), st.integers(0, 2**64 - 1))
PLAIN = st.builds(Timestamp, st.integers(10**6, TICKS_MAX - 10**6))


@given(MOMENTS)
def test_text_round_trips(moment: Timestamp) -> None:
    """Each text form reads back as what it was written from."""
    assert Timestamp.parse(moment.internal) == moment
    assert Timestamp.parse(moment.short) == moment
    assert Timestamp.parse(moment.normal) == Timestamp(moment.ticks)


@given(MOMENTS, MOMENTS)
def test_internal_text_sorts_as_time_does(one: Timestamp, other: Timestamp) -> None:
    """File names order by text as the moments order by time."""
    assert (one.internal < other.internal) == (one < other)


@pytest.mark.parametrize(
    ("text", "ticks", "offset"),
    [
        ("1700000000.12345", 170000000012345, 0),
        ("1700000000", 170000000000000, 0),
        ("0", 0, 0),
        ("1700000000.1", 170000000010000, 0),
        ("1700000000.123456", 170000000012346, 0),
        ("1700000000.12345_00000000000000ab", 170000000012345, 0xAB),
        ("1700000000.12345_1", 170000000012345, 1),
    ],
)
def test_known_forms(text: str, ticks: int, offset: int) -> None:
    """The forms that stock Swift and its clients send are understood."""
    assert Timestamp.parse(text) == Timestamp(ticks, offset)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1e9", "1.2.3", "1_", "12345678901", "1700000000.12345_g", " 1", "١"]
)
def test_nonsense_is_refused(text: str) -> None:
    """What is no timestamp is refused with the text in the message."""
    with pytest.raises(ValueError, match="timestamp"):
        Timestamp.parse(text)


@given(PLAIN, st.integers(-(10**5), 10**5), st.integers(-(10**5), 10**5), st.integers(0, 2**32))
def test_triples_round_trip(data: Timestamp, first: int, second: int, offset: int) -> None:
    """A row column gives back the three moments that were put in; only the first keeps its offset."""
    shifted = Timestamp(data.ticks, offset)
    content_type, meta = data.later(first), data.later(first + second)
    got = decode_triple(encode_triple(shifted, content_type, meta))
    assert [moment.ticks for moment in got] == [shifted.ticks, content_type.ticks, meta.ticks]
    assert got[0] == shifted


def test_triples_in_golden_form() -> None:
    """The column's text is stock Swift's."""
    moment = Timestamp.parse("1700000000.12345")
    assert encode_triple(moment, moment, moment) == "1700000000.12345"
    assert encode_triple(moment, moment, moment.later(16)) == "1700000000.12345+0+10"
    assert encode_triple(moment, moment.later(16), moment.later(16)) == "1700000000.12345+10+0"
    assert encode_triple(moment, moment.later(5), moment.later(3)) == "1700000000.12345+5-2"


def test_trap_12_dates_are_never_before_the_change() -> None:
    """Last-Modified rounds up; listings show six digits and no zone."""
    moment = Timestamp.parse("1700000000.12345")
    assert moment.http_date == "Tue, 14 Nov 2023 22:13:21 GMT"
    assert moment.isoformat == "2023-11-14T22:13:20.123450"
    assert Timestamp.parse("1700000000").http_date == "Tue, 14 Nov 2023 22:13:20 GMT"
