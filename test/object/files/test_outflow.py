"""Bytes read past the page cache: they are the file's, and none of them stays in memory."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from apus.common import pages
from apus.common.concurrency import original, sleep
from apus.common.errors import Corrupt
from apus.object.files import outflow
from apus.object.files.outflow import ALIGNMENT, PIECE_BYTES, Outflow
from apus.object.files.resident import is_resident

LENGTH = 3 * PIECE_BYTES + 777
CONTENT = os.urandom(LENGTH)


@pytest.fixture
def descriptor(tmp_path: Path) -> Any:
    """An open file that is on the device only."""
    path = tmp_path / "o"
    path.write_bytes(CONTENT)
    opened = os.open(path, os.O_RDWR)
    os.fsync(opened)
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    yield opened
    os.close(opened)


def read(descriptor: int, start: int, end: int, step: int = PIECE_BYTES) -> bytes:
    """Return what comes out."""
    flow = Outflow(descriptor, start, end, step)
    try:
        return b"".join(map(bytes, flow))
    finally:
        flow.close()


@pytest.mark.parametrize("start", [0, ALIGNMENT, PIECE_BYTES])
@pytest.mark.parametrize("end", [PIECE_BYTES + 1, 2 * PIECE_BYTES, LENGTH])
def test_what_comes_out_is_what_the_file_holds(descriptor: int, start: int, end: int) -> None:
    """Wherever it begins and ends, whole pieces or not."""
    assert read(descriptor, start, end) == CONTENT[start:end]
    assert read(descriptor, start, end, ALIGNMENT * 16) == CONTENT[start:end]


def test_nothing_of_it_stays_in_memory(descriptor: int) -> None:
    """Nor does asking what is in memory bring anything there; an ordinary read does."""
    if is_resident(descriptor, 0, ALIGNMENT):
        pytest.skip("a file system that lives in memory")
    read(descriptor, 0, LENGTH)
    assert not is_resident(descriptor, 0, ALIGNMENT)
    os.pread(descriptor, LENGTH, 0)
    assert is_resident(descriptor, 0, LENGTH)
    os.posix_fadvise(descriptor, PIECE_BYTES, PIECE_BYTES, os.POSIX_FADV_DONTNEED)
    assert is_resident(descriptor, 0, PIECE_BYTES)
    assert not is_resident(descriptor, 0, LENGTH)


def test_a_device_that_aligns_otherwise_is_read_all_the_same(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses a read, not the flag."""
    reads, flags = os.preadv, fcntl.fcntl

    def picky(handle: int, buffers: list[memoryview], offset: int) -> int:
        if flags(handle, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "otherwise")
        return reads(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", picky)
    assert read(descriptor, 0, LENGTH) == CONTENT


def test_a_file_system_that_knows_no_such_reads_is_read_all_the_same(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses the flag."""
    opens = os.open

    def refuse(path: str, flags: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "never")
        return opens(path, flags)

    monkeypatch.setattr(outflow, "open_file", refuse)
    assert read(descriptor, 0, LENGTH) == CONTENT


def test_a_file_that_is_too_short_is_damaged(descriptor: int) -> None:
    """What was there of it comes out before."""
    flow = Outflow(descriptor, 0, LENGTH + 1, PIECE_BYTES)
    pieces: list[bytes] = []
    with pytest.raises(Corrupt, match="1 bytes early"):
        pieces.extend(map(bytes, flow))
    flow.close()
    assert b"".join(pieces) == CONTENT[: 3 * PIECE_BYTES]


def test_closing_in_the_middle_of_a_read_waits_for_nobody(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is closed, and the buffers are lent again, when the thread has done with them."""
    reads, closes = os.preadv, os.close
    closed: list[int] = []

    def slowly(handle: int, buffers: list[memoryview], offset: int) -> int:
        original("time").sleep(0.05)
        assert handle not in closed
        return reads(handle, buffers, offset)

    def close(handle: int) -> None:
        closed.append(handle)
        closes(handle)

    monkeypatch.setattr(os, "preadv", slowly)
    monkeypatch.setattr(os, "close", close)
    monkeypatch.setattr(pages, "_spare", [])
    flow = Outflow(descriptor, 0, LENGTH, PIECE_BYTES)
    next(iter(flow))
    flow.close()
    flow.close()
    ours = flow._descriptor
    assert ours not in closed
    assert not pages._spare
    sleep(0.2)
    assert ours in closed
    assert pages._spare == [flow._buffers]
