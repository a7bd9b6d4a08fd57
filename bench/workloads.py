"""What is asked of the stores, as data.

    Workload: objects of one size, and the operations done on them one after the other     Listing: a query

A round runs every workload on either store in turn. Windows are in seconds: long enough for some hundred
requests of the slower store, short enough for the whole to end within a quarter of an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
LISTED = 10_000
RANGES_SECONDS = 2.0
FOLDERS = 100  # Names of the listed container look like folders of a hundred files.


@dataclass(frozen=True, slots=True)
class Workload:
    """Operations on objects of one size, at so many connections."""

    label: str
    size_bytes: int
    connections: int
    seconds: float  # For each operation.
    operations: tuple[str, ...] = ("put", "get", "head", "post", "delete")
    operations_max: int = 1 << 30
    reads_of_each: int = 0  # So often a GET visits each object; 0: as often as its seconds allow.
    range_bytes: int = 0
    containers: int = 4
    folders: int = 0  # Over which the names in a container are scattered.
    warm_up: int = 0  # Requests before each operation.
    rounds_max: int = 1 << 30  # Left out of later rounds.

    def figure(self, operation: str) -> str:
        """The stable name of what is measured."""
        return f"{operation}-{self.label}-{self.connections}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing of the container with LISTED names."""

    figure: str
    query: str
    items: int
    connections: int = 2
    seconds: float = 2.0


def small(label: str, size_bytes: int, connections: int, seconds: float) -> Workload:
    """Small objects: made, read, described and removed."""
    return Workload(label, size_bytes, connections, seconds, warm_up=10 + connections)


def large(label: str, size_bytes: int, operations_max: int, *extra: str) -> Workload:
    """Large objects, two at a time; the ones that were PUT are read three times each, and removed."""
    return Workload(
        label,
        size_bytes,
        connections=2,
        seconds=30.0,
        operations=("put", "get", *extra, "delete"),
        operations_max=operations_max,
        reads_of_each=3,  # Once would be over in less than a second, too short for a steady figure.
        range_bytes=64 * KIB if "range" in extra else 0,
        containers=1,
    )


QUICK = (small("4k", 4 * KIB, 16, 4.0), large("64m", 64 * MIB, 8))
FULL = (
    small("4k", 4 * KIB, 16, 4.0),
    small("4k", 4 * KIB, 1, 1.5),
    small("4k", 4 * KIB, 64, 2.0),
    small("100k", 100 * KIB, 16, 2.0),
    small("100k", 100 * KIB, 1, 1.5),
    small("100k", 100 * KIB, 64, 2.0),
    large("64m", 64 * MIB, 12, "range"),
    replace(large("1g", GIB, 2), rounds_max=1),  # A minute a round, and it varies little.
)
LISTINGS = (
    Listing("listing-10000", "format=json&limit=10000", LISTED),
    Listing("listing-prefix", "format=json&limit=10000&prefix=folder-042/", LISTED // FOLDERS),
    Listing("listing-delimiter", "format=json&limit=10000&delimiter=/", FOLDERS),
)


def listed_names() -> list[str]:
    """The names that a filled container lists."""
    return [
        f"folder-{folder:03}/file-{number:05}"
        for folder in range(FOLDERS)
        for number in range(LISTED // FOLDERS)
    ]
