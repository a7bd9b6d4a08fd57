"""Group commit: who is promised what, and who is told when a promise cannot be kept."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import eventlet
import pytest

from apus.common import concurrency, durability
from apus.common.durability import GroupCommitter, committer_for, fsync_directory, write_beside


class Device:
    """A flush that can be held and made to fail, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.failing = False
        self.gate = threading.Semaphore(0)
        self.gated = False

    def flush(self, descriptor: int) -> None:
        assert descriptor >= 0
        if self.gated:
            self.gate.acquire()
        self.calls += 1
        if self.failing:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def committer(tmp_path: Path, device: Device) -> GroupCommitter:
    return GroupCommitter(str(tmp_path), device.flush)


def test_callers_of_one_turn_share_a_round(committer: GroupCommitter, device: Device) -> None:
    """Ten green threads that sync in one turn of the hub cost one flush."""
    threads = [eventlet.spawn(committer.sync) for _ in range(10)]
    for thread in threads:
        thread.wait()
    assert device.calls == 1
    assert committer.rounds == 1


def test_a_late_caller_waits_for_a_round_that_began_after_it(
    committer: GroupCommitter, device: Device
) -> None:
    """A round under way may have passed by what the caller wrote: it must wait for the next."""
    device.gated = True
    early = eventlet.spawn(committer.sync)
    while not committer._flying:
        eventlet.sleep(0)
    late = eventlet.spawn(committer.sync)
    eventlet.sleep(0)
    device.gate.release()
    early.wait()
    assert device.calls == 1
    assert not late.dead
    device.gate.release()
    late.wait()
    assert device.calls == 2


def test_a_failed_round_fails_all_its_callers(committer: GroupCommitter, device: Device) -> None:
    """EIO reaches each caller of the round, and the next round starts clean."""
    device.failing = True
    threads = [eventlet.spawn(committer.sync) for _ in range(3)]
    for thread in threads:
        with pytest.raises(OSError, match="Input/output") as caught:
            thread.wait()
        assert caught.value.errno == errno.EIO
    device.failing = False
    committer.sync()


def test_a_failed_round_fails_those_who_wait_for_the_next(committer: GroupCommitter, device: Device) -> None:
    """Their writes were under way too, and the next round would not hear of a page lost in this one."""
    device.gated = device.failing = True
    early = eventlet.spawn(committer.sync)
    while not committer._flying:
        eventlet.sleep(0)
    late = eventlet.spawn(committer.sync)
    eventlet.sleep(0)
    device.gate.release()
    for thread in (early, late):
        with pytest.raises(OSError):
            thread.wait()
    device.gated = device.failing = False
    committer.sync()


def test_a_failed_round_fails_writes_that_were_under_way(committer: GroupCommitter, device: Device) -> None:
    """The kernel reports a lost page once: a write begun before that report can no longer trust a later one."""
    ticket = committer.begin()
    device.failing = True
    with pytest.raises(OSError):
        committer.sync()
    device.failing = False
    with pytest.raises(OSError, match="while this one was under way"):
        committer.sync(ticket)
    committer.finish()
    fresh = committer.begin()
    committer.sync(fresh)
    committer.finish()


def test_an_idle_committer_lets_go_of_the_device(
    committer: GroupCommitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device can be unmounted although it was written to: nothing holds it open."""
    monkeypatch.setattr(durability, "IDLE_SECONDS", 0.0)
    committer.sync()
    while committer._idle_timer is not None:
        eventlet.sleep(0)
    assert committer._descriptor == -1
    committer.sync()


def test_a_forked_child_starts_its_own_rounds(committer: GroupCommitter) -> None:
    """Threads do not survive a fork; the child's first sync must not wait for its parent's."""
    committer.sync()
    child = os.fork()
    if not child:
        concurrency.start_afresh()
        committer.sync()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    committer.sync()


def test_one_committer_per_device(tmp_path: Path) -> None:
    """Two paths of one file system share a committer, and it really syncs."""
    (tmp_path / "a").mkdir()
    first, second = committer_for(str(tmp_path)), committer_for(str(tmp_path / "a"))
    assert first is second
    first.sync()


def test_what_is_written_beside_is_durable_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is complete and flushed before its name is known; of a failed write nothing stays."""
    target, flushed = tmp_path / "file", []
    target.write_bytes(b"old")
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_size))
    temporary = write_beside(str(target), b"new" * 1000)
    assert flushed == [3000]
    assert target.read_bytes() == b"old"
    os.rename(temporary, target)
    assert target.read_bytes() == b"new" * 1000

    def fail(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        write_beside(str(target), b"lost")
    assert os.listdir(tmp_path) == ["file"]


def test_write_back_and_fsync_directory(tmp_path: Path) -> None:
    """Ranges of a file and a folder's names can be flushed; a closed descriptor is an error."""
    with open(tmp_path / "file", "wb") as handle:
        handle.write(b"x" * 100_000)
        handle.flush()
        durability.write_back(handle.fileno(), 0, 100_000)
    fsync_directory(str(tmp_path))
    with pytest.raises(OSError):
        durability.write_back(-1, 0, 1)


def test_whoever_gives_up_waiting_is_not_woken(committer: GroupCommitter, device: Device) -> None:
    """A timeout before the round, in it, and between its end and the waking: the others are served."""
    device.gated = True
    outcomes: list[str] = []

    def write(patience_seconds: float) -> None:
        try:
            with eventlet.Timeout(patience_seconds):
                committer.sync()
            outcomes.append("durable")
        except eventlet.Timeout:
            eventlet.sleep(0.05)  # A wake-up meant for the sync must not end this sleep.
            outcomes.append("gave up")

    threads = [eventlet.spawn(write, patience) for patience in (0.01, 5, 0.01, 5)]
    eventlet.sleep(0.03)
    late = [eventlet.spawn(write, patience) for patience in (0.0, 5)]
    eventlet.sleep(0)
    device.gated = False
    device.gate.release()
    for thread in (*threads, *late):
        thread.wait()
    assert sorted(outcomes) == ["durable"] * 3 + ["gave up"] * 3
