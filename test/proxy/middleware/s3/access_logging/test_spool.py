"""Lines that wait on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apus.proxy.middleware.s3.access_logging.destination import Form, Place
from apus.proxy.middleware.s3.access_logging.spool import Bounds, Full, Spool

HERE = Place("AUTH_a", "bkt", "logs", "p/", Form.SIMPLE)
THERE = Place("AUTH_a", "bkt", "other", "p/", Form.EVENT_TIME, "2026-11-21")
WIDE = Bounds(file_bytes=1 << 20, folder_bytes=1 << 20)


def all_lines(spool: Spool) -> list[str]:
    return [line for batch in spool.batches() for lines in batch.lines().values() for line in lines]


def test_lines_come_back_by_where_they_go(tmp_path: Path) -> None:
    """In the order in which they came."""
    spool = Spool(tmp_path / "new" / "folder", WIDE)
    for where, line in ((HERE, "1"), (THERE, "2"), (HERE, "3")):
        assert not spool.append(where, line)
    spool.close_current()
    (batch,) = spool.batches()
    assert batch.lines() == {HERE: ["1", "3"], THERE: ["2"]}


def test_what_a_worker_writes_is_its_own(tmp_path: Path) -> None:
    """Another one takes it only when it is closed; no two take the same."""
    writer, taker = Spool(tmp_path, WIDE), Spool(tmp_path, WIDE)
    writer.append(HERE, "1")
    assert all_lines(taker) == []
    writer.close_current()
    batches = taker.batches()
    assert next(batches).lines() == {HERE: ["1"]}
    assert all_lines(writer) == []
    batches.close()  # type: ignore[attr-defined]  # It is a generator.
    assert all_lines(writer) == ["1"]


def test_what_a_dead_worker_has_written_is_taken_by_another(tmp_path: Path) -> None:
    """A worker that was killed has written all its lines, and its lock is gone."""
    child = os.fork()
    if child == 0:
        Spool(tmp_path, WIDE).append(HERE, "last words")
        os._exit(0)
    os.waitpid(child, 0)
    assert all_lines(Spool(tmp_path, WIDE)) == ["last words"]


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    """What a dying machine has left half written is left out."""
    spool = Spool(tmp_path, WIDE)
    spool.append(HERE, "1")
    spool.close_current()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'["AUTH_a", "lo\n[]\n{}\n')
    assert all_lines(spool) == ["1"]


def test_a_batch_keeps_what_is_not_done(tmp_path: Path) -> None:
    """Under its own name; removed, it is gone."""
    spool = Spool(tmp_path, WIDE)
    spool.append(HERE, "1")
    spool.append(THERE, "2")
    spool.close_current()
    (batch,) = spool.batches()
    batch.keep({THERE: ["2"]})
    (again,) = spool.batches()
    assert (again.name, again.begun, again.lines()) == (batch.name, batch.begun, {THERE: ["2"]})
    again.remove()
    assert not spool.has_batches()


def test_what_nobody_finished_goes_in_time(tmp_path: Path) -> None:
    """A file that has not got its name for an hour never will; a new one is left alone."""
    old, new = tmp_path / "old.new", tmp_path / "new.new"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    assert all_lines(Spool(tmp_path, WIDE)) == []
    assert list(tmp_path.iterdir()) == [new]


def test_a_full_file_is_said_to_be_one(tmp_path: Path) -> None:
    """So that its lines are delivered before their time."""
    spool = Spool(tmp_path, Bounds(file_bytes=200, folder_bytes=1 << 20))
    assert [spool.append(HERE, "x" * 80) for _ in range(2)] == [False, True]


def test_the_folder_has_a_bound_for_all_workers(tmp_path: Path) -> None:
    """Beyond it lines are refused, until some are gone."""
    bounds = Bounds(file_bytes=1 << 20, folder_bytes=300)
    first, second = Spool(tmp_path, bounds), Spool(tmp_path, bounds)
    first.append(HERE, "x" * 150)
    with pytest.raises(Full):
        second.append(HERE, "x" * 150)
    first.close_current()
    for batch in first.batches():
        batch.remove()
    assert not first.append(HERE, "x" * 150)


def test_a_folder_that_cannot_be_refuses_lines(tmp_path: Path) -> None:
    """And nothing else goes wrong."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Full):
        Spool(tmp_path / "file" / "folder", WIDE).append(HERE, "1")
