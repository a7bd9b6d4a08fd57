"""Many small objects in one message, as one Apus node brings them to another.

    [Piece(metadata, body), …] ──▶ pack() ──▶ bytes ──▶ unpack() ──▶ the same, or Refused
                                              statuses ◀── one for each, in order, as JSON

Each piece is two lengths of four bytes, the metadata as it lies in a file's attribute, and the body. It
travels in a REPLICATE request with the header below; a server that takes parcels says so in each answer to
that verb. It does not know what becomes of a piece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from ..common.errors import Corrupt, Refused
from .files import metadata
from .files.metadata import Metadata

HEADER = "X-Apus-Parcel"
TAKEN_HEADER = "X-Apus-Takes"
TAKEN = "parcels"
BODY_BYTES_MAX = 64 << 10
"""Larger objects go on their own: a request costs little beside their bytes."""
PIECES_MAX = 128
"""Each holds a file open at the receiver until the device has it."""
PARCEL_BYTES_MAX = 2 << 20
"""What the receiver holds in memory. The sender stops at half, which the last piece may overstep."""
_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Piece:
    """One object: its metadata, and its body, which is no longer than BODY_BYTES_MAX."""

    metadata: Metadata
    body: bytes


def pack(pieces: Iterable[Piece]) -> bytes:
    """Return the message."""
    parts: list[bytes] = []
    for piece in pieces:
        described = metadata.encode(piece.metadata)
        parts += (_LENGTHS.pack(len(described), len(piece.body)), described, piece.body)
    return b"".join(parts)


def unpack(message: bytes) -> list[Piece]:
    """Return the pieces; raise Refused when it is no such message."""
    pieces: list[Piece] = []
    at = 0
    while at < len(message):
        try:
            described, length = _LENGTHS.unpack_from(message, at)
            middle = at + _LENGTHS.size + described
            content = metadata.decode(message[at + _LENGTHS.size : middle])
        except (struct.error, Corrupt) as problem:
            raise Refused(f"a parcel that is none: {problem}") from problem
        at = middle + length
        if at > len(message) or length > BODY_BYTES_MAX or len(pieces) == PIECES_MAX:
            raise Refused("a parcel that is cut short, or holds too much")
        pieces.append(Piece(content, message[middle:at]))
    return pieces
