"""A light load client: a process of its own that keeps so many requests in flight and times each.

    one line of JSON (Plan) ──▶ connect, warm up ──▶ "ready" ──▶ one more line ──▶ load ──▶ JSON (Outcome)

    python -m bench.client

One thread, epoll, hand-written HTTP: some 25 µs of CPU a small request, so that on a small machine the
servers are measured and not the client. A connection sends when its last request was answered.
"""

from __future__ import annotations

import hashlib
import json
import random
import select
import sys
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from .exchange import BLOCK, Broken, Connection, Request
from .peer import Endpoint
from .signature import Signer
from .summary import percentile

ERRORS_MAX = 20  # Then the store is out of order, and more of it would only take time.
SILENCE_SECONDS_MAX = 60.0
CALIBRATE_SECONDS = 0.25
STRIDE = 7919  # A prime: objects one after the other lie in folders far from each other.
_STATUS = {"put": 201, "get": 200, "head": 200, "post": 202, "delete": 204, "range": 206, "list": 200}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much load of one kind; the nth object is `{container}{n % containers}/{prefix}{n}`.

    With folders it lies in one of them, each time in another: `…/folder-{…}/{prefix}{n}`.
    """

    endpoint: Endpoint
    operation: str  # A key of _STATUS.
    container: str
    connections: int
    seconds: float  # No request is begun later than this.
    operations_max: int  # Nor one more than these.
    operations_min: int = 0  # But so many are, however long it takes.
    containers: int = 1
    prefix: str = ""
    folders: int = 0
    objects: int = 1 << 62
    size_bytes: int = 0  # Of an object.
    range_bytes: int = 0
    query: str = ""
    items: int = 0  # A listing must have.
    warm_up: int = 0  # Requests before the clock runs; PUT and DELETE have names of their own for it.
    access_key: str = ""  # Speaks S3 instead of the Swift API, for PUT, GET, HEAD and DELETE.
    secret: str = ""

    @property
    def moved_bytes(self) -> int:
        """How much of objects one operation moves."""
        if self.operation == "range":
            return self.range_bytes
        return self.size_bytes if self.operation in ("put", "get") else 0

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "endpoint": Endpoint(**fields["endpoint"])})

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it. Latencies are of requests that succeeded."""

    operations: int
    seconds: float
    bytes_moved: int
    p50_ms: float = 0
    p95_ms: float = 0
    p99_ms: float = 0
    max_ms: float = 0
    client_us: float = 0  # CPU of this client per operation.
    calibration_us: float = 0
    errors: Mapping[str, int] = field(default_factory=dict)


def main() -> None:
    """Read the plan, get ready, wait for the word, carry it out, report."""
    plan = Plan.from_json(sys.stdin.readline())
    load = Load(plan)
    load.warm_up()
    print("ready", flush=True)
    if sys.stdin.readline():
        print(json.dumps(asdict(load.run())))


