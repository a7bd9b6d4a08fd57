"""CRC32C of pieces."""

from __future__ import annotations

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st

from apus.common.crc32c import combine, extend


@given(st.binary(max_size=300), st.binary(max_size=3000))
def test_two_pieces_are_their_sum(left: bytes, right: bytes) -> None:
    """Extended or combined, of bytes or of views that may be written or not."""
    whole = google_crc32c.value(left + right)
    first = extend(0, left)
    assert combine(first, extend(0, right), len(right)) == whole
    assert extend(first, right) == whole
    assert extend(first, memoryview(right)) == whole
    assert extend(first, memoryview(bytearray(right))) == whole
