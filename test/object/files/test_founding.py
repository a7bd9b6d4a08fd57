"""The laws of a partition that is built out of sight."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apus.common import concurrency
from apus.common.errors import OutOfSpace
from apus.common.timestamp import Timestamp
from apus.object.files import founding, hashes, metadata
from apus.object.files.arrival import Arrival, Fate, Place
from apus.object.files.device import Reserve
from apus.object.files.founding import found_partition
from apus.object.files.locks import LockTimeout

RESERVE = Reserve.parse("1%")
FULL = Reserve.parse("100%")
NOW = 1_700_000_000.0
DIGESTS = st.text("0123456789abcdef", min_size=32, max_size=32)
MOMENTS = st.builds(Timestamp, st.integers(10**14, 2 * 10**14), st.integers(0, 3))


class Committer:
    """Stands for a device's group commit; does something in each round."""

    def __init__(self, *rounds: Callable[[], None]) -> None:
        self.rounds = list(rounds)

    def begin(self) -> int:
        return 0

    def sync(self, _ticket: int) -> None:
        if self.rounds:
            self.rounds.pop(0)()

    def finish(self) -> None:
        pass


@pytest.fixture(autouse=True)
def rounds(monkeypatch: pytest.MonkeyPatch) -> Committer:
    committer = Committer()
    monkeypatch.setattr(founding, "committer_for", lambda _path: committer)
    return committer


def arrival(digest: str, at: float = 5, body: bytes = b"body") -> Arrival:
    return Arrival(digest, Timestamp.of(at), metadata.encode({"name": "/a/c/o"}), body)


def digest(number: int) -> str:
    return f"{number:032x}"


def place(device: Path) -> Place:
    return Place(str(device), "objects", "tmp", "7")


def site(device: Path) -> Path:
    return device / "tmp" / "7.founding"


def data(device: Path) -> list[str]:
    return sorted(path.parent.name for path in device.rglob("*.data"))


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(DIGESTS, MOMENTS, min_size=1, max_size=12))
def test_its_hashes_are_those_that_a_look_at_it_finds(moments: dict[str, Timestamp]) -> None:
    """Nobody has to read the folders before they are compared."""
    with tempfile.TemporaryDirectory() as folder:
        there = place(Path(folder))
        arrivals = [Arrival(name, moment, metadata.encode({}), b"") for name, moment in moments.items()]
        found = found_partition(there, arrivals, RESERVE)
        assert found == [Fate.STORED] * len(arrivals)
        stored = hashes.read(there.directory)
        assert stored["valid"] is True
        told = hashes.suffix_hashes(folder, 0, 7, reclaim_age_seconds=1e9, now=NOW)
        assert hashes.read(there.directory) == stored
        os.unlink(f"{there.directory}/{hashes.HASH_FILE}")
        assert hashes.suffix_hashes(folder, 0, 7, reclaim_age_seconds=1e9, now=NOW) == told
        assert os.listdir(f"{folder}/tmp") == []


def test_a_partition_that_is_there_is_not_founded(tmp_path: Path) -> None:
    """Not even an empty one: who made it is about to put something there."""
    (tmp_path / "objects/7").mkdir(parents=True)
    assert found_partition(place(tmp_path), [arrival(digest(1))], RESERVE) == []
    assert data(tmp_path) == []


def test_what_a_crash_left_there_is_no_part_of_it(tmp_path: Path) -> None:
    """Its bytes may never have reached the disk."""
    (site(tmp_path) / "abc" / digest(9)).mkdir(parents=True)
    (site(tmp_path) / "abc" / digest(9) / "0000000005.00000.data").touch()
    assert found_partition(place(tmp_path), [arrival(digest(1))], RESERVE) == [Fate.STORED]
    assert data(tmp_path) == [digest(1)]


