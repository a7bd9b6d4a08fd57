"""Rounds shared by processes: nothing is called durable that is not, whoever dies or fails."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import eventlet
import pytest

from apus.common import concurrency, durability, shared_rounds
from apus.common.commit_rounds import ANSWER, IDLE, OPENED, SYNC, Rounds
from apus.common.durability import GroupCommitter

WRITERS = 4
WRITES = 120
DIRTY, DURABLE, LOST = 1, 2, 3
LOSSES, PROGRAM, STATES = 0, 8, 16  # Where in the shared memory: a count, a process id, one byte a write.


@pytest.fixture(autouse=True)
def own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of a test serves another test, nor a cluster on the same file system."""
    monkeypatch.setattr(shared_rounds, "NAME", f"apus-test-{os.getpid()}-{tmp_path.name}")


class Kernel:
    """A file system in shared memory: it writes back when told, sometimes loses, and tells each description once.

    How many losses a description has been told of is its file offset, which all who hold it share. As in a
    kernel, a loss and its report are one step, and what is durable already is not lost any more.
    """

    def __init__(self, seed: int, lock: Path) -> None:
        self._lock = lock
        self._memory = mmap.mmap(-1, STATES + WRITERS * WRITES)
        self.rng = random.Random(seed)

    def _number(self, place: int) -> int:
        return int.from_bytes(self._memory[place : place + 8], "little")

    def _set(self, place: int, number: int) -> None:
        self._memory[place : place + 8] = number.to_bytes(8, "little")

    def write(self, number: int) -> None:
        self._memory[STATES + number] = DIRTY

    def state(self, number: int) -> int:
        return self._memory[STATES + number]

    @contextmanager
    def _in_one_step(self) -> Iterator[None]:
        with self._lock.open("wb") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    def lose_something(self) -> None:
        with self._in_one_step():
            dirty = [place for place in range(STATES, len(self._memory)) if self._memory[place] == DIRTY]
            for place in self.rng.sample(dirty, min(2, len(dirty))):
                self._memory[place] = LOST
            self._set(LOSSES, self._number(LOSSES) + 1)

    def flush(self, descriptor: int) -> None:
        begun = [place for place in range(STATES, len(self._memory)) if self._memory[place] == DIRTY]
        time.sleep(self.rng.uniform(0, 0.002))  # What is written meanwhile is not part of this round.
        if self.rng.random() < 0.02:
            self.lose_something()
        with self._in_one_step():
            for place in begun:
                if self._memory[place] == DIRTY:
                    self._memory[place] = DURABLE
            losses = self._number(LOSSES)
            if os.lseek(descriptor, 0, os.SEEK_CUR) < losses:
                os.lseek(descriptor, losses, os.SEEK_SET)
                raise OSError(errno.EIO, "Input/output error")

    def start_program(self, name: str) -> None:
        """Stand in for `shared_rounds._start`: fork instead of executing another program."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            try:
                listener.bind(name)
            except OSError:
                return
            listener.listen(64)
            child = os.fork()
            if not child:
                self.rng.seed(os.getpid())
                os.closerange(3, listener.fileno())
                os.closerange(listener.fileno() + 1, 200)
                Rounds(listener, self.flush).serve()
                os._exit(0)
            self._set(PROGRAM, child)

    def kill_program(self) -> None:
        program = self._number(PROGRAM)
        if program:
            self._set(PROGRAM, 0)
            try:
                os.kill(program, signal.SIGKILL)
            except ProcessLookupError:
                pass


def write_all(kernel: Kernel, committer: GroupCommitter, writer: int) -> int:
    """Be a server process: three green threads write and sync; return how many promises were kept."""
    numbers = list(range(writer * WRITES, (writer + 1) * WRITES))
    kept = 0

    def work() -> None:
        nonlocal kept
        while numbers:
            number = numbers.pop()
            ticket = committer.begin()
            try:
                kernel.write(number)
                eventlet.sleep(kernel.rng.uniform(0, 0.002))
                committer.sync(ticket)
                assert kernel.state(number) == DURABLE, (number, kernel.state(number))
                kept += 1
            except OSError:
                pass
            finally:
                committer.finish()

    threads = [eventlet.spawn(work) for _ in range(3)]
    for thread in threads:
        thread.wait()
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_a_kept_promise_is_durable(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses, failing rounds and kills of the program at any moment: whoever's sync() returned has his write."""
    kernel = Kernel(seed, tmp_path / "lock")
    monkeypatch.setattr(shared_rounds, "_start", kernel.start_program)
    monkeypatch.setattr(durability, "RETRY_SECONDS", 0.01)
    children = []
    for writer in range(WRITERS):
        child = os.fork()
        if child:
            children.append(child)
            continue
        status = 1
        try:
            concurrency.start_afresh()
            kernel.rng.seed(seed * 100 + writer)
            committer = GroupCommitter(str(tmp_path), kernel.flush, is_shared=True)
            status = 0 if write_all(kernel, committer, writer) > WRITES // 4 else 2
        finally:
            os._exit(status)
    for _ in range(12):
        time.sleep(kernel.rng.uniform(0.01, 0.05))
        kernel.rng.choice((kernel.kill_program, kernel.lose_something, lambda: None))()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * WRITERS, f"seed {seed}"


