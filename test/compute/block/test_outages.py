"""A store that is away while a disk is in use: who needs it waits, nobody else does."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from block_store import MemoryStore
from nbd_client import NbdClient, Refusal

from apus.common.errors import OutOfSpace, Unavailable
from apus.compute.block import fetching
from apus.compute.block.config import BlockConfig
from apus.compute.block.fetching import Fetching, Patience
from apus.compute.block.host import HostDisks
from apus.compute.block.nbd.server import FETCHERS
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream

BLOCK = 4096
DATA = random.Random(5).randbytes(40 * BLOCK)
PATIENT = BlockConfig(block_size=BLOCK, block_patience_seconds=600)
WAITING_SECONDS = 60


class Outage:
    """A host whose store goes away and comes back as told."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.project = Project.open(self.store, "p", PATIENT)
        write_stream(self.project.maps, [DATA], map_id="base")
        self.disks = HostDisks(self.store, folder, PATIENT)
        self.disks.start()
        self.socket = str(self.disks.attach("vda", "p", "base")["socket"])
        self.asked = threading.Semaphore(0)
        """Released by each request that finds the store away."""

    def begin(self) -> None:
        """Answer nothing from now on."""

        def refuse(method: str, what: str) -> None:
            del method, what
            self.asked.release()
            raise Unavailable("nobody answers")

        self.store.on_step = refuse

    def wait_until_asked(self) -> None:
        """Return when somebody has noticed."""
        assert self.asked.acquire(timeout=WAITING_SECONDS)

    def end(self) -> None:
        """Answer again."""
        self.store.on_step = None


@pytest.fixture
def outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)
    made = Outage(tmp_path / "h")
    yield made
    made.disks.stop()


def test_a_short_outage_is_a_pause(outage: Outage) -> None:
    """Who reads, or changes a part of, a block that isn't here waits and gets it; no error is seen."""
    outage.begin()
    with ThreadPoolExecutor(2) as pool, NbdClient(outage.socket) as one, NbdClient(outage.socket) as two:
        reading = pool.submit(one.read, 7 * BLOCK, 100)
        writing = pool.submit(two.write, 9 * BLOCK + 5, b"in the dark")
        outage.wait_until_asked()
        outage.wait_until_asked()
        assert not reading.done()
        assert not writing.done()
        outage.end()
        assert reading.result(WAITING_SECONDS) == DATA[7 * BLOCK : 7 * BLOCK + 100]
        writing.result(WAITING_SECONDS)
        assert (
            two.read(9 * BLOCK, 20)
            == DATA[9 * BLOCK : 9 * BLOCK + 5] + b"in the dark" + DATA[9 * BLOCK + 16 : 9 * BLOCK + 20]
        )


def test_what_is_here_goes_on_meanwhile(outage: Outage) -> None:
    """However many wait for the store: blocks here are read, written and flushed, on the same connection too."""
    with NbdClient(outage.socket) as client, NbdClient(outage.socket) as waiting:
        client.read(0, 2 * BLOCK)
        outage.begin()
        for index in range(10, 30):
            waiting.send(0, index * BLOCK, 10)
        outage.wait_until_asked()
        for number in range(20):
            client.write(100, bytes([number]) * 10)
            client.flush()
            assert client.read(100, 10) == bytes([number]) * 10
        client.write(33 * BLOCK, b"\1" * BLOCK)  # A whole block needs nothing of the store.
        outage.end()
        for _ in range(10, 30):
            assert waiting.exactly(16)[4:8] == b"\0\0\0\0"
            waiting.exactly(10)


def test_nothing_written_in_an_outage_is_lost(outage: Outage) -> None:
    """A commit fails meanwhile, and everything is as before; the next one has it all."""
    with NbdClient(outage.socket) as client:
        client.read(0, BLOCK)
        outage.begin()
        client.write(10, b"kept")
        with pytest.raises(Unavailable):
            outage.disks.commit("vda", "c")
        assert outage.disks.status("vda")["changed_blocks"] == 1
        outage.end()
        outage.disks.commit("vda", "c")
    maps = outage.project.maps
    assert b"".join(read_range(maps, maps.load("c"))) == DATA[:10] + b"kept" + DATA[14:]


