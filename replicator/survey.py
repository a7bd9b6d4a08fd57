"""The exact count of copies over a whole cluster: every device is asked, or walked, nothing is sampled.

    ring ──▶ every device: which partitions? ──▶ every partition on every device: what? ──▶ copies.count()
         ──▶ PolicySurvey: how many objects and partitions are below, above, in the wrong place

Devices are asked over HTTP, as a replicator asks its peers, or read from a folder where they are at hand. A
device that does not answer makes the count a bound, and is named. It changes nothing anywhere.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..common.concurrency import Crew
from ..common.errors import Corrupt, Unavailable
from ..common.policies import Policy
from ..common.timestamp import Timestamp
from ..ring.device import Device
from ..ring.table import Ring
from .copies import COUNTED, Holding, Tally, count, total
from .local import LocalDevice
from .peer import PeerClient, Place
from .plan import Version

log = logging.getLogger(__name__)

CONCURRENCY = 16


class Source(Protocol):
    """Who knows what lies on a device; both methods raise Unavailable when it cannot be told."""

    def partitions(self, device: Device, policy: Policy) -> Sequence[int]:
        """Return the partitions that the device has a folder for."""

    def inventory(self, device: Device, policy: Policy, partition: int) -> Mapping[str, Version]:
        """Return all that it holds of one partition."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Devices that are asked through their object servers."""

    peers: PeerClient

    def partitions(self, device: Device, policy: Policy) -> Sequence[int]:
        """Return the partitions that the device has a folder for."""
        numbers = self.peers.partitions(device, policy.index)
        if numbers is None:
            raise Unavailable(f"the server at {device.ip}:{device.port} cannot tell: it is no Apus server")
        return numbers

    def inventory(self, device: Device, policy: Policy, partition: int) -> Mapping[str, Version]:
        """Return all that it holds of one partition."""
        held = self.peers.inventory_of_all(Place(device, policy.index, partition))
        if held is None:
            raise Unavailable(f"the server at {device.ip}:{device.port} cannot tell: it is no Apus server")
        return held


@dataclass(frozen=True, slots=True)
class Walked:
    """Devices that lie in folders of this machine, by their id."""

    paths: Mapping[int, str]

    def partitions(self, device: Device, policy: Policy) -> Sequence[int]:
        """Return the partitions that the device has a folder for."""
        return self._local(device, policy).partitions()

    def inventory(self, device: Device, policy: Policy, partition: int) -> Mapping[str, Version]:
        """Return all that it holds of one partition."""
        local = self._local(device, policy)
        try:
            found = local.copies(partition, local.suffixes(partition))
            return {digest: copy.version for digest, copy in found.items()}
        except OSError as problem:
            raise Unavailable(f"{local.partition_path(partition)}: {problem.strerror}") from problem

    def _local(self, device: Device, policy: Policy) -> LocalDevice:
        if device.id not in self.paths:
            raise Unavailable(f"no folder is named for device {device.id}")
        if not os.path.isdir(self.paths[device.id]):
            raise Unavailable(f"{self.paths[device.id]} is no folder")
        return LocalDevice(self.paths[device.id], policy, 0)


@dataclass(frozen=True, slots=True)
class PolicySurvey:
    """What was found of one policy; `silent` names the devices that could not be asked."""

    policy: Policy
    devices: int
    silent: tuple[str, ...]
    tally: Tally

    @property
    def exact(self) -> bool:
        """Whether the figures are the truth and not a bound."""
        return not self.silent and self.tally.exact

    @property
    def settled(self) -> bool:
        """Whether all copies are where they belong, for certain."""
        return self.exact and self.tally.settled

    def as_json(self, shortages_max: int) -> dict[str, object]:
        """Return the figures for programs, and the first objects that lack copies."""
        tally = self.tally
        return {
            "policy": self.policy.name,
            "index": self.policy.index,
            "exact": self.exact,
            "settled": self.settled,
            "devices": self.devices,
            "silent_devices": list(self.silent),
            **{name: getattr(tally, name) for name in COUNTED},
            "objects_by_copies": {str(held): number for held, number in sorted(tally.copies.items())},
            "shortages": [
                {
                    "partition": shortage.partition,
                    "hash": shortage.hash,
                    "copies": shortage.copies,
                    "expected": shortage.expected,
                }
                for shortage in tally.shortages[:shortages_max]
            ],
        }


def survey(ring: Ring, policy: Policy, source: Source, *, horizon: Timestamp) -> PolicySurvey:
    """Count every copy of a policy's objects."""
    devices = [device for device in ring.devices if device is not None]
    listings = dict(zip(devices, Crew(CONCURRENCY).map(_listing(source, policy), devices), strict=True))
    silent = [device for device, found in listings.items() if found is None]
    known = sorted({partition for found in listings.values() if found is not None for partition in found})

    def count_one(partition: int) -> Tally:
        holdings = [
            _holding(source, policy, partition, device, primary=primary, listed=listings[device])
            for device, primary in _concerned(ring, partition, listings)
        ]
        return count(partition, holdings, horizon=horizon)

    tally = total(Crew(CONCURRENCY).map(count_one, known))
    return PolicySurvey(policy, len(devices), tuple(map(_named, silent)), tally)


def _concerned(
    ring: Ring, partition: int, listings: Mapping[Device, frozenset[int] | None]
) -> list[tuple[Device, bool]]:
    primaries = ring.primaries(partition) if partition < ring.partition_count else []
    strangers = [
        device
        for device, found in listings.items()
        if found is not None and partition in found and device not in primaries
    ]
    return [(device, True) for device in primaries] + [(device, False) for device in strangers]


class _Listing(Protocol):
    def __call__(self, device: Device) -> frozenset[int] | None: ...


def _listing(source: Source, policy: Policy) -> _Listing:
    def ask(device: Device) -> frozenset[int] | None:
        try:
            return frozenset(source.partitions(device, policy))
        except (Unavailable, Corrupt, OSError) as problem:
            log.warning(
                "device cannot be surveyed", extra={"device": _named(device), "problem": str(problem)}
            )
            return None

    return ask


def _holding(
    source: Source,
    policy: Policy,
    partition: int,
    device: Device,
    *,
    primary: bool,
    listed: frozenset[int] | None,
) -> Holding:
    if listed is None:
        return Holding(_named(device), primary, None)
    if partition not in listed:
        return Holding(_named(device), primary, {})
    try:
        return Holding(_named(device), primary, source.inventory(device, policy, partition))
    except (Unavailable, Corrupt) as problem:
        log.warning("partition cannot be surveyed", extra={"device": _named(device), "problem": str(problem)})
        return Holding(_named(device), primary, None)


def _named(device: Device) -> str:
    return f"{device.ip}:{device.port}/{device.device}"
