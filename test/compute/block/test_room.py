"""The room that attached disks take: what the store has too goes, what it hasn't stays; and none is left."""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from block_store import MemoryStore
from hypothesis import given
from hypothesis import strategies as st
from nbd_client import NbdClient, Refusal
from small_disks import small_disk

from apus.compute.block import local
from apus.compute.block.config import BlockConfig
from apus.compute.block.host import HostDisks, Room
from apus.compute.block.local import read_identity
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.block.uses import Uses

BLOCK = 1 << 16
CONFIG = BlockConfig(block_size=BLOCK, block_patience_seconds=0)
BLOCKS = 64
DATA = random.Random(9).randbytes(BLOCKS * BLOCK)
NO_SPACE = 28


class Host:
    """A host with one disk, and the project that it is from."""

    def __init__(self, folder: Path, room: Room | None = None) -> None:
        self.store = MemoryStore()
        self.project = Project.open(self.store, "p", CONFIG)
        write_stream(self.project.maps, [DATA], map_id="base")
        self.disks = HostDisks(self.store, folder, CONFIG, room)
        self.disks.start()
        self.socket = str(self.disks.attach("vda", "p", "base")["socket"])
        self.disk = self.disks._servers["vda"].disk

    def kept(self, map_id: str) -> bytes:
        maps = self.project.maps
        return b"".join(read_range(maps, maps.load(map_id)))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "h", Room(bytes_max=16 * BLOCK))
    yield made
    made.disks.stop()


def test_the_room_is_bounded(host: Host) -> None:
    """The whole disk read: no more is kept than may be; all of it reads right again; changes stay."""
    with NbdClient(host.socket) as client:
        client.write(5 * BLOCK + 1, b"changed")
        data = DATA[: 5 * BLOCK + 1] + b"changed" + DATA[5 * BLOCK + 8 :]
        for _ in range(2):
            for index in range(BLOCKS):
                assert client.read(index * BLOCK, BLOCK) == data[index * BLOCK : (index + 1) * BLOCK]
            host.disks.make_room()
            assert host.disks.status("vda")["bytes_used"] <= 17 * BLOCK
        assert host.disks.status("vda")["changed_blocks"] == 1
        assert client.read(5 * BLOCK, 8) == DATA[5 * BLOCK : 5 * BLOCK + 1] + b"changed"
    host.disks.commit("vda", "c")
    assert host.kept("c") == data


def test_changes_ask_for_a_commit_and_go_after_it(host: Host) -> None:
    """Half of the room taken by changes: the status says so; committed they can go, and read as they were written."""
    with NbdClient(host.socket) as client:
        client.write(0, b"\7" * (8 * BLOCK))
        assert not host.disks.status("vda")["commit_wanted"]
        client.write(8 * BLOCK, b"\7" * (12 * BLOCK))
        host.disks.make_room()
        status = host.disks.status("vda")
        assert (status["commit_wanted"], status["changed_blocks"]) == (True, 20)
        host.disks.commit("vda", "c")
        host.disks.make_room()
        status = host.disks.status("vda")
        assert not status["commit_wanted"]
        assert status["bytes_used"] <= 17 * BLOCK
        assert client.read(0, 21 * BLOCK) == b"\7" * (20 * BLOCK) + DATA[20 * BLOCK : 21 * BLOCK]


def test_readers_and_writers_never_see_an_eviction(host: Host) -> None:
    """Blocks go and come while many connections read and write them: each reads what it wrote."""
    is_over = threading.Event()
    wrong: list[str] = []

    def evict() -> None:
        while not is_over.is_set():
            host.disk.evict(8 * BLOCK)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        shadow = bytearray(DATA)
        mine = range(seed, BLOCKS, 4)
        with NbdClient(host.socket) as client:
            for _ in range(150):
                at = rng.choice(mine) * BLOCK + rng.randrange(BLOCK - 600)
                if rng.random() < 0.4:
                    piece = rng.randbytes(rng.randrange(1, 600))
                    client.write(at, piece)
                    shadow[at : at + len(piece)] = piece
                elif client.read(at, 600) != shadow[at : at + 600]:
                    wrong.append(f"seed {seed} at {at}")
        for index in mine:
            final[index] = bytes(shadow[index * BLOCK : (index + 1) * BLOCK])

    final: dict[int, bytes] = {}
    evictor = threading.Thread(target=evict)
    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    evictor.start()
    for each in workers:
        each.start()
    host.disks.commit("vda", "amid")
    for each in workers:
        each.join(120)
    is_over.set()
    evictor.join(120)
    assert not wrong
    host.disks.commit("vda", "c")
    assert host.kept("c") == b"".join(final[index] for index in range(BLOCKS))


