"""CPU per operation of Apus and of stock OpenStack Swift, one after the other on the same machine.

    a fresh all-in-one cluster ──▶ load ──▶ CPU of all its server processes ÷ operations
    the same with stock's programs in place of ours ──▶ the same load ──▶ the table

`make bench`. Both run the same rings, disks, ports and pipeline, one worker each; CPU time is what /proc
says of the servers before and after, so that the load generator's own does not count. Stock Swift comes
from the virtual environment APUS_STOCK_VENV.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test" / "support"))

from clusters import AllInOne, all_in_one
from stock import StockPrograms, stock_programs
from store import Client

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
NODES = ("node1", "node2", "node3", "node4")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much load, and of what kind."""

    size_bytes: int
    connections: int
    operations: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What one kind of operation cost."""

    operation: str
    cpu_milliseconds: float
    per_second: float


def main() -> int:
    """Measure both and print the table."""
    plan = _plan()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="apus-bench-"))
        cluster = stack.enter_context(all_in_one(Path(folder) / "cluster"))
        stock = stack.enter_context(stock_programs(cluster))
        ours = measure(cluster, plan, lambda: _our_pids(cluster))
        for node in NODES:
            stock.replace_node(node)
        stock.replace_proxy()
        theirs = measure(cluster, plan, lambda: _stock_pids(stock))
    print(
        f"{plan.operations} operations of each kind, {plan.size_bytes} bytes, {plan.connections} connections"
    )
    print(f"{'':8}{'Apus':>24}{'stock Swift':>24}{'':>10}")
    for mine, other in zip(ours, theirs, strict=True):
        ratio = other.cpu_milliseconds / mine.cpu_milliseconds
        print(f"{mine.operation:8}{_cell(mine)}{_cell(other)}{ratio:9.1f}x")
    return 0


def measure(cluster: AllInOne, plan: Plan, pids: Callable[[], list[int]]) -> list[Figure]:
    """PUT objects, GET them, and say what each kind cost the server processes."""
    client = cluster.store.client()
    client.put("bench")
    names = [f"object-{number}" for number in range(plan.operations)]
    content = random.Random(0).randbytes(plan.size_bytes)
    figures = []
    for method, body, expected in (("PUT", content, b"201"), ("GET", b"", b"200")):
        _drive(cluster, client, method, names[: plan.connections * 4], body, plan, expected)  # Warm up.
        before, begun = cpu_seconds(pids()), time.monotonic()
        _drive(cluster, client, method, names, body, plan, expected)
        used, elapsed = cpu_seconds(pids()) - before, time.monotonic() - begun
        figures.append(Figure(method, 1000 * used / len(names), len(names) / elapsed))
    return figures


def cpu_seconds(pids: list[int]) -> float:
    """User and system time that the processes have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_SECONDS


def _drive(
    cluster: AllInOne, client: Client, method: str, names: list[str], body: bytes, plan: Plan, expected: bytes
) -> None:
    pending = iter(names)
    lock = threading.Lock()

    def take() -> Iterator[str]:
        while True:
            with lock:
                name = next(pending, None)
            if name is None:
                return
            yield name

    def work() -> None:
        with socket.create_connection(cluster.store.address) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for name in take():
                _request(connection, client, method, name, body, expected)

    threads = [threading.Thread(target=work) for _ in range(plan.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _request(
    connection: socket.socket, client: Client, method: str, name: str, body: bytes, expected: bytes
) -> None:
    head = (
        f"{method} {client.path('bench', name)} HTTP/1.1\r\nHost: bench\r\n"
        f"X-Auth-Token: {client.headers['X-Auth-Token']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head_bytes, _, rest = received.partition(b"\r\n\r\n")
    assert head_bytes.split()[1] == expected, head_bytes
    fields = (line.partition(b":") for line in head_bytes.lower().splitlines()[1:])
    missing = next(int(value) for field, _, value in fields if field == b"content-length") - len(rest)
    while missing > 0:
        missing -= len(connection.recv(65536))


def _our_pids(cluster: AllInOne) -> list[int]:
    servers = (each for each in cluster.status()["processes"] if each["role"].endswith("-server"))
    return [process["pid"] for process in servers]


def _stock_pids(stock: StockPrograms) -> list[int]:
    leaders = [process.pid for processes in stock.running.values() for process in processes]
    children = [
        int(child)
        for pid in leaders
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]
    return leaders + children


def _cell(figure: Figure) -> str:
    return f"{figure.cpu_milliseconds:9.2f} ms {figure.per_second:7.0f}/s  "


def _plan() -> Plan:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="bytes of an object")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--operations", type=int, default=2000)
    arguments = parser.parse_args()
    return Plan(arguments.size, arguments.connections, arguments.operations)


if __name__ == "__main__":
    sys.exit(main())