def test_a_loss_from_before_the_introduction_is_told(tmp_path: Path) -> None:
    """A newcomer's own description is flushed once: it may have heard of what the program's never will."""
    early, late = tmp_path / "early", tmp_path / "late"
    early.mkdir()
    late.mkdir()

    def flush(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(late):
            raise OSError(errno.EIO, "Input/output error")

    with program_of(flush) as name, ExitStack() as stack:
        outcomes = []
        for folder in (early, late, early):
            guest = stack.enter_context(guest_of(name, folder))
            guest.send(SYNC)
            outcomes.append(ANSWER.unpack(guest.recv(ANSWER.size)))
    assert outcomes == [(1, 0), (1, errno.EIO), (1, 0)]


def test_who_asks_and_writes_no_more_is_no_loss_to_others(tmp_path: Path) -> None:
    """Its writers gave up while a round was under way: nothing is left to flush, and nothing has failed."""
    flushed: list[int] = []
    with program_of(flushed.append) as name, ExitStack() as stack:
        gone, other = (stack.enter_context(guest_of(name, tmp_path)) for _ in range(2))
        gone.send(SYNC + IDLE)
        assert ANSWER.unpack(gone.recv(ANSWER.size)) == (1, 0)
        other.send(SYNC)
        assert ANSWER.unpack(other.recv(ANSWER.size)) == (1, 0)
    assert len(flushed) == 1


@contextmanager
def program_of(flush: Callable[[int], None]) -> Iterator[str]:
    """The program in a thread; yields its name, and waits until its last guest has left."""
    name = f"\0{shared_rounds.NAME}-thread"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(name)
        listener.listen()
        program = threading.Thread(target=Rounds(listener, flush).serve)
        program.start()
        yield name
        program.join(60)


@contextmanager
def guest_of(name: str, folder: Path) -> Iterator[socket.socket]:
    """A guest that has said that it begins to write."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guest:
        guest.connect(name)
        device = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(guest, [OPENED], [device])
        os.close(device)
        yield guest


@pytest.fixture
def shared(tmp_path: Path) -> GroupCommitter:
    return GroupCommitter(str(tmp_path), is_shared=True)


def test_two_processes_share_one_program(shared: GroupCommitter, tmp_path: Path) -> None:
    """The second one finds the first one's program; the real one really syncs."""
    other = GroupCommitter(str(tmp_path), is_shared=True)
    before = set(shared_rounds._programs)
    for committer in (shared, other, shared):
        committer.sync()
        assert committer._line is not None
    assert len(set(shared_rounds._programs) - before) == 1  # Earlier ones that have ended are struck off.
    assert shared.rounds == 2
    for committer in (shared, other):
        assert committer._line is not None
        committer._hang_up()


def test_the_program_s_death_is_not_noticed_by_writers(shared: GroupCommitter) -> None:
    """Its requests are served by a round of the writer's own, and later ones by the next program."""
    shared.sync()
    os.kill(shared_rounds._programs[-1], signal.SIGSTOP)
    writers = [eventlet.spawn(shared.sync) for _ in range(5)]
    eventlet.sleep(0.05)
    assert not any(writer.dead for writer in writers)
    os.kill(shared_rounds._programs[-1], signal.SIGKILL)
    for writer in writers:
        writer.wait()
    assert shared._line is None
    await_return(shared)


def await_return(committer: GroupCommitter) -> None:
    """Write until the committer is on a line again, and end that."""
    committer._alone_until = 0.0
    deadline = time.monotonic() + 60
    while committer._line is None and time.monotonic() < deadline:
        committer.sync()
    assert committer._line is not None
    committer._hang_up()


def test_a_program_that_stands_still_is_left(shared: GroupCommitter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped or frozen it ends no line: its writers go on alone, and come back when it answers again."""
    monkeypatch.setattr(durability, "RETRY_SECONDS", 0.0)
    shared.sync()
    program = shared_rounds._programs[-1]
    os.kill(program, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(
                durability, "PATIENCE_SECONDS", 0.05
            )  # On a busy machine it may need longer itself.
            for _ in range(5):
                shared.sync()
                assert shared._line is None
    finally:
        os.kill(program, signal.SIGCONT)
    await_return(shared)


def test_the_program_does_not_hold_the_output_of_who_started_it(tmp_path: Path) -> None:
    """A daemon behind a pipe ends, and so does the pipe, while the program goes on for others."""
    lines = (
        "import sys",
        "from apus.common import shared_rounds",
        "shared_rounds.NAME = sys.argv[1]",
        "line = shared_rounds.Line(sys.argv[2])",
        "print('connected', flush=True)",
        "sys.stdin.read()",
    )
    command = [sys.executable, "-c", "\n".join(lines), shared_rounds.NAME, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"connected\n"
        line = shared_rounds.Line(str(tmp_path))
        assert starter.communicate(timeout=60)[0] == b""
    line.rest()  # It is there.
    line.close()


def test_a_program_that_takes_no_more_guests_stops_nobody(tmp_path: Path) -> None:
    """A server that waited for its place would stand still with all its requests."""
    name = f"\0{shared_rounds.NAME}-{os.geteuid()}-{tmp_path.stat().st_dev}"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(name)
        listener.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)).connect(name)
        with pytest.raises(BlockingIOError):
            shared_rounds.Line(str(tmp_path))


def test_a_name_taken_by_somebody_else_is_not_trusted(
    shared: GroupCommitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's program could promise anything: rounds are made alone."""
    monkeypatch.setattr(shared_rounds, "peer_user", lambda _: os.geteuid() + 1)
    shared.sync()
    assert shared._line is None
    assert shared.rounds == 1


def test_where_no_program_can_be_started_rounds_are_made_alone(
    shared: GroupCommitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on processes, a missing interpreter: nothing that a writer would notice."""

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(shared_rounds, "_connected", fail)
    shared.sync()
    assert shared._line is None


def test_an_idle_process_keeps_nothing_of_the_device_open(
    shared: GroupCommitter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither here nor in the program is a descriptor left that would keep the device from being unmounted."""
    monkeypatch.setattr(durability, "IDLE_SECONDS", 0.0)
    shared.sync()
    program = shared_rounds._programs[-1]
    while shared._idle_timer is not None:
        eventlet.sleep(0)
    deadline = time.monotonic() + 60
    while _holds(program, tmp_path) and time.monotonic() < deadline:
        eventlet.sleep(0.01)
    assert shared._descriptor == -1
    assert not _holds(program, tmp_path)
    shared.sync()
    shared._hang_up()


def _holds(program: int, path: Path) -> bool:
    return any(_goal(file) == str(path) for file in Path(f"/proc/{program}/fd").iterdir())


def _goal(file: Path) -> str:
    try:
        return os.readlink(file)
    except FileNotFoundError:
        return ""  # Closed since the folder was read.
