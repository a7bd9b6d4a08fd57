"""What of a device's registers goes, and what stays."""

from __future__ import annotations

import os
from pathlib import Path

from apus.common.register import Record, Version, encode_record
from apus.common.timestamp import Timestamp
from apus.object.register.tidying import tidy

NOW = 1_700_000_000.0


def make(path: Path, content: bytes, age_seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - age_seconds, NOW - age_seconds))
    return path


def left(device: Path) -> int:
    return tidy(str(device), now=NOW, staged_seconds_max=100, reclaim_seconds=1000)


def test_a_body_that_was_given_up_goes(tmp_path: Path) -> None:
    """After the longest upload, unless it was accepted; a young one stays."""
    register = tmp_path / "registers" / "7" / ("a" * 32)
    accepted = Version("kept", Timestamp(1), "e", exists=True)
    make(register / "record", encode_record(Record("b", "b", accepted)), 500)
    kept = make(register / "kept.staged", b"", 500)
    young = make(register / "young.staged", b"", 50)
    old = make(register / "old.staged", b"", 500)
    assert left(tmp_path) == 1
    assert kept.exists()
    assert young.exists()
    assert not old.exists()


def test_a_silent_register_is_forgotten(tmp_path: Path) -> None:
    """As old as a tombstone that may be forgotten; its folder goes with it, in every policy."""
    register = tmp_path / "registers-1" / "7" / ("a" * 32)
    make(register / "record", encode_record(Record("b")), 2000)
    (tmp_path / "objects").mkdir()
    assert left(tmp_path) == 1
    assert not register.exists()
    assert left(tmp_path) == 0
