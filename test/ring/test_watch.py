"""The laws of a ring that follows its file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from apus.common.errors import Corrupt
from apus.ring.watch import WatchedRing

FIXTURES = Path(__file__).parent / "fixtures"


def placed(name: str, path: Path, *, mtime: float) -> None:
    shutil.copy(FIXTURES / name, path)
    os.utime(path, (mtime, mtime))


def test_a_new_file_is_a_new_ring(tmp_path: Path) -> None:
    """The next request after the interval sees it, and the ring in hand stays what it was."""
    path = tmp_path / "object.ring.gz"
    placed("plain.ring.gz", path, mtime=1000)
    watched = WatchedRing(path, check_every_seconds=0)
    before = watched.current
    placed("regions.ring.gz", path, mtime=2000)
    assert watched.current.replica_count == 3.25
    assert before.replica_count == 3.0


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """Same modification time, same ring object."""
    path = tmp_path / "object.ring.gz"
    placed("plain.ring.gz", path, mtime=1000)
    watched = WatchedRing(path, check_every_seconds=0)
    assert watched.current is watched.current


def test_the_file_is_left_alone_between_checks(tmp_path: Path) -> None:
    """A request seldom costs a look at the disk."""
    path = tmp_path / "object.ring.gz"
    placed("plain.ring.gz", path, mtime=1000)
    watched = WatchedRing(path, check_every_seconds=3600)
    placed("regions.ring.gz", path, mtime=2000)
    assert watched.current.replica_count == 3.0


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_bad_file_does_not_stop_a_server(tmp_path: Path, damage: str) -> None:
    """The old ring stays until a good file is there."""
    path = tmp_path / "object.ring.gz"
    placed("plain.ring.gz", path, mtime=1000)
    watched = WatchedRing(path, check_every_seconds=0)
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:100])
        os.utime(path, (2000, 2000))
    else:
        path.unlink()
    assert watched.current.replica_count == 3.0
    placed("regions.ring.gz", path, mtime=3000)
    assert watched.current.replica_count == 3.25


def test_a_server_does_not_start_on_a_bad_ring(tmp_path: Path) -> None:
    """At start there is no old ring to keep."""
    path = tmp_path / "object.ring.gz"
    path.write_bytes(b"nonsense")
    with pytest.raises(Corrupt):
        WatchedRing(path)
