"""Exactly how many objects and partitions have fewer, or more, copies than they should.

    what each device holds of one partition ──▶ count() ──▶ Tally
    tallies ──▶ total() ──▶ the policy's, the cluster's

An object is counted when its newest version, over all devices that were asked, is data; a device has a
copy of it when it would learn nothing from that version. Copies on handoffs do not count as copies of a
partition: they are in the wrong place, and are counted as stale.

It knows no devices, sockets or files: whoever drives this brings the inventories, and says when one
could not be had, because then the count is a bound and no longer exact.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..common.timestamp import ZERO, Timestamp
from .plan import Inventory, Version, covers, newest_of


@dataclass(frozen=True, slots=True)
class Holding:
    """What one device holds of one partition; `inventory` is None when the device could not be asked."""

    device: str
    primary: bool
    inventory: Inventory | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """One object with too few copies."""

    partition: int
    hash: str
    copies: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A count over any number of partitions; `total` adds them up."""

    objects: int = 0
    objects_below: int = 0
    objects_above: int = 0
    objects_without_copy: int = 0
    tombstones: int = 0
    tombstones_below: int = 0
    partitions: int = 0
    partitions_below: int = 0
    partitions_above: int = 0
    stale_handoffs: int = 0
    unanswered: int = 0
    copies: Counter[int] = field(default_factory=Counter)
    shortages: tuple[Shortage, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every device that had to be asked has answered."""
        return self.unanswered == 0

    @property
    def settled(self) -> bool:
        """Whether everything is where it belongs, once and only there, and that is certain."""
        out_of_place = self.objects_below + self.tombstones_below + self.stale_handoffs + self.objects_above
        return self.exact and not out_of_place


COUNTED = (
    "objects",
    "objects_below",
    "objects_above",
    "objects_without_copy",
    "tombstones",
    "tombstones_below",
    "partitions",
    "partitions_below",
    "partitions_above",
    "stale_handoffs",
    "unanswered",
)
"""The plain numbers of a tally, in the order in which people are shown them."""


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the count over all of them."""
    numbers: Counter[str] = Counter()
    copies: Counter[int] = Counter()
    shortages: list[Shortage] = []
    for tally in tallies:
        numbers.update({name: getattr(tally, name) for name in COUNTED})
        copies.update(tally.copies)
        shortages.extend(tally.shortages)
    return Tally(**{name: numbers[name] for name in COUNTED}, copies=copies, shortages=tuple(shortages))


def count(partition: int, holdings: Sequence[Holding], *, horizon: Timestamp = ZERO) -> Tally:
    """Return the tally of one partition: all of its primaries, and every other device that has it.

    Tombstones before `horizon` may be forgotten by one device before the other, and are not counted.
    """
    primaries = [holding for holding in holdings if holding.primary]
    handoffs = [holding for holding in holdings if not holding.primary and holding.inventory]
    newest = _newest(holding.inventory for holding in holdings if holding.inventory is not None)
    live = {digest: version for digest, version in newest.items() if version.data is not None}
    dead = {
        digest: version
        for digest, version in newest.items()
        if version.data is None and version.written >= horizon
    }
    copies = {digest: _holders(digest, version, primaries) for digest, version in live.items()}
    elsewhere = {digest: _holders(digest, version, handoffs) for digest, version in live.items()}
    short = [
        Shortage(partition, digest, held, len(primaries))
        for digest, held in sorted(copies.items())
        if held < len(primaries)
    ]
    told = {digest: _holders(digest, version, primaries) for digest, version in dead.items()}
    return Tally(
        objects=len(live),
        objects_below=len(short),
        objects_above=sum(1 for digest in live if copies[digest] + elsewhere[digest] > len(primaries)),
        objects_without_copy=sum(1 for shortage in short if not shortage.copies),
        tombstones=len(dead),
        tombstones_below=sum(1 for held in told.values() if held < len(primaries)),
        partitions=1 if newest else 0,
        partitions_below=1 if short else 0,
        partitions_above=1 if handoffs else 0,
        stale_handoffs=len(handoffs),
        unanswered=sum(1 for holding in holdings if holding.inventory is None),
        copies=Counter(copies.values()),
        shortages=tuple(short),
    )


def _newest(inventories: Iterable[Inventory]) -> dict[str, Version]:
    versions: dict[str, list[Version]] = {}
    for inventory in inventories:
        for digest, version in inventory.items():
            versions.setdefault(digest, []).append(version)
    return {digest: functools.reduce(newest_of, held) for digest, held in versions.items()}


def _holders(digest: str, newest: Version, holdings: Iterable[Holding]) -> int:
    # The horizon is the epoch: a tombstone counts as missing for as long as anybody keeps it.
    return sum(
        1
        for holding in holdings
        if holding.inventory is not None and covers(holding.inventory.get(digest), newest, horizon=ZERO)
    )
