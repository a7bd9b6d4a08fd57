"""CRC64NVME, which S3's clients take of what they send.

    bytes ──▶ extend() ──▶ the CRC of what came before and these bytes

ISA-L's, by carry-less multiplication, takes 70 µs a MiB; it comes with pyeclib. Where it is missing a table
does it, a thousand times slower: right, but good for small bodies only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from .crc32c import isal_places

POLYNOMIAL = 0x9A6C9329AC4BC9B5  # Bit-reflected.
_ALL_ONES = (1 << 64) - 1
_WITNESS = (b"123456789", 0xAE8B14860A799888)  # What the catalogue of CRCs gives as an example.

_Folding = Callable[[int, object, int], int]
"""A CRC, memory, its length ──▶ the CRC behind it."""


def extend(crc: int, data: bytes | bytearray | memoryview) -> int:
    """Return the CRC64NVME of what `crc` is of, and then these bytes."""
    if _folding is None:
        return extend_slowly(crc, data)
    if isinstance(data, bytes):
        return _folding(crc, data, len(data))
    view = memoryview(data).cast("B")
    memory = bytes(view) if view.readonly else (ctypes.c_char * len(view)).from_buffer(view)
    return _folding(crc, memory, len(view))


def extend_slowly(crc: int, data: bytes | bytearray | memoryview) -> int:
    """Return the same, without a library."""
    table, crc = _table(), crc ^ _ALL_ONES
    for byte in bytes(data):
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ALL_ONES


@cache
def _table() -> tuple[int, ...]:
    return tuple(_of_byte(byte) for byte in range(256))


def _of_byte(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
    return byte


def _found() -> _Folding | None:
    """Return ISA-L's function, where the library is there, new enough, and does what it should."""
    for name in isal_places():
        try:
            # It is over before another thread could be told that it may run.
            folding: _Folding = ctypes.PyDLL(name).crc64_rocksoft_refl
        except (OSError, AttributeError):
            continue
        folding.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64]  # type: ignore[attr-defined]
        folding.restype = ctypes.c_uint64  # type: ignore[attr-defined]
        data, expected = _WITNESS
        if folding(0, data, len(data)) == expected:
            return folding
    return None


_folding = _found()
