"""Attached disks: lazy, written to, committed while in use, killed."""

from __future__ import annotations

import errno
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from block_store import MemoryStore
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from apus.common.errors import Missing, OutOfSpace, Refused, Unavailable
from apus.compute.block import local
from apus.compute.block.config import BlockConfig
from apus.compute.block.disk import Disk
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.block.sweeping import Sweeper

BLOCK = 4096
CONFIG = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


class Bench:
    """A store, a project, and a disk attached from it."""

    def __init__(self, folder: Path, data: bytes) -> None:
        self.store = MemoryStore()
        self.project = Project.open(self.store, "p1", CONFIG)
        self.folder = folder / "disk"
        write_stream(self.project.maps, [data], map_id="base")
        self.disk = Disk.attach(self.project.maps, self.folder, "base", is_writable=True)

    def kept(self, map_id: str) -> bytes:
        maps = Project.open(self.store, "p1", CONFIG).maps
        return b"".join(read_range(maps, maps.load(map_id)))

    def reopen(self) -> None:
        """Open the folder as a process does that comes after a killed one: nothing was closed or flushed."""
        self.disk.close()
        self.disk = Disk(self.project.maps, self.folder)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, noise(10 * BLOCK + 100))
    yield made
    made.disk.close()


def test_only_what_is_read_is_fetched(bench: Bench) -> None:
    """Attaching fetches nothing; a byte fetches its block, once; a block that is written whole is not fetched."""
    assert bench.disk.fetched == 0
    assert bench.disk.read(5 * BLOCK + 1, 1) == noise(10 * BLOCK + 100)[5 * BLOCK + 1 : 5 * BLOCK + 2]
    bench.disk.read(5 * BLOCK + 2, 100)
    bench.disk.write(8 * BLOCK, b"\1" * BLOCK)
    assert bench.disk.fetched == 1


def test_a_commit_sends_changed_blocks_only(bench: Bench) -> None:
    """Two changed blocks: two blocks and a page; the base map stays what it was; the next commit sends nothing."""
    bench.disk.write(BLOCK - 10, b"x" * 20)
    sent = bench.project.blocks.bytes_sent
    done = bench.disk.commit("second")
    assert (done.changed, bench.project.blocks.bytes_sent - sent) == (2, 2 * BLOCK + 32768)
    data = noise(10 * BLOCK + 100)
    assert bench.kept("base") == data
    assert bench.kept("second") == data[: BLOCK - 10] + b"x" * 20 + data[BLOCK + 10 :]
    again = bench.disk.commit("third")
    assert (again.changed, bench.kept("third")) == (0, bench.kept("second"))
    assert bench.disk.map_id == "third"


def test_a_commit_is_of_the_moment_it_began(bench: Bench) -> None:
    """What is written while blocks are being sent belongs to the next commit, and is read at once."""
    before = b"a" * (10 * BLOCK + 100)
    bench.disk.write(0, before)
    writers = threading.Barrier(2)
    reached = threading.Event()

    def on_step(method: str, what: str) -> None:
        if method == "put" and what.startswith("p1-blocks") and not reached.is_set():
            reached.set()
            writers.wait(60)
            writers.wait(60)

    bench.store.on_step = on_step
    thread = threading.Thread(target=bench.disk.commit, args=("moment",))
    thread.start()
    writers.wait(60)
    bench.disk.write(0, b"b" * (10 * BLOCK + 100))
    assert bench.disk.read(0, 10) == b"b" * 10
    writers.wait(60)
    thread.join(60)
    bench.store.on_step = None
    assert bench.kept("moment") == before
    assert bench.disk.read(0, 10 * BLOCK + 100) == b"b" * (10 * BLOCK + 100)
    bench.disk.commit("later")
    assert bench.kept("later") == b"b" * (10 * BLOCK + 100)


