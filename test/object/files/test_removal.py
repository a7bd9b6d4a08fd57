"""Files that are removed a moment later: all of them go, whatever becomes of the program that does it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apus.common import concurrency
from apus.object.files import removal
from apus.object.files.removal import LETTER_BYTES_MAX, LETTERS_MAX, Removal

PATIENCE_SECONDS = 60.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Removal]:
    """This process removes files as an object server does."""
    monkeypatch.setattr(removal, "_removal", None)
    removal.remove_later()
    made = removal._removal
    assert made is not None
    yield made
    made._hang_up()


def files(folder: Path, count: int) -> list[Path]:
    made = [folder / f"{number:04}.data" for number in range(count)]
    for path in made:
        path.touch()
    return made


def await_empty(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while os.listdir(folder):
        assert time.monotonic() < deadline, f"{len(os.listdir(folder))} files stay"
        concurrency.sleep(0.01)


def test_without_a_program_a_file_goes_at_once(tmp_path: Path) -> None:
    """Daemons and tests need not wait; what is gone already is as good."""
    for path in (*files(tmp_path, 1), tmp_path / "gone"):
        removal.remove(str(path))
    assert not os.listdir(tmp_path)


def test_all_files_go_soon(later: Removal, tmp_path: Path) -> None:
    """More than one letter holds, a name beyond ASCII, and one that is not there."""
    folder = tmp_path / "naïve"
    folder.mkdir()
    count = 2 * LETTER_BYTES_MAX // len(str(folder))
    for path in (folder / "gone", *files(folder, count)):
        removal.remove(str(path))
    assert len(os.listdir(folder)) == count
    await_empty(folder)
    assert later._pipe >= 0


def test_a_program_that_was_killed_is_replaced(later: Removal, tmp_path: Path) -> None:
    """What it was not told yet is removed here, and the next files by a new one."""
    for _ in range(3):
        removal.remove(str(files(tmp_path, 1)[0]))
        await_empty(tmp_path)
        os.kill(later._program, signal.SIGKILL)
        os.waitid(os.P_PID, later._program, os.WEXITED | os.WNOWAIT)


def test_where_none_can_be_started_files_go_all_the_same(
    later: Removal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does it itself."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing" / "python"))
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in files(folder, 3):
        removal.remove(str(path))
    await_empty(folder)
    assert later._pipe < 0


def test_a_program_that_stands_still_is_not_given_more_than_its_share(later: Removal, tmp_path: Path) -> None:
    """Its pipe fills, then so many letters wait, then files are removed here; all go when it runs again."""
    removal.remove(str(tmp_path / "gone"))
    concurrency.sleep(2 * removal.GATHER_SECONDS)
    os.kill(later._program, signal.SIGSTOP)
    try:
        long = tmp_path / ("x" * 200)
        long.mkdir()
        at_once = 0
        for path in files(long, 1200):
            removal.remove(str(path))
            at_once += not path.exists()
        assert len(later._letters) == LETTERS_MAX + 1
        assert at_once
        concurrency.sleep(2 * removal.GATHER_SECONDS)
        assert 0 < len(later._letters) < LETTERS_MAX
    finally:
        os.kill(later._program, signal.SIGCONT)
    await_empty(long)


def test_a_forked_child_has_a_program_of_its_own(later: Removal, tmp_path: Path) -> None:
    """Whose it was before the fork stays its parent's."""
    path = files(tmp_path, 1)[0]
    removal.remove(str(path))
    later._process_id = 0  # As a child finds it.
    removal.remove(str(path))
    assert later._process_id == os.getpid()
    await_empty(tmp_path)
