"""What a store under measurement offers the harness, and the form in which every measurement is told.

    Peer: start() → endpoint(), pids() → … → stop()      one module for each: ours, stock, rgw
    measure(run) ──▶ Reading, Reading, …                 one module for each figure: load, ring, heal, …

Knows no store, no workload and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Role(StrEnum):
    """What a process does for a request; CPU and memory are told by role."""

    PROXY = "proxy"  # What clients speak to: proxy server, radosgw.
    OBJECT = "object"  # What keeps the bytes: object servers, OSDs.
    CONTAINER = "container"
    ACCOUNT = "account"
    COMMITS = "commits"  # What makes writes durable for the others; it may serve other stores as well.
    CACHE = "cache"  # memcached.
    DAEMONS = "daemons"  # Whatever works without being asked: replicators, auditors, monitors.


SERVING = tuple(role for role in Role if role is not Role.DAEMONS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and as whom the Swift API is spoken: `GET {path}/container/object` with the headers."""

    host: str
    port: int
    path: str  # "/v1/AUTH_test" or "/swift/v1"; no slash at the end.
    token: str


class Peer(Protocol):
    """One store on loopback, on disks and ports of its own."""

    name: str  # In readings and history: "apus", "stock", "stock-lean", "rgw".
    title: str  # For people: "stock Swift 2.38.3, full pipeline".

    def start(self) -> None:
        """Bring it up, empty, and return when it serves requests."""

    def stop(self) -> None:
        """End all its processes and remove its data; also right after a start that failed half-way."""

    def endpoint(self) -> Endpoint:
        """Where it is, with a token that stays valid for an hour."""

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """The processes by role, as they are now; the harness adds their descendants itself."""

    def fill(self, container: str, names: Sequence[str]) -> None:
        """Make an existing empty container list those names; only listings will be asked of it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one figure came to for one peer (or for the machine itself: peer `machine`).

    The figure's name is stable, since history is searched by it: `get-4k-16`, `rebalance-2^16-1000`.
    Measures carry their unit at the end: `ops_per_second`, `cpu_ms`, `cpu_ms_proxy`, `p99_ms`, `seconds`.
    """

    figure: str
    peer: str
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """What a figure's `measure(run)` is given."""

    folder: Path  # Its own to write into; removed after the run.
    quick: bool  # A subset for a first look; a figure that can't be had in seconds yields nothing.
    stock_venv: Path  # Holds stock Swift's programs.
    tell: Callable[[str], None]  # What happens now, in a few words, for whoever watches.
    unfit: list[str]  # What could not be measured, and why; gathered while the rest goes on.
