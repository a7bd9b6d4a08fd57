"""Disks over a real store in which something is wrong: flipped bits, no answer, no room."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from clusters import AllInOne, all_in_one
from nbd_client import NbdClient, Refusal
from processes import kill_and_wait
from small_disks import small_disk
from store import KEYS

from apus.common.errors import Corrupt, Missing, Unavailable
from apus.compute.block.config import BlockConfig
from apus.compute.block.host import HostDisks
from apus.compute.block.map import DiskMap
from apus.compute.block.naming import digest_of
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.block.verifying import verified
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

pytestmark = pytest.mark.slow

USER = "test:tester"
MIB = 1 << 20
BLOCK = 1 << 18
CONFIG = BlockConfig(block_size=BLOCK)
NODES = 3
DISK_BYTES = 48 * MIB
PATIENCE_SECONDS = 120
IO_ERROR = 5


class World:
    """A cluster on small disks, and a host whose disks are from it."""

    def __init__(self, cluster: AllInOne, folder: Path) -> None:
        self.cluster = cluster
        self.account = Account(
            StoreConfig(
                store_auth_url=f"{cluster.store.endpoint}/auth/v1.0",
                store_user=USER,
                store_key=KEYS[USER],
                store_retries=1,
            )
        )
        self.disks = HostDisks(self.account, folder, CONFIG)
        self.disks.start()

    def project(self) -> Project:
        return Project.open(self.account, uuid.uuid4().hex, CONFIG)

    def attach(self, name: str, project: Project, map_id: str) -> str:
        return str(self.disks.attach(name, project.blocks.project_id, map_id)["socket"])

    def replicas(self, data: bytes) -> list[Path]:
        """Return the files of the object that has these bytes."""
        found = self.cluster.home.glob("node*/devices/*/objects/**/*.data")
        return [path for path in found if path.stat().st_size == len(data) and path.read_bytes() == data]

    def empty(self, project: Project) -> None:
        for container in (project.blocks.container, project.maps.container):
            for row in self.account.names(container):
                self.account.delete(container, row.name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("faulty")
    with ExitStack() as disks:
        for number in range(1, NODES + 1):
            disks.enter_context(small_disk(home / f"node{number}" / "devices" / f"d{number}", DISK_BYTES))
        with all_in_one(home, nodes=NODES) as cluster:
            made = World(cluster, tmp_path_factory.mktemp("host"))
            try:
                yield made
            finally:
                made.disks.stop()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, behind everybody's back."""
    with path.open("r+b") as handle:
        handle.seek(path.stat().st_size // 2)
        byte = handle.read(1)
        handle.seek(-1, 1)
        handle.write(bytes([byte[0] ^ 1]))


def test_a_flipped_bit_is_served_from_another_replica(world: World) -> None:
    """One replica after the other goes bad, each healed before the next: a restore and a guest see none of it."""
    project = world.project()
    data = random.Random(1).randbytes(8 * BLOCK)
    disk = write_stream(project.maps, [data], map_id="backup")
    third = data[3 * BLOCK : 4 * BLOCK]
    files = world.replicas(third)
    assert len(files) == NODES
    flip(files[0])
    for _ in range(6):
        assert b"".join(read_range(project.maps, disk)) == data
    with NbdClient(world.attach("flipped", project, "backup")) as client:
        assert client.read(3 * BLOCK, BLOCK) == third
    flip(files[1])
    assert b"".join(read_range(project.maps, disk, 3 * BLOCK, BLOCK)) == third
    assert not verified(project.maps, disk).lost
    world.disks.detach("flipped")
    world.empty(project)


def test_a_block_lost_in_all_replicas_is_an_error(world: World) -> None:
    """Input/output error for the guest, a named block for a restore, never a wrong byte; other blocks are read."""
    project = world.project()
    data = random.Random(2).randbytes(8 * BLOCK)
    disk = write_stream(project.maps, [data], map_id="backup")
    for path in world.replicas(data[3 * BLOCK : 4 * BLOCK]):
        flip(path)
    name = digest_of(data[3 * BLOCK : 4 * BLOCK]).hex()
    with NbdClient(world.attach("lost", project, "backup")) as client:
        for _ in range(3):
            with pytest.raises(Refusal) as refused:
                client.read(3 * BLOCK + 7, 10)
            assert refused.value.number == IO_ERROR
        assert client.read(4 * BLOCK, BLOCK) == data[4 * BLOCK : 5 * BLOCK]
        client.write(3 * BLOCK, b"\1" * BLOCK)  # Written anew as a whole it is well again.
        assert client.read(3 * BLOCK, 10) == b"\1" * 10
    with pytest.raises((Corrupt, Missing), match=name):
        b"".join(read_range(project.maps, disk))
    assert verified(project.maps, disk).lost == (3,)
    world.disks.detach("lost", discard=True)
    world.empty(project)


def test_a_store_that_is_away_for_a_while_is_a_pause(world: World) -> None:
    """Its proxies killed and started again: who reads waits, who writes to what is here doesn't, nothing is lost."""
    project = world.project()
    data = random.Random(3).randbytes(8 * BLOCK)
    write_stream(project.maps, [data], map_id="volume")
    with NbdClient(world.attach("away", project, "volume")) as client, ThreadPoolExecutor(1) as pool:
        client.read(0, 10)
        for pid in world.cluster.pids("proxy-server"):
            kill_and_wait(pid)
        with NbdClient(world.disks.status("away")["socket"]) as other:
            reading = pool.submit(other.read, 5 * BLOCK, BLOCK)
            client.write(0, b"in the outage")
            client.flush()
            with pytest.raises(Unavailable):
                world.disks.commit("away", "c")
            assert not reading.done()
            world.cluster.run("up")
            assert reading.result(PATIENCE_SECONDS) == data[5 * BLOCK : 6 * BLOCK]
    world.disks.commit("away", "c")
    kept = b"".join(read_range(project.maps, project.maps.load("c")))
    assert kept == b"in the outage" + data[13:]
    world.disks.detach("away")
    world.empty(project)


def test_a_full_store_loses_nothing(world: World) -> None:
    """A commit says that there is no room, the disk keeps its changes; when there is some they are all committed."""
    project = world.project()
    client = world.cluster.store.client()
    client.put("ballast")
    for number in range(16):
        assert client.put("ballast", f"{number}", body=random.Random(number).randbytes(MIB)).status == 201
    data = random.Random(4).randbytes(28 * MIB)
    with project.maps.writing() as writing:
        writing.save(DiskMap.empty(len(data), BLOCK), "empty")
    with NbdClient(world.attach("full", project, "empty")) as guest:
        for at in range(0, len(data), BLOCK):
            guest.write(at, data[at : at + BLOCK])
        with pytest.raises(Unavailable):  # OutOfSpace is one.
            world.disks.commit("full", "c")
        assert not project.maps.exists("c")
        assert guest.read(5, 100) == data[5:105]
        for number in range(16):
            assert client.delete("ballast", f"{number}").status == 204
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                world.disks.commit("full", "c")
                break
            except Unavailable:  # What was deleted is being removed.
                assert time.monotonic() < deadline
    assert b"".join(read_range(project.maps, project.maps.load("c"))) == data
    world.disks.detach("full")
    world.empty(project)
