"""Instructions that each server executes for one operation, held against a recorded budget.

    a cluster without daemons; one server of it again, under valgrind's callgrind
       warm up ──▶ counters to zero ──▶ N operations ──▶ counters ÷ N ──▶ beside budget.json

    python -m bench.instructions [--check | --record] [object-server] [container-server] [proxy-server]

Instructions, unlike seconds, hardly depend on what else the machine does, so a test can compare them
(`test/bench/test_instruction_budget.py`). They leave out the kernel's work and all waiting. What a server
does by the clock is put off: under valgrind, and more so on a busy machine, an operation takes so long that
the proxy asked for its container's facts every few of them, which made a PUT 865,000 or 965,000. A fixed
piece of Python, counted in the same run, tells how another interpreter build translates into the recorded
one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test" / "support"))

from clusters import AllInOne, all_in_one
from processes import kill_and_wait
from store import KEYS

from apus.common import gathered_rows

from .signature import Signer

BUDGET = Path(__file__).with_name("budget.json")
SLACK = 1.15  # Hash seeds, memory layout and minor releases of libraries moved counts by up to 6 %.
BODY = bytes(range(256)) * 16
COUNTS_MAX = 3  # On a busy machine answers come one by one, which only ever adds: the least is taken.
OPERATIONS = 200
WARM_UP = 60  # Memos fill and the interpreter specialises within some fifty rounds.
LISTED = 1000
GATHERED = 10
PARTITION = 7
LONG_SECONDS = 36000  # More than any run takes.
# Lines of the log are written together after a moment; here when there are enough of them.
START = f"from {{}} import main; from apus.common import logs; logs.GATHERED_SECONDS = {LONG_SECONDS}; main()"
CALIBRATION = """
import json
for number in range(2000):
    text = json.dumps({"name": f"object-{number}", "bytes": number, "tags": [number, str(number)] * 3})
    value = json.loads(text)
    sorted(value["name"].upper() + str(key) for key in value)
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One kind of request: how the nth looks on the wire, its status, and how many operations it is."""

    request: Callable[[int], bytes]
    status: int
    times: int = OPERATIONS
    operations: int = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """One server under the counter."""

    role: str
    module: str
    exchanges: Mapping[str, Exchange]
    prepare: Mapping[str, Exchange] = field(default_factory=dict)
    settings: str = ""
    """Lines for the first section of its configuration."""


def main() -> int:
    """Count, and print, check or record."""
    arguments = _arguments()
    counted = count_all(arguments.roles)
    if arguments.record:
        earlier = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
        BUDGET.write_text(json.dumps({**earlier, **counted}, indent=2) + "\n")
    budget = json.loads(BUDGET.read_text())
    verdicts = compare(counted, budget)
    for _ in range(COUNTS_MAX - 1):
        over = {verdict.role for verdict in verdicts if verdict.share > SLACK}
        if not arguments.check or not over:
            break
        counted = count_all([role for role in SUBJECTS if role in over])
        again = {verdict.name: verdict for verdict in compare(counted, budget)}
        verdicts = [min(verdict, again.get(verdict.name, verdict), key=_share) for verdict in verdicts]
    print(f"{'instructions an operation':32}{'counted':>12}{'budget':>12}{'':>8}")
    for verdict in verdicts:
        print(f"{verdict.name:32}{verdict.counted:12,}{verdict.allowed:12,}{verdict.share:8.0%}")
    worse = [verdict.name for verdict in verdicts if verdict.share > SLACK]
    if worse and arguments.check:
        print(
            f"over budget by more than {SLACK - 1:.0%}: {', '.join(worse)}. Find out why (callgrind names the"
            " functions), or record the new budget with --record and say in the commit what it buys.",
            file=sys.stderr,
        )
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One count beside its budget, the latter translated into this interpreter's instructions."""

    name: str
    counted: int
    allowed: int

    @property
    def role(self) -> str:
        """Whose operation it is."""
        return self.name.partition(" ")[0]

    @property
    def share(self) -> float:
        """How much of the budget is used; 1.0 is all of it."""
        return self.counted / self.allowed


