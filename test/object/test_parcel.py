"""The laws of many small objects in one message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.object.parcel import BODY_BYTES_MAX, PIECES_MAX, Piece, pack, unpack

PIECES = st.lists(st.builds(Piece, st.binary(max_size=50), st.binary(max_size=200)), max_size=5)


@given(PIECES)
def test_what_was_packed_comes_out(pieces: list[Piece]) -> None:
    """Whatever metadata and bodies hold, in the order they were given."""
    assert unpack(pack(pieces)) == pieces


@given(PIECES.filter(bool), st.data())
def test_a_message_cut_short_is_refused_or_holds_only_whole_pieces(
    pieces: list[Piece], data: st.DataObject
) -> None:
    """No piece ever loses its end."""
    message = pack(pieces)
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    try:
        found = unpack(cut)
    except Refused:
        return
    assert found == pieces[: len(found)]


def test_too_much_is_refused() -> None:
    """What a receiver holds in memory and open files is bounded."""
    piece = Piece(b"described", b"")
    assert len(unpack(pack([piece] * PIECES_MAX))) == PIECES_MAX
    with pytest.raises(Refused):
        unpack(pack([piece] * (PIECES_MAX + 1)))
    with pytest.raises(Refused):
        unpack(pack([Piece(b"", bytes(BODY_BYTES_MAX + 1))]))


@given(PIECES)
def test_a_piece_knows_what_it_takes(pieces: list[Piece]) -> None:
    """By this a sender knows when a parcel is full."""
    assert len(pack(pieces)) == sum(piece.size for piece in pieces)
