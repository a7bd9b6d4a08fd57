"""Laws of expiry headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.timestamp import Timestamp
from apus.proxy.expiry import LATEST, delete_at, queue_container, written

NOW = Timestamp.parse("1700000000.50000")


@given(st.integers(1, 10**12))
def test_a_moment_is_always_ten_digits_and_to_come(after: int) -> None:
    """However far away, what is stored sorts as text and is not past."""
    moment = delete_at(str(after), None, NOW)
    assert moment is not None
    assert len(moment) == 10
    assert int(moment) > 1_700_000_000 or int(moment) == LATEST


@pytest.mark.parametrize(
    ("after", "at", "sentence"),
    [
        ("x", None, "Non-integer X-Delete-After"),
        ("1.5", None, "Non-integer X-Delete-After"),
        ("-1", None, "X-Delete-After in past"),
        ("0", None, "X-Delete-After in past"),
        (None, "x", "Non-integer X-Delete-At"),
        (None, "1700000000", "X-Delete-At in past"),
        (None, "-5", "X-Delete-At in past"),
    ],
)
def test_nonsense_is_refused(after: str | None, at: str | None, sentence: str) -> None:
    """Not a whole number, or past: 400 in the words of stock Swift."""
    with pytest.raises(Refused, match=sentence):
        delete_at(after, at, NOW)


def test_after_beats_at_and_nothing_is_nothing() -> None:
    """X-Delete-After counts when both are given; without either nothing is stored."""
    assert delete_at("60", "1800000000", NOW) == "1700000060"
    assert delete_at(None, "01800000000", NOW) == "1800000000"
    assert delete_at(None, None, NOW) is None
    assert delete_at(None, "1", NOW, allow_past=True) == "0000000001"


@given(st.integers(0, LATEST), st.integers(0, 2**128 - 1))
def test_a_queue_container_lies_just_before_its_day(moment: int, number: int) -> None:
    """Queue names fall within a hundred seconds before the day's beginning, as the expirer expects."""
    name = queue_container(written(moment), f"{number:032x}")
    day = moment // 86400 * 86400
    assert max(0, day - 99) <= int(name) <= day
