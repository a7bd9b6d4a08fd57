"""Large bodies on their way in: whatever the file system allows, what was received is what is stored."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
from pathlib import Path

import pytest

from apus.common import pages
from apus.object.files import inflow
from apus.object.files.blocks import BlockSums
from apus.object.files.inflow import INLINE_BYTES_MAX, PIECE_BYTES, Inflow

LENGTHS = (
    *(1, 4096, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5000, 4 * PIECE_BYTES),
    *(4 * PIECE_BYTES + 1, 14 * PIECE_BYTES, 25 * PIECE_BYTES + 4097),  # In large pieces, at last.
)


def stored(path: Path, body: bytes, rng: random.Random) -> tuple[bytes, str, bytes]:
    """Return what the file, the digest and the block checksums are after the body came in portions."""
    digest, sums = hashlib.md5(usedforsecurity=False), BlockSums()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        incoming = Inflow(descriptor, digest, sums)
        rest = memoryview(body)
        while rest:
            room = incoming.room()[: rng.randrange(1, PIECE_BYTES)]
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            incoming.received(count)
            rest = rest[count:]
        incoming.finish()
        incoming.close()
    finally:
        os.close(descriptor)
    return path.read_bytes(), digest.hexdigest(), sums.encode()


def expected(body: bytes) -> tuple[bytes, str, bytes]:
    """Return what should be stored."""
    sums = BlockSums()
    sums.update(body)
    return body, hashlib.md5(body, usedforsecurity=False).hexdigest(), sums.encode()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("way", ["as the file system likes", "refused", "aligned otherwise"])
def test_what_came_in_is_stored(
    tmp_path: Path, length: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directly, through the page cache, and where direct writes turn out not to fit."""
    if way == "refused":
        monkeypatch.setattr(inflow, "_write_directly", lambda *_, **__: False)
    elif way == "aligned otherwise":
        monkeypatch.setattr(inflow, "_ALIGNMENT", 1)
    rng = random.Random(length)
    body = rng.randbytes(length)
    assert stored(tmp_path / "o", body, rng) == expected(body)


def test_a_device_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written raises when the next piece is sent on its way, or at the end."""

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(inflow, "_write", fail)
    descriptor = os.open(tmp_path / "o", os.O_RDWR | os.O_CREAT)
    try:
        incoming = Inflow(descriptor, hashlib.md5(usedforsecurity=False), BlockSums())
        incoming.received(PIECE_BYTES)
        with pytest.raises(OSError, match="full"):
            incoming.finish()
        incoming.received(PIECE_BYTES)
        incoming.close()
    finally:
        os.close(descriptor)


def test_large_pieces_are_lent_again_when_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before; and what was stored from them is what came, whoever had them before."""
    monkeypatch.setattr(pages, "_spare", [])
    write = inflow._write

    def watched(descriptor: int, data: memoryview, offset: int) -> int:
        assert not pages._spare
        return write(descriptor, data, offset)

    for seed in range(3):
        body = random.Random(seed).randbytes(11 * PIECE_BYTES + 5)
        with monkeypatch.context() as patch:
            if not seed:
                patch.setattr(inflow, "_write", watched)
            assert stored(tmp_path / f"o{seed}", body, random.Random(seed)) == expected(body)
        assert len(pages._spare) == 1


def test_a_body_that_turns_out_to_be_small_waits_for_no_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written in the thread that all requests share, so never past the page cache."""
    write, flags = inflow._write, []

    def watched(descriptor: int, data: memoryview, offset: int) -> int:
        if data:
            flags.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
        return write(descriptor, data, offset)

    monkeypatch.setattr(inflow, "_write", watched)
    body = random.Random(1).randbytes(INLINE_BYTES_MAX)
    assert stored(tmp_path / "o", body, random.Random(2)) == expected(body)
    assert flags == [0]
