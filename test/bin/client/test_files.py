"""Files walked through, read in windows, and written out of sight."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from apus.bin.client.files import PARTIAL, Arrival, Window, is_made_of, link_above, walk
from apus.common.errors import Corrupt


def test_a_walk_finds_files_and_folders_and_says_what_it_passed(tmp_path: Path) -> None:
    """Links and pipes are passed over, partial files known, excluded names not seen."""
    (tmp_path / "sub/empty").mkdir(parents=True)
    (tmp_path / "sub/file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("sub")
    (tmp_path / "skipped.tmp").write_bytes(b"x")
    (tmp_path / f"{PARTIAL}1").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    found = walk(tmp_path, follow_links=False, exclude=("*.tmp",))
    assert found.entries.keys() == {"sub", "sub/empty", "sub/file"}
    assert found.passed.keys() == {"link", "pipe"}
    assert [partial.name for partial in found.partials] == [f"{PARTIAL}1"]


def test_a_link_to_above_does_not_go_on_for_ever(tmp_path: Path) -> None:
    """It is followed once and then said to be a loop."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    found = walk(tmp_path, follow_links=True)
    assert "a/up" in found.passed
    assert "dangling" in found.failed


def test_a_walk_goes_deeper_than_python_calls(tmp_path: Path) -> None:
    """Folders a thousand deep are found, and what lies at the bottom."""
    made = [tmp_path]
    while len(made) <= sys.getrecursionlimit():
        made.append(made[-1] / "a")
        made[-1].mkdir()
    (made[-1] / "f").touch()
    try:
        found = walk(tmp_path, follow_links=False)
        assert len(found.entries) == len(made)
        assert not found.failed
    finally:  # From below: whoever tidies up behind us would call himself too often.
        (made[-1] / "f").unlink()
        for folder in reversed(made[1:]):
            folder.rmdir()


def test_a_window_can_be_read_again(tmp_path: Path) -> None:
    """A repeated request sends the same bytes, with the same MD5, and progress goes back."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    counts: list[int] = []
    with path.open("rb") as file:
        window = Window(file, 2, 5, counts.append)
        assert window.read(3) == b"234"
        window.seek(0)
        assert window.read() + window.read(1) == b"23456"
    assert sum(counts) == 5
    assert window.etag == hashlib.md5(b"23456").hexdigest()


def test_a_file_that_shrinks_is_no_object(tmp_path: Path) -> None:
    """The upload breaks off, rather than wait for bytes that never come."""
    path = tmp_path / "file"
    path.write_bytes(b"012")
    with path.open("rb") as file:
        window = Window(file, 0, 5, lambda _count: None)
        window.read(3)
        with pytest.raises(Corrupt):
            window.read(3)


def test_an_arrival_is_whole_or_nothing(tmp_path: Path) -> None:
    """What was there stays until the new is kept, and nothing else is left lying about."""
    place = tmp_path / "file"
    place.write_bytes(b"old")
    with Arrival(place) as arrival:
        arrival.write(b"half")
    assert place.read_bytes() == b"old"
    with Arrival(place) as arrival:
        arrival.write(b"new")
        arrival.keep(1_000_000_000)
    assert place.read_bytes() == b"new"
    assert place.stat().st_mtime == 1
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_is_its_pieces(tmp_path: Path) -> None:
    """And nothing more."""
    path = tmp_path / "file"
    path.write_bytes(b"abcd")
    ab, cd = hashlib.md5(b"ab").hexdigest(), hashlib.md5(b"cd").hexdigest()
    assert is_made_of(path, [(ab, 2), (cd, 2)])
    assert not is_made_of(path, [(ab, 2)])
    assert not is_made_of(path, [(cd, 2), (ab, 2)])


def test_a_link_on_the_way_is_found(tmp_path: Path) -> None:
    """Nothing is written through it."""
    (tmp_path / "out").symlink_to("/")
    assert link_above(tmp_path, "out/etc/x") == "out"
    assert link_above(tmp_path, "in/etc/x") is None
