"""The laws of the survey over devices that lie at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lone_files import directory, lay_data, lay_tombstone

from apus.common.policies import Policy
from apus.common.timestamp import ZERO
from apus.replicator.survey import PolicySurvey, Walked, survey
from apus.ring.device import Device
from apus.ring.file import RingData
from apus.ring.table import Ring

POLICY = Policy(index=0, name="gold", default=True)
DIGESTS = [f"{number:031x}f" for number in range(1, 9)]


@pytest.fixture
def devices(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"d{number}" for number in range(4)]
    for path in found:
        path.mkdir()
    return found


def ring() -> Ring:
    """Two partitions on four devices: the primaries of both are 0, 1 and 2."""
    disks: list[Device | None] = [
        Device(number, 1, number, "10.0.0.1", 6200, "10.0.0.1", 6200, f"d{number}") for number in range(4)
    ]
    return Ring(RingData(disks, 31, [np.array([number, number], dtype=np.uint16) for number in range(3)]))


def surveyed(devices: list[Path]) -> PolicySurvey:
    source = Walked({number: str(path) for number, path in enumerate(devices)})
    return survey(ring(), POLICY, source, horizon=ZERO)


def test_complete_copies_are_settled(devices: list[Path]) -> None:
    """Every object on each of its primaries and nowhere else."""
    for device in devices[:3]:
        for number, digest in enumerate(DIGESTS):
            lay_data(directory(device, number % 2, digest), 1000)
    found = surveyed(devices)
    assert found.settled
    assert (found.tally.objects, found.tally.partitions) == (len(DIGESTS), 2)
    assert dict(found.tally.copies) == {3: len(DIGESTS)}


def test_what_is_missing_and_misplaced_is_counted_exactly(devices: list[Path]) -> None:
    """One object short, one too many, one deletion not told."""
    for device in devices[:3]:
        lay_data(directory(device, 0, DIGESTS[0]), 1000)
    for device in devices[:2]:
        lay_data(directory(device, 0, DIGESTS[1]), 1000)
        lay_tombstone(directory(device, 1, DIGESTS[2]), 1000)
    lay_data(directory(devices[3], 0, DIGESTS[0]), 1000)
    found = surveyed(devices)
    tally = found.tally
    assert found.exact
    assert not found.settled
    assert (tally.objects, tally.objects_below, tally.objects_above) == (2, 1, 1)
    assert (tally.partitions, tally.partitions_below, tally.partitions_above) == (2, 1, 1)
    assert (tally.stale_handoffs, tally.tombstones, tally.tombstones_below) == (1, 1, 1)
    assert found.as_json(5)["shortages"] == [{"partition": 0, "hash": DIGESTS[1], "copies": 2, "expected": 3}]


def test_a_device_that_is_away_makes_it_a_bound(devices: list[Path]) -> None:
    """Its name is told, and nothing is called settled."""
    for device in devices[:3]:
        lay_data(directory(device, 0, DIGESTS[0]), 1000)
    devices[1] = devices[1] / "nowhere"
    found = surveyed(devices)
    assert (found.exact, found.settled, found.silent) == (False, False, ("10.0.0.1:6200/d1",))
    assert found.tally.objects_below == 1
