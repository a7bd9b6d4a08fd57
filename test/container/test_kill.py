"""A container server that is killed at any moment loses no row that it acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WRITERS = 4


class Server:
    """A real server process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "srv" / "d1").mkdir(parents=True)
        (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.conf = folder / "container-server.conf"
        self.conf.write_text(
            f"[DEFAULT]\ndevices = {folder}/srv\nswift_dir = {folder}\nmount_check = false\nfallocate_reserve = 0\n"
            f"bind_ip = 127.0.0.1\nbind_port = {self.port}\nworkers = 0\n"
            "[pipeline:main]\npipeline = container-server\n[app:container-server]\nuse = egg:apus#container\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = open(self.folder / "log", "ab")  # noqa: SIM115 - the process keeps it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apus.bin.container_server", str(self.conf)], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def request(
        self, connection: http.client.HTTPConnection, method: str, path: str, at: int, **extra: str
    ) -> int:
        headers = {"X-Timestamp": f"{at:010d}.00000", **extra}
        connection.request(method, f"/d1/1/a/c{path}", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def write_rows(
    server: Server, writer: int, start: int, acknowledged: dict[str, int], stop: threading.Event
) -> None:
    """Put and delete rows until the server dies; remember what it said yes to, and what it may have done."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    rng = random.Random(f"{writer}-{start}")
    at = start
    try:
        while not stop.is_set():
            at += 1
            name = f"w{writer}-{rng.randrange(50)}"
            if rng.random() < 0.3:
                status = server.request(connection, "DELETE", f"/{name}", at)
                kept = -at
            else:
                facts = {"X-Size": str(at), "X-Content-Type": "a/b", "X-Etag": "e"}
                status = server.request(connection, "PUT", f"/{name}", at, **facts)
                kept = at
            if status // 100 == 2:
                acknowledged[name] = kept
            else:
                acknowledged.pop(name, None)
    except (OSError, http.client.HTTPException):
        acknowledged.pop(name, None)  # Whether this one was kept, nobody was told.
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(2))
def test_no_acknowledged_row_is_lost(server: Server, seed: int) -> None:
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
