"""Many hosts' numbers as one line.

    [3, None, 5] ──▶ summarise() ──▶ Summary(low 3, high 5, total 8, reported 2, silent 1) ──▶ line()

The line is swift-recon's, because operators' scripts read it. It asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

RULE = "=" * 79
NO_DATA = "No hosts returned valid data."
_UNITS = ((86400 * 7, "weeks"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure over all hosts; `number_none` counts hosts that answered without it."""

    name: str
    low: float
    high: float
    total: float
    reported: int
    number_none: int

    @property
    def average(self) -> float:
        """The mean of what was reported."""
        return self.total / self.reported

    @property
    def silent_percentage(self) -> float:
        """The share of hosts without the figure."""
        return 100.0 * self.number_none / (self.reported + self.number_none)

    def line(self) -> str:
        """Return the line that people see."""
        return (
            f"[{self.name}] low: {int(self.low)}, high: {int(self.high)}, avg: {self.average:.1f}, "
            f"total: {int(self.total)}, Failed: {self.silent_percentage:.1f}%, "
            f"no_result: {self.number_none}, reported: {self.reported}"
        )

    def as_json(self) -> dict[str, object]:
        """Return the figures for programs."""
        return {**asdict(self), "average": self.average}


def summarise(name: str, values: Iterable[float | None]) -> Summary | None:
    """Return the figure over all hosts, None when nobody reported it."""
    known: list[float] = []
    silent = 0
    for value in values:
        if value is None:
            silent += 1
        else:
            known.append(value)
    if not known:
        return None
    return Summary(name, min(known), max(known), sum(known), len(known), silent)


def elapsed(seconds: float) -> str:
    """Return `3 hours`: the largest unit that fits, as whole numbers."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds / size)} {unit}"


def bytes_text(count: float) -> str:
    """Return `1.5 TiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            return f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} PiB"


def histogram(percentages: Iterable[float]) -> list[str]:
    """Return one line of stars for each whole percentage that occurs."""
    counts: dict[int, int] = {}
    for percentage in percentages:
        counts[int(percentage)] = counts.get(int(percentage), 0) + 1
    scale = 69.0 / max(counts.values(), default=1)
    return [f"{each:3d}%{number:5d} {'*' * int(number * scale)}" for each, number in sorted(counts.items())]