def test_a_partition_that_comes_up_meanwhile_is_joined(tmp_path: Path, rounds: Committer) -> None:
    """What is new there moves in and is noted for the hashes; what is not is left to ordinary PUTs."""
    old = tmp_path / "objects/7/001" / digest(1)

    def write() -> None:
        old.mkdir(parents=True)
        (old / "0000000009.00000.data").touch()

    rounds.rounds.append(write)
    arrivals = [arrival(digest(number)) for number in (1, 0x1001, 2)]
    assert found_partition(place(tmp_path), arrivals, RESERVE) == [Fate.LEFT, Fate.STORED, Fate.STORED]
    assert data(tmp_path) == [digest(1), digest(2), digest(0x1001)]
    assert os.listdir(old) == ["0000000009.00000.data"]
    noted = (tmp_path / "objects/7/hashes.invalid").read_text().split()
    assert {"001", "002"} <= set(noted)
    assert not site(tmp_path).exists()


def test_only_one_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other waits until it is there, or until the first one has given up."""
    site(tmp_path).mkdir(parents=True)
    first = os.open(site(tmp_path), os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        os.close(first)

    monkeypatch.setattr(concurrency, "sleep", sleep)
    assert found_partition(place(tmp_path), [arrival(digest(1))], RESERVE) == [Fate.STORED]
    assert len(waits) == 1


def test_who_waited_for_another_leaves_the_partition_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was taken away from under the waiting one."""
    site(tmp_path).mkdir(parents=True)
    first = os.open(site(tmp_path), os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)

    def sleep(_seconds: float) -> None:
        (tmp_path / "objects").mkdir()
        site(tmp_path).rename(tmp_path / "objects/7")
        os.close(first)

    monkeypatch.setattr(concurrency, "sleep", sleep)
    assert found_partition(place(tmp_path), [arrival(digest(1))], RESERVE) == []
    assert os.listdir(tmp_path / "tmp") == []


def test_whoever_holds_it_for_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer would hang up; it comes again in its next pass."""
    site(tmp_path).mkdir(parents=True)
    first = os.open(site(tmp_path), os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    monkeypatch.setattr(founding, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(LockTimeout):
        found_partition(place(tmp_path), [arrival(digest(1))], RESERVE)
    os.close(first)


def test_a_full_device_gets_nothing(tmp_path: Path) -> None:
    """Not even the folder stays."""
    with pytest.raises(OutOfSpace):
        found_partition(place(tmp_path), [arrival(digest(1))], FULL)
    assert data(tmp_path) == []
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize(("failing", "remaining"), [(0, []), (1, [digest(1)])])
def test_a_device_that_fails_acknowledges_nothing(
    tmp_path: Path, rounds: Committer, failing: int, remaining: list[str]
) -> None:
    """Before the first round is over nothing is to be seen; what is seen after it was durable before."""

    def fail() -> None:
        raise OSError(errno.EIO, "lost")

    rounds.rounds += [lambda: None] * failing + [fail]
    with pytest.raises(OSError, match="lost"):
        found_partition(place(tmp_path), [arrival(digest(1))], RESERVE)
    assert data(tmp_path) == remaining
    assert not site(tmp_path).exists()


@pytest.mark.parametrize("problem", [errno.ENOENT, errno.EIO])
def test_whatever_was_moved_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: Committer, problem: int
) -> None:
    """A suffix may vanish under us, for good if need be; those that moved before are in the hashes then."""
    rounds.rounds.append(lambda: (tmp_path / "objects/7/005").mkdir(parents=True))
    rename = os.rename

    def fail_with_the_second(source: str, target: str) -> None:
        if target.endswith(digest(2)):
            raise OSError(problem, "not now")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_with_the_second)
    with pytest.raises(OSError, match="not now"):
        found_partition(place(tmp_path), [arrival(digest(1)), arrival(digest(2))], RESERVE)
    assert data(tmp_path) == [digest(1)]
    assert "001" in (tmp_path / "objects/7/hashes.invalid").read_text().split()


def test_a_suffix_that_a_hasher_takes_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: Committer
) -> None:
    """An empty suffix is removed by whoever hashes it."""
    rounds.rounds.append(lambda: (tmp_path / "objects/7/005").mkdir(parents=True))
    rename = os.rename
    vanishing = [tmp_path / "objects/7/001"]

    def rename_too_late(source: str, target: str) -> None:
        while vanishing and target.endswith(digest(1)):
            vanishing.pop().rmdir()
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_too_late)
    assert found_partition(place(tmp_path), [arrival(digest(1))], RESERVE) == [Fate.STORED]
    assert data(tmp_path) == [digest(1)]
