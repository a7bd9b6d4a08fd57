"""A host's real door, before a machine that is none: consoles that echo, and counts.

with one_host(tmp_path) as cloud: ──▶ servers of `host-a` have consoles, diagnostics and a log
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

from servers import SECRET, Cloud

from apus.compute.server.agent.console import ConsoleDoor
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.diagnosis import Diagnostics, DiskCount, NicCount
from apus.compute.server.keys import host_key


class Line:
    """A machine's console, as qemu has it: one listener, who answers each byte with what a shell would echo."""

    def __init__(self, path: Path) -> None:
        self._listener = socket(AF_UNIX, SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                line.sendall(b"RFB 003.008\n")
                while piece := line.recv(100):
                    line.sendall(piece.upper())

    def end(self) -> None:
        self._listener.close()


class OneMachine:
    """A driver that knows where consoles are and what was counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interrupted: list[str] = []

    def console(self, server_id: str) -> Path | None:
        return None

    def console_socket(self, server_id: str, kind: str) -> Path | None:
        path = self.folder / f"{kind}.sock"
        return path if path.exists() else None

    def interrupt(self, server_id: str) -> None:
        self.interrupted.append(server_id)

    def diagnostics(self, server_id: str) -> Diagnostics:
        return Diagnostics(
            driver="libvirt",
            hypervisor="qemu",
            memory_kib=65536,
            memory={"actual": 65536},
            cpu_nanoseconds=(17,),
            disks=(DiskCount(device="vda", read_bytes=5, read_requests=1),),
            nics=(NicCount(device="tap0", mac="fa:16:3e:00:00:05", rx_bytes=7),),
        )


@contextlib.contextmanager
def one_host(folder: Path) -> Iterator[Cloud]:
    """Return a cloud whose one host answers at its door; the door's clock is the cloud's."""
    cloud = Cloud(folder)
    with answering(cloud, folder):
        yield cloud


@contextlib.contextmanager
def answering(cloud: Cloud, folder: Path, host: str = "host-a") -> Iterator[OneMachine]:
    """Let a host of the cloud answer; return its machine."""
    config = AgentConfig(host=host, key=host_key(SECRET, host), console_port=0)
    machine = OneMachine(folder)
    door = ConsoleDoor(config, machine, clock=lambda: cloud.now)  # type: ignore[arg-type]  # less of a driver
    door.start()
    lines = [Line(folder / f"{kind}.sock") for kind in ("serial", "vnc")]
    cloud.live(host, console_url=door.url)
    try:
        yield machine
    finally:
        door.stop()
        for line in lines:
            line.end()
