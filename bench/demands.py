"""What must be reached, row by row, and whether it was.

    DEMANDS, records of runs ──▶ verdicts() ──▶ a Verdict for each row, by the newest run that measured it

Every row compares a figure of ours with another one: of a peer, of the machine, or of ours at another time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .history import Record
from .summary import times_better

OURS = "apus"
CINDER, WHOLE = "cinder-formula", "whole-disk"
"""What disks are compared with: a formula, and all bytes of the disk."""
LONGEST_MS = 1000.0

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Demand:
    """Our figure must be at least so many times better than the other, by the measure."""

    title: str
    figure: str
    measure: str
    peer: str
    times: float
    against: str = ""  # The other's figure, where it has another name.

    def reached(self, figures: Figures) -> float | None:
        """How many times better ours is; None where one of the two was not measured."""
        ours = figures.get(self.figure, {}).get(OURS, {})
        theirs = figures.get(self.against or self.figure, {}).get(self.peer, {})
        return times_better(ours, theirs, self.measure)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a demand; `met` is None while nobody has measured it."""

    title: str
    demanded: str
    reached: str = ""
    met: bool | None = None
    date: str = ""
    commit: str = ""  # Another row may be of another one.


def _cpu(operation: str, times: float, rgw_times: float) -> Iterator[Demand]:
    figure = f"{operation}-4k-16"
    title = f"{operation.upper()} 4 KiB, CPU"
    yield Demand(title, figure, "cpu_ms", "stock", times)
    if rgw_times:
        yield Demand(title, figure, "cpu_ms", "rgw", rgw_times)


def _p99(peer: str) -> Iterator[Demand]:
    for operation in ("get", "head", "put", "delete"):
        title = f"{operation.upper()} 4 KiB, p99"
        yield Demand(title, f"{operation}-4k-16", "p99_ms", peer, 1.0)


_LARGEST_RING = "rebalance-2^20-10000"
_INTO_MANY = ("put-4k-into-10m-16", "operations_per_second", OURS)

DEMANDS = (
    *_cpu("get", 15, 2),
    *_cpu("head", 15, 2),
    *_cpu("put", 15, 0),
    *_cpu("delete", 12, 0),
    Demand("PUT 4 KiB, requests/s", "put-4k-16", "operations_per_second", "rgw", 3),
    Demand("GET 64 MiB, MB/s", "get-64m-2", "mb_per_second", "stock", 4),
    Demand("GET 64 MiB, MB/s", "get-64m-2", "mb_per_second", "machine", 0.6, "loopback"),
    Demand("PUT 64 MiB, MB/s", "put-64m-2", "mb_per_second", "stock", 2.5),
    Demand("PUT 64 MiB, MB/s", "put-64m-2", "mb_per_second", "machine", 0.7 / 3, "disk"),
    Demand("listing of 10,000, CPU", "listing-10000", "cpu_ms", "stock", 10),
    *_p99("stock"),
    *_p99("rgw"),
    Demand("PUT 4 KiB among 10,000,000 rows, requests/s", *_INTO_MANY, 0.85, "put-4k-into-empty-16"),
    Demand("rebalance 2^20 × 3, 10,000 devices", _LARGEST_RING, "seconds", "stock", 20),
    Demand("its balance", _LARGEST_RING, "balance", "stock", 1),
    Demand("its dispersion", _LARGEST_RING, "dispersion", "stock", 1),
    Demand("S3 GET 4 KiB, CPU", "s3-get-4k-16", "cpu_ms", OURS, 1 / 1.3, "swift-get-4k-16"),
    Demand("S3 PUT 4 KiB, CPU", "s3-put-4k-16", "cpu_ms", OURS, 1 / 1.3, "swift-put-4k-16"),
    Demand("heal 100,000 objects", "heal-100000", "objects_per_second", "stock", 5),
)
_SECOND_BACKUP = "second backup of 2 GiB, 5 % changed: bytes"
_ALIKE = 1 / 1.2  # Within 20 %, whichever of the two is longer.

CLOUD = (
    *(
        Demand(f"{_SECOND_BACKUP} {verb}", "backup-2g-5-percent", f"{verb}_mb", CINDER, times)
        for verb, times in (("read", 10), ("sent", 1), ("stored", 1))
    ),
    *(
        Demand(
            f"restore of backup {one}",
            f"restore-{one}-of-10",
            "seconds",
            OURS,
            _ALIKE,
            f"restore-{other}-of-10",
        )
        for one, other in ((5, 1), (10, 1), (1, 5), (1, 10))
    ),
    Demand("bytes read of a 2 GiB image until its server is up", "boot-2g", "fetched_mb", WHOLE, 10),
    Demand("bytes stored by a picture of a running server", "snapshot-running", "stored_mb", WHOLE, 10),
)
"""What disks of the cloud's services must reach; 100 snapshots that leak or lose a block fail the run."""


def verdicts(runs: Sequence[Record], demands: Iterable[Demand] = DEMANDS) -> list[Verdict]:
    """Judge every demand, and the longest request of all; the last run is the newest."""
    return [*judged(runs, demands), _longest(runs)]


def judged(runs: Sequence[Record], demands: Iterable[Demand]) -> list[Verdict]:
    """Judge these demands; the last run is the newest."""
    return [_verdict(runs, demand) for demand in demands]


def _verdict(runs: Sequence[Record], demand: Demand) -> Verdict:
    title = f"{demand.title} against {demand.against or demand.peer}"
    demanded = f"{demand.times:.3g} ×"
    for run in reversed(runs):
        times = demand.reached(run.figures)
        if times is not None:
            return Verdict(title, demanded, f"{times:.3g} ×", times >= demand.times, run.date, run.commit)
    return Verdict(title, demanded)


def _longest(runs: Sequence[Record]) -> Verdict:
    title, demanded = "longest request at 4 KiB, 16 connections", f"at most {LONGEST_MS:.0f} ms"
    for run in reversed(runs):
        longest = [
            peers[OURS]["max_ms"]
            for figure, peers in run.figures.items()
            if figure.endswith("-4k-16") and OURS in peers
        ]
        if longest:
            worst = max(longest)
            return Verdict(title, demanded, f"{worst:.0f} ms", worst <= LONGEST_MS, run.date, run.commit)
    return Verdict(title, demanded)
