"""What a container server keeps when the power goes, and does when the disk is full."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_process import ContainerProcess, write_rows
from small_disks import SmallDisk, small_disk

SIZE = 64 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "srv" / "d1", SIZE) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, disk: SmallDisk) -> Iterator[ContainerProcess]:
    made = ContainerProcess(tmp_path)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def listed(server: ContainerProcess) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/d1/1/a/c?format=json")
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return {entry["name"]: entry["bytes"] for entry in json.loads(body)}


@pytest.mark.parametrize("attempt", range(2))
def test_acknowledged_rows_survive_a_power_cut(
    server: ContainerProcess, disk: SmallDisk, attempt: int
) -> None:
    """The plug is pulled in mid load; after a reboot every acknowledged row is there, merged or still waiting."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert server.request(connection, "PUT", "", 1) == 201
    acknowledged: dict[str, int] = {}
    stop = threading.Event()
    writers = [
        threading.Thread(target=write_rows, args=(server, number, 1000, acknowledged, stop))
        for number in range(4)
    ]
    for thread in writers:
        thread.start()
    time.sleep(0.5 + attempt)
    listed(server)  # Some rows are in the tables by now.
    time.sleep(0.5)
    disk.pull_plug()
    stop.set()
    for thread in writers:
        thread.join()
    server.kill()
    disk.replug()
    server.start()
    found = listed(server)
    assert acknowledged
    lost = {
        name: at
        for name, at in acknowledged.items()
        if (at > 0 and found.get(name) != at) or (at < 0 and name in found)
    }
    assert not lost


def test_a_container_survives_a_power_cut(server: ContainerProcess, disk: SmallDisk) -> None:
    """So do the container itself, its metadata and its deletion."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert server.request(connection, "PUT", "", 1, **{"X-Container-Meta-A": "1"}) == 201
    assert server.request(connection, "POST", "", 2, **{"X-Container-Meta-B": "2"}) == 204
    disk.pull_plug()
    server.kill()
    disk.replug()
    server.start()
    fresh = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    fresh.request("HEAD", "/d1/1/a/c")
    answer = fresh.getresponse()
    answer.read()
    assert (answer.status, answer.headers["X-Container-Meta-A"], answer.headers["X-Container-Meta-B"]) == (
        204,
        "1",
        "2",
    )
    assert server.request(fresh, "DELETE", "", 3) == 204
    disk.pull_plug()
    server.kill()
    disk.replug()
    server.start()
    again = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert server.request(again, "HEAD", "", 4) == 404


def test_a_full_disk_refuses_and_serves(server: ContainerProcess, disk: SmallDisk) -> None:
    """507 for rows and containers, readers get what is there; with room again all goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    facts = {"X-Size": "5", "X-Content-Type": "a/b", "X-Etag": "e" * 1000}
    assert server.request(connection, "PUT", "", 1) == 201
    for number in range(50):
        assert server.request(connection, "PUT", f"/o{number}", 2, **facts) == 201
    assert len(listed(server)) == 50
    filler = disk.mount_point / "filler"
    with filler.open("wb") as handle:
        try:
            while True:
                handle.write(bytes(1 << 16))
                handle.flush()
        except OSError:
            pass
    statuses = {server.request(connection, "PUT", f"/p{number}", 3, **facts) for number in range(300)}
    assert statuses <= {201, 507}
    assert 507 in statuses
    assert server.request(connection, "PUT", "x", 3) in (404, 507)
    kept = listed(server)
    assert {f"o{number}" for number in range(50)} <= set(kept)
    os.unlink(filler)
    assert server.request(connection, "PUT", "/after", 4, **facts) == 201
    assert "after" in listed(server)
    assert server.process is not None
    assert server.process.poll() is None


def test_a_stopped_server_takes_what_was_sent(server: ContainerProcess, disk: SmallDisk) -> None:
    """SIGTERM in mid load is no power cut: every acknowledged row is there, and the device can be unmounted."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert server.request(connection, "PUT", "", 1) == 201
    facts = {"X-Size": "5", "X-Content-Type": "a/b", "X-Etag": "e"}
    for number in range(20):
        assert server.request(connection, "PUT", f"/o{number}", 2, **facts) == 201
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(10)
    subprocess.run(["umount", str(disk.mount_point)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk.image), str(disk.mount_point)], check=True)
    server.start()
    assert len(listed(server)) == 20
