"""Who listens on a port, and whether it is free.

port ──▶ free? ──▶ if not, owner(): "nginx (pid 812)" for a message a person can act on
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

_LISTENING = "0A"


def is_free(ip: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True


def is_open(ip: str, port: int) -> bool:
    """Whether a server answers connections there now."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((ip, port)) == 0


def owner(port: int) -> str:
    """The program that listens on the port, in words."""
    sockets = _listening_sockets(port)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and sockets & _sockets_of(folder):
            try:
                command = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                )
            except OSError:
                command = "a process that has just ended"
            return f"{command[:80]} (pid {folder.name})"
    return "a process of another user"


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _sockets_of(folder: Path) -> set[str]:
    def targets() -> Iterable[str]:
        for link in (folder / "fd").iterdir():
            try:
                yield str(link.readlink())
            except OSError:
                continue

    try:
        return set(targets())
    except OSError:
        return set()
