"""Many small objects in one message, as one Apus node brings them to another.

    [Piece(described, body), …] ──▶ pack() ──▶ bytes ──▶ unpack() ──▶ the same, or Refused
                                              statuses ◀── one for each, in order, as JSON

Each piece is two lengths of four bytes, the metadata as it lies in a file's attribute, and the body. A
parcel travels in a REPLICATE request with the header below; a server that takes parcels says so in each
answer to that verb. It does not know what becomes of a piece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from ..common.errors import Refused

HEADER = "X-Apus-Parcel"
TAKEN_HEADER = "X-Apus-Takes"
TAKEN = "parcels"
BRINGER_HEADER = "X-Apus-Brings"
"""In a comparison: the peer would bring what we lack, and waits a moment for another who is at it."""
BODY_BYTES_MAX = 64 << 10
"""Larger objects go on their own: a request costs little beside their bytes."""
PIECES_MAX = 4096
PARCEL_BYTES_MAX = 4 << 20
"""What the receiver holds in memory; enough for most partitions of small objects as a whole."""
_LENGTHS = struct.Struct(">II")


class Piece(NamedTuple):
    """One object: its metadata as it is stored, and its body, which is no longer than BODY_BYTES_MAX."""

    described: bytes
    body: bytes

    @property
    def size(self) -> int:
        """How much of a parcel it takes."""
        return _LENGTHS.size + len(self.described) + len(self.body)


def pack(pieces: Iterable[Piece]) -> bytes:
    """Return the message."""
    parts: list[bytes] = []
    for described, body in pieces:
        parts += (_LENGTHS.pack(len(described), len(body)), described, body)
    return b"".join(parts)


def unpack(message: bytes) -> list[Piece]:
    """Return the pieces; raise Refused when it is no such message."""
    pieces: list[Piece] = []
    at, end = 0, len(message)
    while at < end:
        try:
            described, length = _LENGTHS.unpack_from(message, at)
        except struct.error as problem:
            raise Refused(f"a parcel that is none: {problem}") from problem
        start = at + _LENGTHS.size
        middle = start + described
        at = middle + length
        if at > end or length > BODY_BYTES_MAX or len(pieces) == PIECES_MAX:
            raise Refused("a parcel that is cut short, or holds too much")
        pieces.append(Piece(message[start:middle], message[middle:at]))
    return pieces
