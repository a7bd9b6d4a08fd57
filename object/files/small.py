"""The body of a small object: read, checked and given out in one piece.

    StoredObject of one block at most ──▶ small_body() ──▶ bytes, or Corrupt

An object that we wrote is checked by its one block's CRC32C, which costs a twentieth of an MD5; one that
another server wrote by the MD5 that is its ETag. Larger bodies are `body`'s.
"""

from __future__ import annotations

import hashlib

from ...common.errors import Corrupt
from . import blocks
from .body import read_at
from .store import StoredObject

SMALL_BYTES_MAX = blocks.BLOCK_BYTES_MIN


def small_body(stored: StoredObject) -> bytes:
    """Return the body.

    Raises:
        Corrupt: when it is not what was written.
    """
    assert stored.length <= SMALL_BYTES_MAX
    data = read_at(stored.descriptor, stored.length, 0)
    written = stored.block_attribute()
    if written is None:
        sound = hashlib.md5(data, usedforsecurity=False).hexdigest() == stored.metadata["ETag"]
    else:
        # As we write it now the attribute follows from so small a body: equal bytes are an equal body.
        sound = blocks.encode_small(data) == written or _matches(data, blocks.decode(written, stored.length))
    if not sound:
        raise Corrupt("the body does not match its checksum")
    return data


def _matches(data: bytes, written: blocks.Blocks) -> bool:
    """Whether the body is the one block that was written, whatever size a block had then."""
    return len(data) == written.length and (not data or written.check(0, data))