def _share(verdict: Verdict) -> float:
    return verdict.share


def compare(counted: Mapping[str, int], budget: Mapping[str, int]) -> list[Verdict]:
    """Return a verdict for each operation that was counted; one without a budget is refused by KeyError."""
    exchange_rate = counted["calibration"] / budget["calibration"]
    return [
        Verdict(name, count, round(budget[name] * exchange_rate))
        for name, count in counted.items()
        if name != "calibration"
    ]


def count_all(roles: Sequence[str]) -> dict[str, int]:
    """Return the instructions of the calibration, and for each role those of one operation of each kind."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apus-count-")))
        cluster = stack.enter_context(all_in_one(folder / "cluster"))
        counted = {"calibration": count_program(CALIBRATION, folder)}
        for role in roles:
            subject = SUBJECTS[role](cluster)
            for name, count in count_server(cluster, subject, folder).items():
                counted[f"{subject.role} {name}"] = count
    return counted


def count_program(source: str, folder: Path) -> int:
    """Return what a Python program executes above an empty one."""
    totals = []
    for text in ("", source):
        out = folder / "program.out"
        command = [*_callgrind(out), sys.executable, "-S", "-E", "-c", text]
        subprocess.run(command, env=_environment(), check=True, capture_output=True)
        totals.append(_total(out))
    return totals[1] - totals[0]


def count_server(cluster: AllInOne, subject: Subject, folder: Path) -> dict[str, int]:
    """Run the server under the counter and return its instructions for one operation of each kind."""
    (process,) = (
        each
        for each in cluster.status()["processes"]
        if each["role"] == subject.role and each["node"] in ("node1", None)
    )
    kill_and_wait(process["pid"])
    place = cluster.home / (process["node"] or "proxy")
    conf = next(place.glob(f"etc/{subject.role}.conf"))
    conf.write_text(conf.read_text().replace("[DEFAULT]\n", f"[DEFAULT]\n{subject.settings}", 1))
    out = folder / f"{subject.role}.out"
    counted = {}
    with (
        _running(subject.module, conf, out) as pid,
        closing(socket.create_connection(("127.0.0.1", process["port"]))) as connection,
    ):
        for exchange in subject.prepare.values():
            converse(connection, exchange, range(exchange.times))
        _control("--instr=on", pid)
        for number, (name, exchange) in enumerate(subject.exchanges.items(), start=1):
            converse(connection, exchange, range(-WARM_UP, 0))
            _control("--zero", pid)
            converse(connection, exchange, range(exchange.times))
            _control("--dump", pid)
            done = exchange.times * exchange.operations
            counted[name] = _total(out.with_name(f"{out.name}.{number}")) // done
    return counted


def converse(connection: socket.socket, exchange: Exchange, numbers: Iterable[int]) -> None:
    """Make the requests one after the other; each must get its status."""
    for number in numbers:
        connection.sendall(exchange.request(number))
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += _some(connection)
        head, _, rest = bytes(received).partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        assert status == exchange.status, head.decode()
        length = re.search(rb"(?im)^content-length: (\d+)", head)
        missing = int(length[1]) - len(rest) if length and status != 204 else 0
        if exchange.request(number).startswith(b"HEAD "):
            continue
        while missing > 0:
            missing -= len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(1 << 20)
    assert received, "the server closed the connection"
    return received


def _object_server(cluster: AllInOne) -> Subject:
    """Return what is asked of an object server: by a proxy, with a container server to be told."""
    ports = {process["node"]: process["port"] for process in _servers(cluster, "container-server")}
    begun = time.time()
    told = (
        f"X-Container-Host: 127.0.0.1:{ports['node2']}\r\nX-Container-Device: d2\r\n"
        f"X-Container-Partition: {PARTITION}\r\n"
    )

    def ask(method: str, later: float = 0.0, body: bytes = b"", more: str = "") -> Callable[[int], bytes]:
        def request(number: int) -> bytes:
            stamp = f"X-Timestamp: {begun + later + number / 1000:.5f}\r\n"
            path = f"/d1/{number + WARM_UP}/AUTH_count/c/object-{number}"
            return _message(method, path, stamp + more, body)

        return request

    with closing(socket.create_connection(("127.0.0.1", ports["node2"]))) as connection:
        converse(connection, Exchange(_container_put("d2", begun - 1), 201, 1), [0])
    typed = "Content-Type: application/octet-stream\r\n"
    return Subject(
        "object-server",
        "apus.bin.object_server",
        {
            "PUT 4 KiB": Exchange(ask("PUT", body=BODY, more=told + typed), 201),
            "GET 4 KiB": Exchange(ask("GET"), 200),
            "HEAD": Exchange(ask("HEAD"), 200),
            "POST": Exchange(ask("POST", later=1000, more=told + "X-Object-Meta-Color: red\r\n"), 202),
            "DELETE": Exchange(ask("DELETE", later=2000, more=told), 204),
        },
    )


def _container_server(_cluster: AllInOne) -> Subject:
    """Return what is asked of a container server: rows by object servers, listings by a proxy."""
    begun = time.time()

    def row(number: int) -> bytes:
        about = (
            f"X-Timestamp: {begun + number / 1000:.5f}\r\nX-Size: 4096\r\nX-Content-Type: text/plain\r\n"
            "X-Etag: d41d8cd98f00b204e9800998ecf8427e\r\n"
        )
        return _message("PUT", f"/d1/{PARTITION}/AUTH_count/c/object-{number:04}", about)

    def gathered(number: int) -> bytes:
        about = {
            "X-Size": "4096",
            "X-Content-Type": "text/plain",
            "X-Etag": "d41d8cd98f00b204e9800998ecf8427e",
            "X-Trans-Id": "tx0-count",
            "X-Backend-Storage-Policy-Index": "0",
        }
        lines = [
            gathered_rows.line(
                "PUT",
                f"/d1/{PARTITION}/AUTH_count/c/together-{each:04}",
                {"X-Timestamp": f"{begun + 1000 + each / 1000:.5f}", **about},
            )
            for each in range(number * GATHERED, (number + 1) * GATHERED)
        ]
        body = gathered_rows.message([line for line in lines if line])
        return _message(gathered_rows.METHOD, gathered_rows.PATH, body=body)

    def listing(_number: int) -> bytes:
        return _message("GET", f"/d1/{PARTITION}/AUTH_count/c?format=json&limit={LISTED}")

    return Subject(
        "container-server",
        "apus.bin.container_server",
        {
            "row PUT": Exchange(row, 201, LISTED),
            f"row PUT, {GATHERED} together": Exchange(gathered, 200, LISTED // GATHERED, GATHERED),
            f"listing of {LISTED:,}": Exchange(listing, 200, 10),
        },
        {"container": Exchange(_container_put("d1", begun - 1), 201, 1)},
    )


def _proxy(cluster: AllInOne) -> Subject:
    """Return what a client asks of the proxy."""
    client = cluster.store.client()
    client.put("count")
    token = f"X-Auth-Token: {client.headers['X-Auth-Token']}\r\n"

    def ask(method: str, body: bytes = b"") -> Callable[[int], bytes]:
        def request(number: int) -> bytes:
            path = client.path("count", f"object-{number}")
            own = f"{number:08}".encode() + body[8:] if body else b""  # Clients' bodies differ.
            return f"{method} {path} HTTP/1.1\r\nHost: count\r\n{token}{_length(own)}\r\n".encode() + own

        return request

    signer = Signer("count", "test:tester", KEYS["test:tester"])

    def sign(method: str, body: bytes = b"") -> Callable[[int], bytes]:
        def request(number: int) -> bytes:
            path = f"/count/signed-{number}"
            own = f"{number:08}".encode() + body[8:] if body else b""
            signed = signer.lines(method, path, sha256(own).hexdigest())
            return f"{method} {path} HTTP/1.1\r\nHost: count\r\n{signed}{_length(own)}\r\n".encode() + own

        return request

    return Subject(
        "proxy-server",
        "apus.bin.proxy_server",
        {
            "PUT 4 KiB": Exchange(ask("PUT", BODY), 201),
            "GET 4 KiB": Exchange(ask("GET"), 200),
            "HEAD": Exchange(ask("HEAD"), 200),
            "DELETE": Exchange(ask("DELETE"), 204),
            "S3 PUT 4 KiB": Exchange(sign("PUT", BODY), 200),
            "S3 GET 4 KiB": Exchange(sign("GET"), 200),
        },
        settings=f"info_cache_seconds = {LONG_SECONDS}\n",
    )


SUBJECTS = {"proxy-server": _proxy, "object-server": _object_server, "container-server": _container_server}
"""The proxy first: a server that has been counted has ended, and a dead one costs a proxy dear."""


def _container_put(device: str, moment: float) -> Callable[[int], bytes]:
    stamp = f"X-Timestamp: {moment:.5f}\r\n"
    return lambda _number: _message("PUT", f"/{device}/{PARTITION}/AUTH_count/c", stamp)


def _message(method: str, path: str, headers: str = "", body: bytes = b"") -> bytes:
    """Return a request as it comes from inside the cluster."""
    common = "Host: count\r\nX-Trans-Id: tx0-count\r\nX-Backend-Storage-Policy-Index: 0\r\n" + _length(body)
    return f"{method} {path} HTTP/1.1\r\n{common}{headers}\r\n".encode() + body


def _length(body: bytes) -> str:
    return f"Content-Length: {len(body)}\r\n"


def _servers(cluster: AllInOne, role: str) -> list[dict[str, Any]]:
    return [process for process in cluster.status()["processes"] if process["role"] == role]


@contextmanager
def _running(module: str, conf: Path, out: Path) -> Iterator[int]:
    """A server under callgrind that accepts requests; yields its process id."""
    ready, tell = os.pipe()
    start = START.format(module)
    # Starting takes longest, and many times longer where it is counted.
    command = [
        *_callgrind(out, "--instr-atstart=no"),
        sys.executable,
        "-c",
        start,
        str(conf),
        "--ready-fd",
        str(tell),
    ]
    with (conf.parent / "count.log").open("ab") as log:
        process = subprocess.Popen(command, env=_environment(), pass_fds=[tell], stdout=log, stderr=log)
    os.close(tell)
    try:
        assert os.read(ready, 1), "the server ended before it was ready"
        yield process.pid
    finally:
        os.close(ready)
        process.send_signal(signal.SIGTERM)
        process.wait()


def _callgrind(out: Path, *options: str) -> list[str]:
    return ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", *options]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0"}


def _control(verb: str, pid: int) -> None:
    subprocess.run(["callgrind_control", verb, str(pid)], check=True, capture_output=True)


def _total(out: Path) -> int:
    """Return the sum that a callgrind output file ends with."""
    found = re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)
    assert found, f"{out} holds no total"
    return int(found[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="exit with 1 when over budget")
    mode.add_argument("--record", action="store_true", help="make what is counted now the budget")
    parser.add_argument(
        "roles", nargs="*", metavar="ROLE", help=f"of {', '.join(SUBJECTS)}; all unless named"
    )
    arguments = parser.parse_args()
    arguments.roles = arguments.roles or list(SUBJECTS)
    if unknown := set(arguments.roles) - set(SUBJECTS):
        parser.error(f"no such role: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
