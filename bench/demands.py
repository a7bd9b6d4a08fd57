"""What must be reached, row by row, and whether it was.

    DEMANDS, joined readings ──▶ verdicts() ──▶ a Verdict for each row whose figures were measured

Every row compares a figure of ours with another one: of a peer, of the machine, or of ours at another time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .peer import Reading
from .summary import times_better

OURS = "apus"
LONGEST_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Demand:
    """Our figure must be at least so many times better than the other, by the measure."""

    title: str
    figure: str
    measure: str
    peer: str
    times: float
    against: str = ""  # The other's figure, where it has another name.


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a demand; `reached` and `demanded` are in times."""

    title: str
    demanded: str
    reached: str
    met: bool


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
)


def verdicts(readings: Sequence[Reading], demands: Iterable[Demand] = DEMANDS) -> list[Verdict]:
    """Judge every demand whose two figures were measured, and the longest request of all."""
    found: dict[tuple[str, str], Mapping[str, float]] = {
        (reading.figure, reading.peer): reading.measures for reading in readings
    }
    judged = []
    for demand in demands:
        ours = found.get((demand.figure, OURS), {})
        theirs = found.get((demand.against or demand.figure, demand.peer), {})
        times = times_better(ours, theirs, demand.measure)
        if times is not None:
            judged.append(
                Verdict(
                    f"{demand.title} against {demand.against or demand.peer}",
                    f"{demand.times:.3g} ×",
                    f"{times:.3g} ×",
                    times >= demand.times,
                )
            )
    longest = [
        reading.measures["max_ms"]
        for reading in readings
        if reading.peer == OURS and reading.figure.endswith("-4k-16")
    ]
    if longest:
        worst = max(longest)
        judged.append(
            Verdict(
                "longest request at 4 KiB", f"{LONGEST_MS:.0f} ms", f"{worst:.0f} ms", worst <= LONGEST_MS
            )
        )
    return judged
