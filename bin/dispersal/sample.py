"""Which names make a sample that covers so many partitions, and what the copies found of it tell.

    wanted share ──▶ names_for() ──▶ one name for each of so many partitions
    copies found of each ──▶ Report ──▶ lines for people, figures for programs

Pure: the hash of a name and the partition it falls into are asked of functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field


def names_for(
    name_of: Callable[[int], str],
    partition_of: Callable[[str], int],
    *,
    partition_count: int,
    coverage_percent: float,
    first: int = 0,
    covered: Collection[int] = (),
) -> Iterator[str]:
    """Yield names, numbered from `first`, each in a partition that none before it covers."""
    wanted = int(coverage_percent / 100.0 * partition_count)
    seen = set(covered)
    number = first
    while wanted and len(seen) < partition_count:
        name = name_of(number)
        number += 1
        partition = partition_of(name)
        if partition not in seen:
            seen.add(partition)
            wanted -= 1
            yield name


@dataclass(slots=True)
class Report:
    """The copies of a sample: `missing` counts partitions by how many of their copies were not found."""

    what: str
    replicas: int
    partition_count: int
    queried: int = 0
    overlapping: int = 0
    found: int = 0
    expected: int = 0
    missing: Counter[int] = field(default_factory=Counter)

    def add(self, *, found: int, expected: int) -> None:
        """Count one partition."""
        self.queried += 1
        self.found += found
        self.expected += expected
        if found < expected:
            self.missing[expected - found] += 1

    @property
    def percentage(self) -> float:
        """The share of copies that were found."""
        return 100.0 * self.found / self.expected if self.expected else 0.0

    def as_json(self) -> dict[str, float | int]:
        """Return the figures under the stock tool's names."""
        return {
            "retries": 0,
            "overlapping": self.overlapping,
            "pct_found": self.percentage,
            "copies_found": self.found,
            "copies_expected": self.expected,
            **{f"missing_{copies}": number for copies, number in sorted(self.missing.items())},
        }

    def lines(self, seconds: float) -> Iterator[str]:
        """Yield what people are told."""
        names = self.queried + self.overlapping
        yield f"Queried {names} {self.what}s for dispersion reporting, {round(seconds)}s, 0 retries"
        if self.overlapping:
            yield f"There were {self.overlapping} overlapping partitions"
        for copies, number in sorted(self.missing.items()):
            yield missing_line(number, copies, self.replicas)
        copies_text = f"{self.found} of {self.expected}"
        yield f"{self.percentage:.02f}% of {self.what} copies found ({copies_text})"
        share = 100.0 * self.queried / self.partition_count
        yield f"Sample represents {share:.02f}% of the {self.what} partition space"


def missing_line(partitions: int, copies: int, replicas: int) -> str:
    """Return the sentence about partitions that miss so many copies, louder where fewer are left."""
    alarm = "!!! " if copies == replicas else "! " if replicas - copies == 1 else ""
    verb, noun = ("were", "partitions") if partitions > 1 else ("was", "partition")
    number = "all" if copies == replicas else str(copies)
    return f"{alarm}There {verb} {partitions} {noun} missing {number} {'copy' if copies == 1 else 'copies'}."
