"""In which order the devices of a partition are asked, and how many of them.

    primaries ──▶ order_for_reading()  shuffled, timed or nearest first
    primaries + handoffs ──▶ order_for_writing()  local ones first when write affinity is set
    ordered devices ──▶ candidates()   skips error-limited ones, stops after the request's share

Dice, timings and limits come in as arguments; no ring, clock or socket is known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from random import Random
from typing import Final, TypeVar

from ..common.errors import Refused
from ..ring.device import Device

Item = TypeVar("Item")

FARTHEST: Final = 2**31
"""Rank of a device that no read_affinity rule names."""

_READ_RULE = re.compile(r"r(\d+)(?:z(\d+))?=(\d+)")
_PLACE = re.compile(r"r(\d+)(?:z(\d+))?")
_TIMES_REPLICAS = re.compile(r"(\d+)\s*\*\s*replicas")


@dataclass(slots=True)
class Candidate:
    """A device to ask, and whether the partition is at home there.

    Made often, so not frozen: that would cost three times as much.
    """

    device: Device
    primary: bool
    resting: bool = False
    """Whether it has failed so often that it is asked only when the others were of no use."""


@dataclass(frozen=True, slots=True)
class Place:
    """A region, or one zone of it."""

    region: int
    zone: int | None = None

    def holds(self, device: Device) -> bool:
        """Tell whether the device stands here."""
        return device.region == self.region and self.zone in (None, device.zone)


@dataclass(frozen=True, slots=True)
class ReadAffinity:
    """Which places are preferred for reading; a lower number is nearer."""

    rules: tuple[tuple[Place, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> ReadAffinity:
        """Read `r1z1=100, r1=200`; Refused when it is something else."""
        rules = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            match = _READ_RULE.fullmatch(part)
            if match is None:
                raise Refused(f"read_affinity: {part!r} is not of the form r1=100 or r1z2=100")
            region, zone, rank = match.groups()
            rules.append((Place(int(region), int(zone) if zone else None), int(rank)))
        # A rule for a zone is more exact than one for its region.
        return cls(tuple(sorted(rules, key=lambda rule: rule[0].zone is None)))

    def rank(self, device: Device) -> int:
        """Return the device's distance."""
        return next((rank for place, rank in self.rules if place.holds(device)), FARTHEST)


@dataclass(frozen=True, slots=True)
class WriteAffinity:
    """Which places new objects are written to first; replication moves them home later."""

    places: tuple[Place, ...] = ()

    @classmethod
    def parse(cls, text: str) -> WriteAffinity:
        """Read `r1, r2z3`; Refused when it is something else."""
        places = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            match = _PLACE.fullmatch(part)
            if match is None:
                raise Refused(f"write_affinity: {part!r} is not of the form r1 or r1z2")
            region, zone = match.groups()
            places.append(Place(int(region), int(zone) if zone else None))
        return cls(tuple(places))

    def is_local(self, device: Device) -> bool:
        """Tell whether the device stands in one of the preferred places."""
        return any(place.holds(device) for place in self.places)


@dataclass(frozen=True, slots=True)
class NodeCount:
    """How many nodes a request may try: a number, or a multiple of the replicas."""

    number: int
    per_replica: bool

    @classmethod
    def parse(cls, text: str) -> NodeCount:
        """Read `6` or `2 * replicas`; Refused when it is something else."""
        times = _TIMES_REPLICAS.fullmatch(text.strip())
        if times:
            return cls(int(times[1]), per_replica=True)
        if text.strip().isdigit():
            return cls(int(text), per_replica=False)
        raise Refused(f"{text!r} is neither a number nor of the form `2 * replicas`")

    def of(self, replicas: int) -> int:
        """Return the count for a ring with so many replicas."""
        return self.number * replicas if self.per_replica else self.number


def order_for_reading(
    primaries: Sequence[Device],
    *,
    dice: Random,
    affinity: ReadAffinity | None = None,
    timings: Mapping[str, float] | None = None,
) -> list[Device]:
    """Return the primaries in the order in which a read tries them.

    Shuffled first, so that equals share the load; the sorts below are stable.
    """
    ordered = shuffled(primaries, dice)
    if timings is not None:
        ordered.sort(key=lambda device: timings.get(device.ip, -1.0))
    elif affinity is not None:
        ordered.sort(key=affinity.rank)
    return ordered


def shuffled(items: Sequence[Item], dice: Random) -> list[Item]:
    """Return them in an order that the dice choose, for so few as replicas are by one throw."""
    if len(items) < len(_ORDERS):
        orders = _ORDERS[len(items)]
        return [items[place] for place in orders[int(dice.random() * len(orders))]]
    ordered = list(items)
    dice.shuffle(ordered)
    return ordered


_ORDERS = [tuple(permutations(range(count))) for count in range(5)]


def order_for_writing(
    primaries: Sequence[Device],
    handoffs: Iterable[Device],
    *,
    affinity: WriteAffinity,
    local_count: int,
) -> Iterator[Candidate]:
    """Yield all devices, the first `local_count` local ones before the rest."""
    home = [Candidate(device, primary=True) for device in primaries]
    everywhere = home + [Candidate(device, primary=False) for device in handoffs]
    local = [each for each in everywhere if affinity.is_local(each.device)][:local_count]
    taken = {id(each) for each in local}
    yield from local
    yield from (each for each in everywhere if id(each) not in taken)


def at_home_first(primaries: Iterable[Device], handoffs: Iterable[Device]) -> Iterator[Candidate]:
    """Yield the primaries, then the handoffs."""
    for device in primaries:
        yield Candidate(device, primary=True)
    for device in handoffs:
        yield Candidate(device, primary=False)


def candidates(
    ordered: Iterable[Candidate], *, count: int, is_limited: Callable[[Device], bool]
) -> Iterator[Candidate]:
    """Yield up to `count` devices to ask.

    Limited ones come last, marked as resting: asking in vain is better than not having asked. One
    that becomes limited while it is asked does not use up the request's share: another takes its place.
    """
    left = count
    passed_over = []
    for candidate in ordered:
        if left <= 0:
            return
        if is_limited(candidate.device):
            passed_over.append(replace(candidate, resting=True))
            continue
        yield candidate
        if not is_limited(candidate.device):
            left -= 1
    yield from passed_over[:left]
