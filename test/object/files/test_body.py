"""Laws of a large object's body: it is what was stored, or ends before what is damaged."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from apus.common.concurrency import spawn
from apus.common.errors import Corrupt
from apus.common.http.errors import ClientDisconnect
from apus.common.http.wire import Wire
from apus.object.files.blocks import BLOCK_BYTES_MIN, BlockSums, decode
from apus.object.files.body import PIECE_BYTES, Body, Source
from apus.object.settings import KEEP_CACHE_SIZE

LENGTH = 20 * PIECE_BYTES + 777
SPANS = [(0, LENGTH), (0, 1), (LENGTH - 1, LENGTH), (BLOCK_BYTES_MIN - 5, 3 * PIECE_BYTES + 5), (5, 5)]
CONTENT = os.urandom(LENGTH)


class File:
    """A stored object, as its bytes lie on a device."""

    def __init__(self, folder: Path, *, checked: bool = True) -> None:
        self.path = folder / "sda/objects/7/abc/0123abc/1.data"
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(CONTENT)
        sums = BlockSums()
        sums.update(CONTENT)
        self._blocks = decode(sums.encode(), LENGTH) if checked else None

    def body(self, start: int, end: int, *, cached_bytes_max: int = KEEP_CACHE_SIZE) -> Body:
        """Open a part of it."""
        etag = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        descriptor = os.open(self.path, os.O_RDONLY)
        source = Source(descriptor, LENGTH, str(self.path), self._blocks, etag)
        return Body(source, start, end, cached_bytes_max=cached_bytes_max)

    def flip(self, at: int) -> None:
        """Damage one byte."""
        with self.path.open("r+b") as handle:
            handle.seek(at)
            handle.write(bytes([CONTENT[at] ^ 1]))

    def forget(self) -> None:
        """Have the next reader ask the device."""
        with self.path.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def moved(body: Body) -> tuple[int, bytes]:
    """Let a body move itself; return what it says that went, and what arrived."""
    ours, theirs = socket.socketpair()
    wire, arriving = Wire(ours), Wire(theirs)

    def receive() -> bytes:
        return b"".join(iter(lambda: arriving.receive(1 << 16, 30), b""))

    reader = spawn(receive)
    count = body.transfer(wire)
    wire.close()
    arrived = reader.wait()
    arriving.close()
    return count, arrived


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("is_cached", [True, False])
def test_a_part_arrives_as_it_was_stored(
    tmp_path: Path, span: tuple[int, int], checked: bool, is_cached: bool
) -> None:
    """Moved or iterated, from memory or from the device, with checksums of blocks or without."""
    file = File(tmp_path, checked=checked)
    if not is_cached:
        file.forget()
    expected = CONTENT[span[0] : span[1]]
    assert moved(file.body(*span)) == (len(expected), expected)
    body = file.body(*span)
    body.prefetch()
    assert b"".join(body) == expected


@pytest.mark.parametrize("is_cached", [True, False])
def test_nothing_damaged_leaves(tmp_path: Path, is_cached: bool) -> None:
    """A body ends before the piece that holds the damage, and the object is set aside."""
    file = File(tmp_path)
    file.flip(6 * PIECE_BYTES + 9)  # In the first block of a piece, whichever way it is read.
    if not is_cached:
        file.forget()
    assert moved(file.body(0, LENGTH)) == (6 * PIECE_BYTES, CONTENT[: 6 * PIECE_BYTES])
    assert not file.path.exists()
    assert (tmp_path / "sda/quarantined/objects/0123abc/1.data").exists()


def test_damage_in_front_is_told_before_the_answer(tmp_path: Path) -> None:
    """Then it can still be a 404."""
    file = File(tmp_path)
    file.flip(9)
    body = file.body(0, LENGTH)
    with pytest.raises(Corrupt):
        body.prefetch()
    body.close()


def test_a_file_cut_short_ends_short(tmp_path: Path) -> None:
    """What is there of it arrives, by whole pieces: the page cache's, which are shorter than the device's."""
    file = File(tmp_path)
    os.truncate(file.path, 3 * PIECE_BYTES + 5)
    body = file.body(0, LENGTH, cached_bytes_max=LENGTH)  # A machine short of memory has dropped it by now.
    assert moved(body) == (3 * PIECE_BYTES, CONTENT[: 3 * PIECE_BYTES])


def test_a_reader_who_goes_is_told_by_name(tmp_path: Path) -> None:
    """With the number of bytes that went, for the log."""
    file = File(tmp_path)
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    theirs.close()
    with pytest.raises(ClientDisconnect) as problem:
        file.body(0, LENGTH).transfer(wire)
    assert problem.value.bytes_moved == 0  # type: ignore[attr-defined]  # as all bodies say it
    wire.close()