def test_a_failed_commit_changes_nothing(bench: Bench) -> None:
    """The store is full: it is said, all changes are still to be committed, and the next commit has them."""
    bench.disk.write(0, b"x" * (3 * BLOCK))
    bench.store.failures["head"] = [Missing("")] * 3
    bench.store.failures["put"] = [Unavailable("down")]
    with pytest.raises(Unavailable):
        bench.disk.commit("c")
    bench.store.failures["put"] = []
    with bench.project.maps.writing():
        pass
    bench.store.put("p1-maps", "roots/c2", b"{}")
    with pytest.raises(Exception):  # noqa: B017 - whatever says that the id is taken
        bench.disk.commit("c2")
    assert bench.disk.changed_blocks == 3
    bench.disk.commit("c3")
    assert bench.kept("c3")[: 3 * BLOCK] == b"x" * (3 * BLOCK)


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_killed_at_any_request_loses_nothing(tmp_path: Path, after: bool) -> None:
    """Whatever request it dies at, a process that starts anew reads what was written and commits it."""
    data = noise(6 * BLOCK)
    for step in range(24):
        bench = Bench(tmp_path / f"{step}", data)
        bench.disk.write(BLOCK, b"n" * (2 * BLOCK))
        with bench.store.dying_at(step, after=after):
            bench.disk.commit("c")
        bench.reopen()
        expected = data[:BLOCK] + b"n" * (2 * BLOCK) + data[3 * BLOCK :]
        assert bench.disk.read(0, 6 * BLOCK) == expected
        bench.disk.commit("c")
        assert bench.kept("c") == expected
        bench.disk.close()


