"""What a request costs in the HTTP engine before any application, beside eventlet.wsgi.

    16 connections, one request each in flight ──▶ server process ──▶ its CPU time from /proc, per request

    python bench/http_engine.py [--requests N]

The client is a bare loop over raw sockets, so that it is never the slower one; only the server process is
counted, kernel time included. Both serve the same application, which answers five bytes.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

CONNECTIONS = 16
HEADERS = (
    b"Host: 127.0.0.1:6200\r\nUser-Agent: proxy-server 1234\r\nX-Timestamp: 1700000000.12345\r\n"
    b"X-Trans-Id: tx0123456789abcdef01234-0123456789\r\nX-Backend-Storage-Policy-Index: 0\r\n"
    b"Accept: */*\r\n"
)
GET = b"GET /sdb1/12345/AUTH_test/container/object HTTP/1.1\r\n" + HEADERS + b"\r\n"
BODY = os.urandom(4096)
PUT = (
    b"PUT /sdb1/12345/AUTH_test/container/object HTTP/1.1\r\nContent-Length: 4096\r\n"
    + HEADERS
    + b"\r\n"
    + BODY
)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer as little as can be."""
    if environ["REQUEST_METHOD"] == "PUT":
        body = environ["wsgi.input"].read(65536)
        assert len(body) == 4096
    start_response("200 OK", [("Content-Length", "5"), ("Content-Type", "text/plain"), ("X-Trans-Id", "tx1")])
    return [b"hello"]


def serve(engine: str) -> None:
    """Be the server; the port is the first line of output."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    print(sock.getsockname()[1], flush=True)
    if engine == "apus":
        from apus.common.http.server import HttpServer

        HttpServer(app).serve(sock)
    else:
        import eventlet
        import eventlet.greenio
        import eventlet.wsgi

        eventlet.wsgi.server(eventlet.greenio.GreenSocket(sock), app, log_output=False)


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Return all CPU time of the process, and the kernel's part of it."""
    with open(f"/proc/{pid}/schedstat") as handle:
        total = int(handle.read().split()[0]) / 1e9
    with open(f"/proc/{pid}/stat") as handle:
        user, system = map(int, handle.read().rpartition(")")[2].split()[11:13])
    return total, total * system / max(1, user + system)


def load(port: int, request: bytes, count: int) -> None:
    """Make so many requests over all connections."""
    socks = {
        sock.fileno(): sock
        for sock in (socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS))
    }
    poll = select.epoll()
    for descriptor, sock in socks.items():
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(descriptor, select.EPOLLIN)
        sock.sendall(request)
    done = 0
    while done < count:
        for descriptor, _ in poll.poll():
            assert socks[descriptor].recv(65536).startswith(b"HTTP/1.1 200")
            done += 1
            socks[descriptor].sendall(request)
    for sock in socks.values():
        sock.recv(65536)
        sock.close()


def measure(engine: str, request: bytes, count: int) -> tuple[float, float, float]:
    """Return CPU µs, of these in the kernel, and µs of wall time, for each request."""
    command = [sys.executable, "-W", "ignore", __file__, "--serve", engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            load(port, request, 2000)  # Memos fill, the interpreter specialises.
            before, began = cpu_seconds(process.pid), time.perf_counter()
            load(port, request, count)
            after, ended = cpu_seconds(process.pid), time.perf_counter()
        finally:
            process.send_signal(signal.SIGKILL)
    scale = 1e6 / count
    return (after[0] - before[0]) * scale, (after[1] - before[1]) * scale, (ended - began) * scale


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    print(f"{'':24}{'CPU µs':>10}{'kernel µs':>12}{'wall µs':>10}")
    for name, request in (("GET, 5 bytes", GET), ("PUT of 4 KiB", PUT)):
        for engine in ("apus", "eventlet.wsgi"):
            cpu, kernel, wall = measure(engine, request, arguments.requests)
            print(f"{name:<14}{engine:<10}{cpu:>10.1f}{kernel:>12.1f}{wall:>10.1f}")


if __name__ == "__main__":
    main()
