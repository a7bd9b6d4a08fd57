"""Container servers that only remember, for tests of what object servers tell them.

    with container_doubles(tmp_path) as doubles: doubles.seen, doubles.fail("c1"), doubles.move_to("shards/s")

Three replicas of every account and container on one address, told apart by their devices; the rings are
in the folder, and the objects of the expirer's tests live on the same devices.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from engine import serving

from apus.common import concurrency, gathered_rows
from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.ring.device import Device
from apus.ring.file import RingData, write_ring_file

DEVICES = ("c0", "c1", "c2")
_POWER = 2


@dataclass
class ContainerDoubles:
    """What was said to whom, and how they answer."""

    address: tuple[str, int] = ("", 0)
    seen: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    statuses: dict[tuple[str, str], int] = field(default_factory=dict)
    listings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    moved_to: str = ""
    takes: bool = False  # Rows of many objects in one request, as our own servers.
    gathered: list[int] = field(default_factory=list)  # How many rows came in each such request.
    instead: Answer | None = None  # What such a request gets, when not what it should.
    pause_seconds: float = 0.0  # Before such a request is answered.

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        if request.path == gathered_rows.PATH:
            return self._keep_gathered(request)(environ, start_response)
        _, device, _, path = request.path.split("/", 3)
        self.seen.append((request.method, device, path, dict(request.headers())))
        answer = self._answer(request, device, path)
        if self.takes:
            answer.headers[gathered_rows.TAKEN_HEADER] = gathered_rows.TAKEN
        return answer(environ, start_response)

    def _keep_gathered(self, request: Request) -> Answer:
        rows = [Request(told.environ()) for told in gathered_rows.told(request.body.read(1 << 20))]
        self.gathered.append(len(rows))
        concurrency.sleep(self.pause_seconds)
        if self.instead is not None or not self.takes:
            return self.instead or Answer.text(400, "Invalid path")  # As stock Swift answers.
        statuses = []
        for row in rows:
            _, device, _, path = row.path.split("/", 3)
            answer = self._answer(row, device, path)
            statuses.append(answer.status)
            if answer.status != gathered_rows.ALONE:
                said = {name: value for name, value in row.headers() if value is not None}
                self.seen.append((row.method, device, path, said))
        return Answer(200, {gathered_rows.STATUSES: gathered_rows.statuses_line(statuses)})

    def _answer(self, request: Request, device: str, path: str) -> Answer:
        status = self.statuses.get((request.method, device), self.statuses.get((request.method, "")))
        if status is not None:
            return Answer(status)
        if self.moved_to and not path.startswith(self.moved_to):
            location = f"/{self.moved_to}/{path.split('/', 2)[2]}"
            return Answer(301, {"Location": location, "X-Backend-Redirect-Timestamp": "1700000000.00000"})
        if request.method == "GET":
            marker = dict(parse_qsl(request.environ["QUERY_STRING"])).get("marker", "")
            rows = [row for row in self.listings.get(path, []) if row["name"] > marker]
            return Answer(200, {"Content-Type": "application/json"}, json.dumps(rows).encode())
        if request.method == "HEAD":
            return Answer(204, {"X-Backend-Storage-Policy-Index": "0"})
        return Answer(201)

    def told(self, method: str, device: str | None = None) -> list[str]:
        """The paths that were asked for with a verb."""
        return [path for verb, to, path, _ in self.seen if verb == method and device in (None, to)]

    def headers(self, path: str) -> dict[str, str]:
        """The headers of the last request for a path."""
        return next(headers for _, _, to, headers in reversed(self.seen) if to == path)


@contextlib.contextmanager
def container_doubles(folder: Path) -> Iterator[ContainerDoubles]:
    """Serve them, and write the rings that lead to them."""
    doubles = ContainerDoubles()
    with serving(doubles) as served:
        doubles.address = served.address
        host, port = served.address
        devices: list[Device | None] = [
            Device(index, 1, index, host, port, host, port, name) for index, name in enumerate(DEVICES)
        ]
        rows = [np.full(1 << _POWER, replica, dtype=np.uint16) for replica in range(len(DEVICES))]
        for kind in ("account", "container", "object"):
            write_ring_file(RingData(devices, 32 - _POWER, rows), folder / f"{kind}.ring.gz")
        yield doubles
