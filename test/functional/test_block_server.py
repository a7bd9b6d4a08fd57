"""apus-block-server over a real store: attached, killed, committed, and read from another host."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbd_client import NbdClient
from store import KEYS, Store

from apus.common.errors import Unavailable
from apus.compute.block.config import BlockConfig
from apus.compute.block.control import ask
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

BLOCK = 1 << 16
USER = "test:tester"
ROOT = Path(__file__).resolve().parents[2]
STARTING_SECONDS = 120


class Server:
    """One host's block server, a process."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.control = folder / "state" / "control"
        self._conf = folder / "block-server.conf"
        self._conf.write_text(
            f"[block-server]\nstate_folder = {folder / 'state'}\nblock_size = {BLOCK}\n"
            f"store_auth_url = {store.endpoint}/auth/v1.0\nstore_user = {USER}\nstore_key = {KEYS[USER]}\n"
        )
        self._log = folder / "log"
        self.start()

    def start(self) -> None:
        """Start it and return when it answers."""
        command = [sys.executable, "-m", "apus.bin.block_server", str(self._conf)]
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, cwd=ROOT)
        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                ask(self.control, do="list")
            except Unavailable:
                assert self.process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def end(self, number: int) -> int:
        """End it by a signal and return how it went."""
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def server(tmp_path: Path, store: Store) -> Iterator[Server]:
    running = Server(tmp_path, store)
    yield running
    running.end(signal.SIGKILL)


@pytest.fixture
def project(store: Store) -> Iterator[Project]:
    config = StoreConfig(store_auth_url=f"{store.endpoint}/auth/v1.0", store_user=USER, store_key=KEYS[USER])
    account = Account(config)
    made = Project.open(account, uuid.uuid4().hex, BlockConfig(block_size=BLOCK))
    yield made
    for container in (made.blocks.container, made.maps.container):
        for row in account.names(container):
            account.delete(container, row.name)
        account.remove_container(container)


def test_a_disk_lives_through_the_death_of_its_server(server: Server, project: Project) -> None:
    """Attached lazily, written, its server killed and started again, committed, detached: nothing is lost."""
    data = bytearray(random.Random(4).randbytes(20 * BLOCK))
    write_stream(project.maps, [bytes(data)], map_id="base")
    disk = {"disk": "vda", "project_id": project.blocks.project_id}
    attached = ask(server.control, do="attach", map_id="base", **disk)
    with NbdClient(attached["socket"]) as client:
        assert client.read(7 * BLOCK, 100) == data[7 * BLOCK : 7 * BLOCK + 100]
        client.write(BLOCK - 3, b"before")
        data[BLOCK - 3 : BLOCK + 3] = b"before"
    server.end(signal.SIGKILL)
    server.start()
    with NbdClient(attached["socket"]) as client:
        assert client.read(BLOCK - 3, 6) == b"before"
        client.write(9 * BLOCK, b"after")
        data[9 * BLOCK : 9 * BLOCK + 5] = b"after"
        committed = ask(server.control, do="commit", disk="vda", map_id="next")
        assert client.read(9 * BLOCK, 5) == b"after"
    assert (committed["changed_blocks"], committed["base_map_id"]) == (3, "base")
    assert b"".join(read_range(project.maps, project.maps.load("next"))) == data
    status = ask(server.control, do="status", disk="vda")
    assert (status["changed_blocks"], status["map_id"]) == (0, "next")
    assert status["fetched_blocks"] < 10, "the rest has never been read"
    ask(server.control, do="detach", disk="vda")
    assert server.end(signal.SIGTERM) == 0
    assert not os.path.exists(attached["socket"])
