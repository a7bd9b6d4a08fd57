"""A container server that is killed at any moment loses no row that it acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_process import ContainerProcess, running, write_rows

WRITERS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ContainerProcess]:
    with running(tmp_path) as made:
        yield made


@pytest.mark.parametrize("seed", range(2))
def test_no_acknowledged_row_is_lost(server: ContainerProcess, seed: int) -> None:
    """Killed five times in mid load: afterwards every acknowledged put is listed, no acknowledged delete is."""
    rng = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert server.request(connection, "PUT", "", 1) == 201
    acknowledged: dict[str, int] = {}
    for round_ in range(1, 6):
        stop = threading.Event()
        writers = [
            threading.Thread(target=write_rows, args=(server, n, round_ * 100_000, acknowledged, stop))
            for n in range(WRITERS)
        ]
        for thread in writers:
            thread.start()
        time.sleep(rng.uniform(0.1, 0.5))
        server.kill()
        stop.set()
        for thread in writers:
            thread.join()
        server.start()
    fresh = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    fresh.request("GET", "/d1/1/a/c?format=json", headers={"X-Timestamp": "9"})
    listed = {entry["name"]: entry["bytes"] for entry in json.loads(fresh.getresponse().read())}
    assert acknowledged, "the load was never served"
    lost = {
        name: at
        for name, at in acknowledged.items()
        if (at > 0 and listed.get(name) != at) or (at < 0 and name in listed)
    }
    assert not lost, f"seed {seed}"
    assert os.path.exists(server.folder / "srv" / "d1" / "containers")
