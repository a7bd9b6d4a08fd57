"""A real container server process that can be killed and started again, and writers that remember what it said."""

from __future__ import annotations

import http.client
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ContainerProcess:
    """A real server process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "srv" / "d1").mkdir(parents=True, exist_ok=True)
        (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = x\n")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.conf = folder / "container-server.conf"
        self.conf.write_text(
            f"[DEFAULT]\ndevices = {folder}/srv\nswift_dir = {folder}\nmount_check = false\nfallocate_reserve = 0\n"
            f"bind_ip = 127.0.0.1\nbind_port = {self.port}\nworkers = 0\n"
            "[pipeline:main]\npipeline = metrics container-server\n[filter:metrics]\nuse = egg:apus#metrics\n"
            "[app:container-server]\nuse = egg:apus#container\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = open(self.folder / "log", "ab")  # noqa: SIM115 - the process keeps it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "apus.bin.container_server", str(self.conf)], stdout=log, stderr=log
        )
        deadline = time.monotonic() + 120
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


@contextmanager
def running(folder: Path) -> Iterator[ContainerProcess]:
    """Give a started one that is gone afterwards."""
    made = ContainerProcess(folder)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.kill()


def write_rows(
    server: ContainerProcess, writer: int, start: int, acknowledged: dict[str, int], stop: threading.Event
) -> None:
    """Put and delete rows until the server dies; remember what it said yes to, and what it may have done."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
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
