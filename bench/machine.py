"""What the machine itself can do, read in the same run as the stores: the yardsticks beside their figures.

loopback(), disk(folder) ──▶ Reading of peer "machine"      facts() ──▶ cores, kernel, interpreter
"""

from __future__ import annotations

import mmap
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

from .peer import Reading

STREAM_SECONDS = 1.5
STREAM_BYTES = (
    64 << 20
)  # As long as a large object: one block sent again and again never leaves the first cache.
STREAM_PIECE = 64 << 10
DISK_BYTES = 1 << 30
DISK_BLOCK = 4 << 20
SENDER = """
import os, socket, sys
port, length, piece = map(int, sys.argv[1:])
body = memoryview(os.urandom(1 << 20) * (length >> 20))
stream = socket.create_connection(("127.0.0.1", port))
try:
    while True:
        for start in range(0, length, piece):
            stream.sendall(body[start : start + piece])
except OSError:
    pass
"""


def loopback() -> Reading:
    """Return how much one TCP stream carries when two processes do nothing else: one sends, one receives.

    A body is sent in pieces of 64 KiB and received into one buffer, in the ordinary way.
    """
    numbers = map(str, (STREAM_BYTES, STREAM_PIECE))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", SENDER, str(listener.getsockname()[1]), *numbers]
        with subprocess.Popen(command):
            stream, _ = listener.accept()
            with stream:  # Whose end is the sender's.
                buffer = bytearray(256 << 10)  # As the load client reads.
                stream.recv_into(buffer)
                received, begun = 0, time.perf_counter()
                while time.perf_counter() < begun + STREAM_SECONDS:
                    received += stream.recv_into(buffer)
                elapsed = time.perf_counter() - begun
    return Reading("loopback", "machine", {"mb_per_second": received / elapsed / 1e6})


def disk(folder: Path) -> Reading:
    """Return how fast one process writes a large file there past the page cache, to the end of its fsync."""
    path = folder / "disk"
    block = mmap.mmap(-1, DISK_BLOCK)  # O_DIRECT wants memory that begins at a page.
    block.write(os.urandom(1 << 20) * (DISK_BLOCK >> 20))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
    try:
        begun = time.perf_counter()
        for _ in range(DISK_BYTES // DISK_BLOCK):
            assert os.write(descriptor, block) == DISK_BLOCK
        os.fsync(descriptor)
        elapsed = time.perf_counter() - begun
    finally:
        os.close(descriptor)
        path.unlink()
    return Reading("disk", "machine", {"mb_per_second": DISK_BYTES / elapsed / 1e6})


def facts() -> dict[str, str | int]:
    """Return what makes figures comparable, and nothing that names the machine or a place on it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 1e9),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
