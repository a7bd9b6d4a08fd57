"""The CRC of two pieces from the CRCs of each, neither read again.

    CRC of left, CRC of right, bytes of right ──▶ joined() ──▶ CRC of both

For any reflected CRC whose register begins and ends complemented: CRC-32, CRC32C, CRC64NVME. What follows the
left piece shifts its CRC by so many bits, which is a multiplication by a power of x modulo the polynomial.
"""

from __future__ import annotations

from functools import lru_cache


def joined(left: int, right: int, right_bytes: int, *, polynomial: int, bits: int) -> int:
    """Return the CRC of both; the polynomial is bit-reflected, without its highest term."""
    assert right_bytes >= 0
    return _times(left, _power(8 * right_bytes, polynomial, bits), polynomial, bits) ^ right


@lru_cache(maxsize=1024)
def _power(exponent: int, polynomial: int, bits: int) -> int:
    """Return x to this power; parts of an upload are nearly all of one size, so it is remembered."""
    product, square = 1 << (bits - 1), 1 << (bits - 2)  # 1 and x: the highest bit is the lowest term.
    while exponent:
        if exponent & 1:
            product = _times(product, square, polynomial, bits)
        square = _times(square, square, polynomial, bits)
        exponent >>= 1
    return product


def _times(left: int, right: int, polynomial: int, bits: int) -> int:
    """Multiply two polynomials modulo a third."""
    product, term = 0, 1 << (bits - 1)
    while term:
        if left & term:
            product ^= right
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
        term >>= 1
    return product
