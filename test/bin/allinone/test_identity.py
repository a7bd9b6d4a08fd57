"""A pid file means one process and never its successor under the same number."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from apus.bin.allinone.identity import Identity, await_end, family


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that would sleep for an hour."""
    process = subprocess.Popen(["sleep", "3600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def identity_of(process: subprocess.Popen[bytes]) -> Identity:
    found = Identity.of(process.pid)
    assert found is not None
    return found


def test_a_living_process_is_found_again(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """By the pid file that holds number and start."""
    identity = identity_of(sleeper)
    (tmp_path / "pid").write_text(f"{identity.pid} {identity.started}\n")
    assert Identity.from_file(tmp_path / "pid") == identity


def test_a_recycled_number_is_somebody_else(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Another start means another process, and it is not signalled."""
    identity = identity_of(sleeper)
    stranger = Identity(identity.pid, identity.started - 1)
    (tmp_path / "pid").write_text(f"{stranger.pid} {stranger.started}\n")
    assert Identity.from_file(tmp_path / "pid") is None
    stranger.signal(signal.SIGKILL)
    assert identity.alive


@pytest.mark.parametrize("text", ["", "x", "1", "1 2 3", "99999999 1"])
def test_a_pid_file_that_says_nothing_means_nobody(tmp_path: Path, text: str) -> None:
    """Torn, empty, or of a process that is gone."""
    (tmp_path / "pid").write_text(text)
    assert Identity.from_file(tmp_path / "pid") is None
    assert Identity.from_file(tmp_path / "missing") is None


def test_the_end_is_awaited(sleeper: subprocess.Popen[bytes]) -> None:
    """Who still lives after the timeout is returned; who was killed is not."""
    identity = identity_of(sleeper)
    assert await_end([identity], 0.05) == [identity]
    identity.signal(signal.SIGKILL)
    sleeper.wait()
    assert await_end([identity], 5) == []


def test_a_family_is_a_process_group() -> None:
    """A leader's children are found with it, and nobody else."""
    shell = subprocess.Popen(
        ["sh", "-c", "sleep 3600 & echo ready; wait"], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert shell.stdout is not None
        shell.stdout.readline()
        members = family([identity_of(shell)])
        assert len(members) == 2
        assert identity_of(shell) in members
        assert os.getpid() not in [member.pid for member in members]
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
