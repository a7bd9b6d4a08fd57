"""Numbers that clients say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.numbers import SIZE_MAX, whole


@given(st.integers(0, SIZE_MAX), st.integers(0, 30))
def test_what_digits_say_is_read(number: int, zeros: int) -> None:
    """Whatever zeros stand before them."""
    assert whole("0" * zeros + str(number), most=SIZE_MAX) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1 ", "²", "٣", "1.0", "1_0", "0x1", "9" * 10_000])
def test_what_is_no_number_is_none(text: str) -> None:
    """Signs, blanks, the digits of other scripts, and more digits than Python reads."""
    assert whole(text, most=SIZE_MAX) is None


def test_a_number_has_bounds() -> None:
    """Both belong to it."""
    assert [whole(text, least=1, most=3) for text in "01234"] == [None, 1, 2, 3, None]


@given(st.text())
def test_no_text_breaks_us(text: str) -> None:
    """It is a number within the bounds, or none."""
    assert whole(text, most=9) in (None, *range(10))
