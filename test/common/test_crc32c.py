"""CRC32C of pieces."""

from __future__ import annotations

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import crc32c
from apus.common.crc32c import LONG_BYTES_MIN, combine, extend, of_each


@given(st.binary(max_size=300), st.binary(max_size=3000))
def test_two_pieces_are_their_sum(left: bytes, right: bytes) -> None:
    """Extended or combined, of bytes or of views that may be written or not."""
    whole = google_crc32c.value(left + right)
    first = extend(0, left)
    assert combine(first, extend(0, right), len(right)) == whole
    assert extend(first, right) == whole
    assert extend(first, memoryview(right)) == whole
    assert extend(first, memoryview(bytearray(right))) == whole


@pytest.mark.parametrize("is_fast", [True, False])
@given(st.integers(0, 5 * LONG_BYTES_MIN), st.integers(1, 3 * LONG_BYTES_MIN), st.integers(0, 2**32 - 1))
def test_long_pieces_have_the_same_sums_by_either_library(
    is_fast: bool, length: int, block_bytes: int, before: int
) -> None:
    """Whether ISA-L is there or not, of bytes and views, whole and by blocks."""
    body = (bytes(range(251)) * (length // 251 + 1))[:length]
    block_bytes = max(block_bytes, length // 50)
    blocks = [google_crc32c.value(body[at : at + block_bytes]) for at in range(0, length, block_bytes)]
    with pytest.MonkeyPatch.context() as patch:
        if not is_fast:
            patch.setattr(crc32c, "_folding", None)
        for form in (body, memoryview(body), memoryview(bytearray(body))):
            assert extend(before, form) == google_crc32c.extend(before, body)
            assert of_each(form, block_bytes) == blocks


def test_the_fast_library_is_there() -> None:
    """It comes with pyeclib, which is installed with us; without it large bodies cost a tenth more."""
    assert crc32c._folding is not None
