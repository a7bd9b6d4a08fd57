"""Since when a device has been asked of a partition."""

from __future__ import annotations

import os
from pathlib import Path

from apus.common.register import NEWCOMER_TICKS
from apus.common.timestamp import Timestamp
from apus.object.register import partitions

HOUR = NEWCOMER_TICKS // 24


def asked(folder: Path, ticks: int, partition: str = "7") -> int:
    return partitions.since(str(folder), partition, Timestamp(ticks)).ticks


def test_it_is_known_since_when(tmp_path: Path) -> None:
    """The first request begins it, whatever comes after; each partition by itself."""
    folder = tmp_path / "partitions"
    assert [asked(folder, ticks) for ticks in (5, 6, 4, 5 + 2 * HOUR)] == [5] * 4
    assert asked(folder, 9, "8") == 9


def test_who_is_not_asked_for_a_day_begins_anew(tmp_path: Path) -> None:
    """The ring may have moved the partition away and back; who is asked now and then stays."""
    now = 1
    for _ in range(5):
        assert asked(tmp_path, now) == 1
        now += NEWCOMER_TICKS - HOUR
    now += NEWCOMER_TICKS
    assert asked(tmp_path, now) == now


def test_a_note_that_a_crash_has_spoilt_is_none(tmp_path: Path) -> None:
    """A newcomer once more."""
    for spoilt in ("", "0000000005.00000", "x y"):
        (tmp_path / "7").write_text(spoilt)
        assert asked(tmp_path, 9) == 9


def test_old_notes_go(tmp_path: Path) -> None:
    """Those of which nobody has asked."""
    asked(tmp_path, 1, "1")
    asked(tmp_path, 1, "2")
    os.utime(tmp_path / "1", (100, 100))
    assert partitions.tidy(str(tmp_path), 101) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
