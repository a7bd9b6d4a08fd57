"""Moments as S3 writes them."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3 import times


@given(st.integers(0, 4_000_000_000 * 100_000))
def test_trap_12_a_listing_and_a_header_say_the_same_second(ticks: int) -> None:
    """Both round up; or whoever compares them fetches again and again."""
    whole = -(-ticks // 100_000)
    header = formatdate(whole, usegmt=True)
    assert times.iso(ticks / 100_000) == times.iso_of_header(header)


def test_rows_of_listings() -> None:
    """With a fraction and without one."""
    assert times.iso_of_listing("2026-11-21T14:49:47.123450") == "2026-11-21T14:49:48.000Z"
    assert times.iso_of_listing("2026-11-21T14:49:47.000000") == "2026-11-21T14:49:47.000Z"
    assert times.iso_of_listing("2026-11-21T23:59:59.5") == "2026-11-22T00:00:00.000Z"
