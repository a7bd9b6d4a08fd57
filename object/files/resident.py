"""Whether the page cache holds a part of a file: asked without having the device read any of it.

A read that must not wait (RWF_NOWAIT) would tell too, but where it finds nothing it starts a readahead of
megabytes.
"""

from __future__ import annotations

import ctypes
import mmap

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_int64]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value
_IS_RESIDENT = bytes(byte & 1 for byte in range(256))  # The other bits of mincore's bytes are undefined.


def is_resident(descriptor: int, offset: int, length: int) -> bool:
    """Return whether every page of that part is in memory; where that cannot be found out, that it is."""
    assert not offset % mmap.PAGESIZE
    place = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset)
    if place == _FAILED:
        return True
    try:
        pages = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
        if _libc.mincore(place, length, pages):
            return True
        return 0 not in pages.raw.translate(_IS_RESIDENT)
    finally:
        _libc.munmap(place, length)
