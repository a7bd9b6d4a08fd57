"""CRC32C, by the processor's own instruction.

    bytes ──▶ extend() ──▶ the CRC of what came before and these bytes
    two CRCs, the second's length ──▶ combine() ──▶ the CRC of both pieces, neither read again

It knows bytes and numbers only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache

import google_crc32c

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bit-reflected.


def extend(crc: int, data: bytes | memoryview) -> int:
    """Return the CRC32C of what `crc` is of, and then these bytes.

    The library takes no memoryview, whose buffer must be given back; an array over the same bytes it takes.
    """
    if not isinstance(data, memoryview):
        return int(google_crc32c.extend(crc, data))
    array = bytes(data) if data.readonly else (ctypes.c_char * len(data)).from_buffer(data)
    return int(google_crc32c.extend(crc, array))


def combine(left: int, right: int, right_bytes: int) -> int:
    """Return the CRC32C of two pieces after one another, from the pieces' own CRC32Cs."""
    while right_bytes:
        power = right_bytes & -right_bytes
        left = _times(_zeros(power), left)
        right_bytes -= power
    return left ^ right


def _times(matrix: Sequence[int], vector: int) -> int:
    """Multiply over GF(2): each set bit of the vector selects a column."""
    product = 0
    for column in matrix:
        if vector & 1:
            product ^= column
        vector >>= 1
    return product


@lru_cache(maxsize=64)
def _zeros(length: int) -> tuple[int, ...]:
    """Return the matrix that a CRC is multiplied with when `length` zero bytes follow; a power of two."""
    assert length.bit_count() == 1
    if length == 1:
        matrix: tuple[int, ...] = (_POLYNOMIAL, *(1 << bit for bit in range(31)))
        for _ in range(3):
            matrix = tuple(_times(matrix, column) for column in matrix)
        return matrix
    half = _zeros(length // 2)
    return tuple(_times(half, column) for column in half)