class Load:
    """The load while it runs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._epoll = select.epoll()
        self._lines = (
            f" HTTP/1.1\r\nHost: {plan.endpoint.host}:{plan.endpoint.port}\r\n"
            f"X-Auth-Token: {plan.endpoint.token}\r\n"
        )
        self._signer: Signer | None = None
        if plan.access_key:
            host = f"{plan.endpoint.host}:{plan.endpoint.port}"
            self._signer = Signer(host, plan.access_key, plan.secret)
            self._lines = f" HTTP/1.1\r\nHost: {host}\r\n"
        self._payload = sha256(BLOCK[: plan.size_bytes]).hexdigest()
        self._random = random.Random(plan.connections)
        self._connections: dict[int, Connection] = {}
        self._warming = False
        self._forget()

    def _forget(self) -> None:
        self._begun = self._ended = self._operations_max = 0
        self._latencies = array("d")
        self._errors: Counter[str] = Counter()
        self._calibrations = array("d")
        self._deadline = 0.0

    def warm_up(self) -> None:
        """Make the first requests unmeasured: sockets, tokens, code paths and caches get warm."""
        for _ in range(self._plan.connections):
            self._connect()
        self._warming = True
        self._drive(self._plan.warm_up, 3600.0)
        self._warming = False
        if self._errors:
            raise SystemExit(f"warming up {self._plan.operation}: {dict(self._errors)}")

    def run(self) -> Outcome:
        """Carry out the plan."""
        plan = self._plan
        self._forget()
        cpu, begun = time.process_time(), time.perf_counter()
        self._drive(plan.operations_max, plan.seconds)
        elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
        ordered = sorted(self._latencies)
        count = len(ordered)
        if not count:
            return Outcome(0, elapsed, 0, errors=dict(self._errors))
        return Outcome(
            count,
            elapsed,
            count * plan.moved_bytes,
            p50_ms=1000 * percentile(ordered, 0.5),
            p95_ms=1000 * percentile(ordered, 0.95),
            p99_ms=1000 * percentile(ordered, 0.99),
            max_ms=1000 * ordered[-1],
            client_us=(1e6 * cpu - sum(self._calibrations)) / count,
            calibration_us=percentile(sorted(self._calibrations), 0.5),
            errors=dict(self._errors),
        )

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections.values():
            connection.close()
        self._epoll.close()

    def _drive(self, operations: int, seconds: float) -> None:
        self._operations_max = operations
        now = time.perf_counter()
        self._deadline, calibrated = now + seconds, now - CALIBRATE_SECONDS
        for connection in list(self._connections.values()):
            self._start(connection)
        while self._ended < self._begun:
            if time.perf_counter() >= calibrated + CALIBRATE_SECONDS:
                self._calibrations.append(calibration_us())
                calibrated = time.perf_counter()
            ready = self._epoll.poll(SILENCE_SECONDS_MAX)
            if not ready:
                self._errors[f"silent for {SILENCE_SECONDS_MAX:.0f} s"] += self._begun - self._ended
                return
            for descriptor, events in ready:
                self._advance(self._connections[descriptor], events)

    def _advance(self, connection: Connection, events: int) -> None:
        try:
            if events & select.EPOLLOUT:
                connection.send()
            if events & ~select.EPOLLOUT and connection.receive():
                self._latencies.append(time.perf_counter() - connection.begun)
                self._ended += 1
                self._start(self._replaced(connection) if connection.closing else connection)
        except Broken as error:
            self._errors[str(error)] += 1
            self._ended += 1
            self._start(self._replaced(connection))

    def _replaced(self, connection: Connection) -> Connection:
        del self._connections[connection.descriptor]
        connection.close()
        return self._connect()

    def _connect(self) -> Connection:
        address = (self._plan.endpoint.host, self._plan.endpoint.port)
        connection = Connection(address, self._epoll)
        self._connections[connection.descriptor] = connection
        return connection

    def _start(self, connection: Connection) -> None:
        now = time.perf_counter()
        if self._begun >= self._operations_max:
            return
        if now >= self._deadline and self._begun >= self._plan.operations_min:
            return
        if self._errors.total() >= ERRORS_MAX:
            return
        request = self._request(self._begun)
        self._begun += 1
        connection.begun = now
        connection.begin(request)

    def _request(self, number: int) -> Request:
        plan, operation = self._plan, self._plan.operation
        status = _STATUS[operation]
        if operation == "list":
            line = f"GET {plan.endpoint.path}/{plan.container}?{plan.query}"
            return Request(f"{line}{self._lines}\r\n".encode(), status, answer_items=plan.items)
        if self._warming and operation in ("put", "delete"):  # What these PUT, those DELETE.
            name = f"{plan.container}{number % plan.containers}/{plan.prefix}{number}-warm"
        else:
            place = number % plan.objects
            folder = f"folder-{place * STRIDE % plan.folders:06d}/" if plan.folders else ""
            name = f"{plan.container}{place % plan.containers}/{folder}{plan.prefix}{place}"
        if self._signer is not None:
            return self._signed(self._signer, f"/{name}")
        path = f"{plan.endpoint.path}/{name}"
        if operation == "put":
            head = f"PUT {path}{self._lines}Content-Length: {plan.size_bytes}\r\n\r\n"
            return Request(head.encode(), status, body_bytes=plan.size_bytes)
        if operation == "range":
            first = self._random.randrange(plan.size_bytes - plan.range_bytes)
            head = f"GET {path}{self._lines}Range: bytes={first}-{first + plan.range_bytes - 1}\r\n\r\n"
            return Request(head.encode(), status, answer_bytes=plan.range_bytes)
        if operation == "post":
            head = f"POST {path}{self._lines}Content-Length: 0\r\nX-Object-Meta-Color: {number}\r\n\r\n"
            return Request(head.encode(), status)
        head = f"{operation.upper()} {path}{self._lines}\r\n"
        told = operation in ("get", "head")
        return Request(
            head.encode(),
            status,
            answer_bytes=plan.size_bytes if told else None,
            is_head=operation == "head",
        )

    def _signed(self, signer: Signer, path: str) -> Request:
        """Return the same request in S3's words."""
        operation, size = self._plan.operation, self._plan.size_bytes
        method = operation.upper()
        if operation == "put":
            lines = signer.lines(method, path, self._payload)
            head = f"PUT {path}{self._lines}{lines}Content-Length: {size}\r\n\r\n"
            return Request(head.encode(), 200, body_bytes=size)
        head = f"{method} {path}{self._lines}{signer.lines(method, path)}\r\n"
        told = operation in ("get", "head")
        return Request(
            head.encode(),
            _STATUS[operation],
            answer_bytes=size if told else None,
            is_head=operation == "head",
        )


def calibration_us() -> float:
    """Return the CPU microseconds of a fixed piece of work: how fast this machine is just now."""
    begun = time.thread_time_ns()
    total, table = 0, {}
    for number in range(2000):
        total += number ^ 5
        table[number & 255] = total
    hashlib.md5(BLOCK[: 64 << 10]).digest()
    return (time.thread_time_ns() - begun) / 1000


if __name__ == "__main__":
    main()
