"""What is told of a body behind it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.common.body_sums import FOOTER_BYTES, BodySums


@given(st.binary(min_size=16, max_size=16), st.integers(0, (1 << 32) - 1))
def test_what_was_told_is_understood(digest: bytes, crc: int) -> None:
    """Always in as many bytes as were announced."""
    sums = BodySums(digest.hex(), crc)
    assert len(sums.encode()) == FOOTER_BYTES
    assert BodySums.decode(sums.encode()) == sums


def test_the_bytes_are_these() -> None:
    """Two releases have to understand each other."""
    assert BodySums("0123456789abcdef" * 2, 0xBEEF).encode() == b"0123456789abcdef0123456789abcdef 0000beef\n"


@given(st.binary(max_size=2 * FOOTER_BYTES))
def test_what_is_no_footer_is_believed_by_nobody(data: bytes) -> None:
    """Nor anything cut short."""
    sums = BodySums.decode(data)
    assert sums is None or sums.encode() == data
    assert BodySums.decode(BodySums("0" * 32, 7).encode()[:-1]) is None