def test_a_crash_of_the_machine_keeps_what_was_flushed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After another boot only blocks changed before the last flush are believed; the rest comes from the map."""
    bench.disk.write(0, b"flushed")
    bench.disk.flush()
    bench.disk.write(5 * BLOCK, b"not flushed")
    monkeypatch.setattr(local, "boot_id", lambda: "another")
    bench.reopen()
    assert bench.disk.read(0, 7) == b"flushed"
    assert bench.disk.read(5 * BLOCK, 11) == noise(10 * BLOCK + 100)[5 * BLOCK : 5 * BLOCK + 11]
    bench.disk.commit("c")
    assert bench.kept("c")[:7] == b"flushed"


@pytest.mark.parametrize("while_flushing", [False, True])
def test_a_crash_of_the_machine_after_an_eviction_finds_the_commit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, while_flushing: bool
) -> None:
    """Flushed, committed (also in the midst of the flush) and evicted, a block is fetched, never a hole believed."""
    medium, sync = b"", os.fdatasync
    synced = bench.folder / "synced"
    commits = [lambda: bench.disk.commit("c")]

    def durable(descriptor: int) -> None:
        nonlocal medium
        sync(descriptor)
        if os.path.samestat(os.fstat(descriptor), synced.stat()):
            medium = synced.read_bytes()
        elif while_flushing and commits:
            commits.pop()()

    monkeypatch.setattr(os, "fdatasync", durable)
    bench.disk.write(0, b"flushed")
    bench.disk.flush()
    if not while_flushing:
        bench.disk.commit("c")
    bench.disk.evict(100 * BLOCK)
    bench.disk.close()
    synced.write_bytes(medium)
    monkeypatch.setattr(local, "boot_id", lambda: "another")
    bench.disk = Disk(bench.project.maps, bench.folder)
    assert bench.disk.read(0, 7) == b"flushed"
    assert bench.disk.changed_blocks == 0


def test_a_disk_that_could_not_grow_is_as_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without room for the new states: the disk keeps its size, and its blocks can go and come."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    bench.disk.read(0, BLOCK)
    with monkeypatch.context() as patched:
        patched.setattr(local, "prepare_identity", full)
        with pytest.raises(OSError, match="full"):
            bench.disk.resize(200 * BLOCK)
    assert bench.disk.evict(100 * BLOCK)
    assert bench.disk.read(0, BLOCK) == noise(10 * BLOCK + 100)[:BLOCK]


def test_zeros_and_trims_take_no_room(bench: Bench) -> None:
    """Zeroed blocks are absent from the next map; a trim of parts of blocks leaves those parts."""
    data = noise(10 * BLOCK + 100)
    bench.disk.write_zeros(BLOCK + 5, 2 * BLOCK)
    bench.disk.trim(5 * BLOCK + 1, 5 * BLOCK + 99)
    done = bench.disk.commit("c")
    assert [index for index, _ in done.map.blocks()] == [0, 1, 3, 4, 5]
    zeroed = data[: BLOCK + 5] + bytes(2 * BLOCK) + data[3 * BLOCK + 5 : 6 * BLOCK] + bytes(4 * BLOCK + 100)
    assert bench.kept("c") == zeroed
    assert bench.disk.read(0, len(zeroed)) == zeroed


def test_a_grown_disk_is_zero_beyond_its_old_end(bench: Bench) -> None:
    """Grown, read, killed, committed: the new bytes are zero, the old ones stay; shrinking is refused."""
    data = noise(10 * BLOCK + 100)
    bench.disk.read(10 * BLOCK, 50)
    bench.disk.resize(12 * BLOCK)
    assert bench.disk.read(0, 12 * BLOCK) == data + bytes(12 * BLOCK - len(data))
    bench.reopen()
    bench.disk.write(11 * BLOCK + 1, b"z")
    bench.disk.commit("c")
    assert bench.kept("c") == data + bytes(BLOCK - 100 + 1) + b"z" + bytes(BLOCK - 2)
    with pytest.raises(Refused):
        bench.disk.resize(BLOCK)


def test_a_store_that_is_full_or_gone_is_an_error_of_that_request(bench: Bench) -> None:
    """Without patience the reader hears of it; what is here is served; the same read succeeds later."""
    bench.disk.be_short()
    bench.disk.write(0, b"here" + bytes(BLOCK - 4))
    bench.store.failures["read"] = [Unavailable("down"), OutOfSpace("full")]
    for _ in range(2):
        with pytest.raises(Unavailable):
            bench.disk.read(4 * BLOCK, 10)
    assert bench.disk.read(0, 4) == b"here"
    assert bench.disk.read(4 * BLOCK, 10) == noise(10 * BLOCK + 100)[4 * BLOCK : 4 * BLOCK + 10]


class DiskMachine(RuleBasedStateMachine):
    """A disk is an array of bytes, whatever is done to it and however often its process is killed."""

    @initialize(target=None, size=st.integers(1, 6 * BLOCK))
    def begin(self, size: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.data = bytearray(noise(size))
        self.bench = Bench(Path(self.folder.name), bytes(self.data))
        self.maps = 0

    def _range(self, where: tuple[float, float]) -> tuple[int, int]:
        begin, end = sorted(int(part * len(self.data)) for part in where)
        return begin, end - begin

    @rule(where=st.tuples(st.floats(0, 1), st.floats(0, 1)), value=st.integers(1, 255))
    def write(self, where: tuple[float, float], value: int) -> None:
        begin, length = self._range(where)
        if length:
            self.bench.disk.write(begin, bytes([value]) * length)
            self.data[begin : begin + length] = bytes([value]) * length

    @rule(where=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def zero(self, where: tuple[float, float]) -> None:
        begin, length = self._range(where)
        if length:
            self.bench.disk.write_zeros(begin, length)
            self.data[begin : begin + length] = bytes(length)

    @rule(where=st.tuples(st.floats(0, 1), st.floats(0, 1)))
    def read(self, where: tuple[float, float]) -> None:
        begin, length = self._range(where)
        if length:
            assert self.bench.disk.read(begin, length) == self.data[begin : begin + length]

    @rule(more=st.integers(0, 2 * BLOCK))
    def grow(self, more: int) -> None:
        if len(self.data) + more < 12 * BLOCK:
            self.bench.disk.resize(len(self.data) + more)
            self.data += bytes(more)

    @rule()
    def commit(self) -> None:
        self.maps += 1
        old = self.bench.disk.map_id
        self.bench.disk.commit(f"m{self.maps}")
        self.bench.project.maps.delete(old)
        assert self.bench.kept(f"m{self.maps}") == self.data

    @rule(step=st.integers(0, 20), after=st.booleans())
    def die_in_a_commit(self, step: int, after: bool) -> None:
        self.maps += 1
        with self.bench.store.dying_at(step, after=after):
            self.bench.disk.commit(f"m{self.maps}")
        self.bench.reopen()

    @rule()
    def sweep(self) -> None:
        Sweeper(Project.open(self.bench.store, "p1", CONFIG, clock=lambda: 1e10).maps).run(100)

    @rule(wanted=st.integers(1, 8 * BLOCK))
    def evict(self, wanted: int) -> None:
        self.bench.disk.evict(wanted)

    @rule()
    def flush(self) -> None:
        self.bench.disk.flush()

    @invariant()
    def knows_its_size(self) -> None:
        if hasattr(self, "bench"):
            assert self.bench.disk.size == len(self.data)

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            assert self.bench.disk.read(0, len(self.data)) == self.data
            self.bench.disk.close()
            self.folder.cleanup()


DiskMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestDisk = DiskMachine.TestCase