def test_who_waits_is_let_go_at_the_end(outage: Outage) -> None:
    """A host that stops, or a disk that is detached, doesn't wait for the store."""
    outage.begin()
    with ThreadPoolExecutor(1) as pool, NbdClient(outage.socket) as client:
        reading = pool.submit(client.read, 7 * BLOCK, 100)
        outage.wait_until_asked()
        outage.disks.detach("vda", discard=True)
        with pytest.raises((EOFError, Refusal, ConnectionError)):
            reading.result(WAITING_SECONDS)


def test_whose_turn_has_not_come_is_not_waited_for(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes its time to say no is asked by those who ask it already, and by nobody after them."""
    crew = outage.disks._servers["vda"]._crews.fetching
    is_told, shutdown = threading.Event(), crew.shutdown
    asked_for: set[str] = set()

    def hold(_method: str, what: str) -> None:
        asked_for.add(what)
        outage.asked.release()
        assert is_told.wait(WAITING_SECONDS)
        raise Unavailable("nobody answers")

    def tell(*, wait: bool, cancel_futures: bool = False) -> None:
        shutdown(wait=False, cancel_futures=cancel_futures)
        is_told.set()
        shutdown(wait=wait)

    with NbdClient(outage.socket) as client:
        client.read(39 * BLOCK, 1)  # Which blocks there are is known from here on.
    monkeypatch.setattr(crew, "shutdown", tell)
    outage.store.on_step = hold
    with ThreadPoolExecutor(20) as pool, ExitStack() as stack:
        clients = [stack.enter_context(NbdClient(outage.socket)) for _ in range(20)]
        reading = [pool.submit(client.read, 2 * at * BLOCK, 100) for at, client in enumerate(clients)]
        for _ in range(FETCHERS):
            outage.wait_until_asked()
        outage.disks.detach("vda", discard=True)
        for each in reading:
            with pytest.raises((EOFError, Refusal, ConnectionError)):
                each.result(WAITING_SECONDS)
    assert len(asked_for) == FETCHERS


def test_patience_ends() -> None:
    """Beyond its seconds Unavailable is passed on; a full store and other errors are at once."""
    now = [0.0]

    def fail(problem: Exception, lasting: float) -> None:
        now[0] += lasting
        raise problem

    patience = Patience(10, clock=lambda: now[0])
    with pytest.raises(Unavailable, match="down"):
        patience.try_again(lambda: fail(Unavailable("down"), 10))
    assert now[0] == 10
    with pytest.raises(OutOfSpace):
        patience.try_again(lambda: fail(OutOfSpace("full"), 0))
    with pytest.raises(KeyError):
        patience.try_again(lambda: fail(KeyError("x"), 0))


def test_a_block_that_many_want_is_fetched_once() -> None:
    """Whoever comes while it is on its way waits for it, and hears of the same failure."""
    begun, go_on = threading.Event(), threading.Event()
    fetched: list[int] = []

    def fetch(index: int) -> None:
        fetched.append(index)
        begun.set()
        assert go_on.wait(WAITING_SECONDS)
        if len(fetched) == 1:
            raise Unavailable("down")

    coming = Fetching(fetch)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(coming.once, 3)
        assert begun.wait(WAITING_SECONDS)
        others = [pool.submit(coming.once, 3) for _ in range(2)]
        while any(not other.running() for other in others):
            threading.Event().wait(0.001)
        go_on.set()
        for each in (first, *others):
            try:
                each.result(WAITING_SECONDS)
            except Unavailable:
                pass
    assert first.exception() is not None
    coming.once(3)
    assert set(fetched) == {3}
    assert len(fetched) <= 4
