"""The sums of an upload, taken beside its sending."""

from __future__ import annotations

import hashlib
import io
import random

import google_crc32c
import pytest

from apus.common.crc32c import extend
from apus.common.errors import Unavailable
from apus.proxy import witness as module
from apus.proxy.witness import PIECE_BYTES, Witness

LENGTHS = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 77)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size", [100_003, 10 * PIECE_BYTES])
def test_what_passes_is_what_came_and_is_summed(length: int, size: int) -> None:
    """Whatever pieces it comes in."""
    body = random.Random(length).randbytes(length)
    witness = Witness()
    assert b"".join(map(bytes, witness.pieces(io.BytesIO(body).readinto, size))) == body
    sums = witness.sums()
    witness.close()
    assert sums.md5 == hashlib.md5(body).hexdigest()
    assert sums.crc32c == google_crc32c.value(body)


def test_memory_that_changes_by_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first checksum and the end of the MD5."""

    def fades(crc: int, piece: memoryview) -> int:
        result = extend(crc, piece)
        piece[77] ^= 1
        return result

    monkeypatch.setattr(module, "extend", fades)
    witness = Witness()
    for _ in witness.pieces(io.BytesIO(bytes(1000)).readinto, 1000):
        pass
    with pytest.raises(Unavailable, match="memory"):
        witness.sums()
    witness.close()


def test_a_client_who_goes_away_leaves_no_thread() -> None:
    """Closing waits for nothing."""

    def fill(view: memoryview) -> int:
        if len(view) < PIECE_BYTES:
            raise OSError("gone")
        return len(view) - 1

    witness = Witness()
    with pytest.raises(OSError, match="gone"):
        list(witness.pieces(fill, PIECE_BYTES))
    witness.close()