def test_a_guest_hears_that_no_room_is_left(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC for what can't be kept; what was written stays and is committed; the next write finds its room."""
    with NbdClient(host.socket) as client:
        client.write(0, b"a" * BLOCK)
        real = local._write

        def full(descriptor: int, offset: int, data: bytes | bytearray | memoryview) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(local, "_write", full)
        for offset in (BLOCK, 2 * BLOCK + 7):
            with pytest.raises(Refusal) as refused:
                client.write(offset, b"b" * (BLOCK if offset == BLOCK else 3))
            assert refused.value.number == NO_SPACE
        monkeypatch.setattr(local, "_write", real)
        assert client.read(0, 4 * BLOCK) == b"a" * BLOCK + DATA[BLOCK : 4 * BLOCK]
        client.write(2 * BLOCK, b"c" * BLOCK)
    host.disks.commit("vda", "c")
    assert host.kept("c") == b"a" * BLOCK + DATA[BLOCK : 2 * BLOCK] + b"c" * BLOCK + DATA[3 * BLOCK :]


def test_a_commit_without_room_for_a_line_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails before anything is sent, no map is made; the next one has everything."""
    with NbdClient(host.socket) as client:
        client.write(0, b"a" * BLOCK)
    folder = host.disk._local.folder

    def full(folder: Path, identity: local.Identity) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(local, "prepare_identity", full)
        with pytest.raises(OSError, match="No space"):
            host.disks.commit("vda", "c")
    assert list(host.project.maps.list()) == ["base"]
    assert read_identity(folder).map_id == "base"
    assert host.disks.status("vda")["changed_blocks"] == 1
    host.disks.commit("vda", "c")
    assert host.kept("c") == b"a" * BLOCK + DATA[BLOCK:]


def written_until_full(client: NbdClient) -> int:
    """Write block after block until there is no room, and return how many were written."""
    for index in range(BLOCKS):
        try:
            client.write(index * BLOCK, bytes([index + 1]) * BLOCK)
        except Refusal as refused:
            if refused.number != NO_SPACE:
                raise
            return index
    return BLOCKS


def test_a_disk_larger_than_its_host(tmp_path: Path) -> None:
    """On a file system half as large it is read as a whole; written until it is full, then committed, and on."""
    with small_disk(tmp_path / "small", 3 * BLOCKS // 4 * BLOCK) as small:
        host = Host(small.mount_point / "h", Room(bytes_free=8 * BLOCK))
        try:
            with NbdClient(host.socket) as client:
                for index in range(BLOCKS):
                    assert client.read(index * BLOCK, BLOCK) == DATA[index * BLOCK : (index + 1) * BLOCK]
                written = written_until_full(client)
                assert 10 < written < BLOCKS
                assert host.disks.status("vda")["commit_wanted"]
                host.disks.commit("vda", "c")
                for index in range(written, BLOCKS):
                    client.write(index * BLOCK, bytes([index + 1]) * BLOCK)
                    if host.disks.status("vda")["commit_wanted"]:
                        host.disks.commit("vda")
                host.disks.commit("vda", "all")
            assert host.kept("c")[: written * BLOCK] == b"".join(
                bytes([index + 1]) * BLOCK for index in range(written)
            )
            assert host.kept("all") == b"".join(bytes([index + 1]) * BLOCK for index in range(BLOCKS))
        finally:
            host.disks.stop()


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=20))
def test_the_hand_passes_over_what_was_used(count: int, used: list[tuple[int, int]]) -> None:
    """Blocks used since come last, every one comes within two rounds, and none that is in use is taken."""
    uses = Uses(count)
    lately: set[int] = set()
    for one, other in used:
        first, last = sorted((one % count, other % count))
        with uses.of(first, last):
            assert not uses.take(first, lambda: None)
        lately.update(range(first, last + 1))
    order = list(uses.stale_first())
    assert set(order) == set(range(count))
    first_round = order[: count - len(lately)]
    assert not lately.intersection(first_round)


def test_a_disk_that_has_no_room_leaves_nothing(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attached again and again where there is no room: no descriptor stays behind, and no disk to be served."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            host.disks.attach("vdb", "p", "base")
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path / "h" / "disks") == ["vda"]
