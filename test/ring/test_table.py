"""The laws of lookup: all programs that hold the same ring answer alike, stock Swift's too."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from ring_worlds import World, built, worlds

from apus.ring.file import read_ring_file
from apus.ring.table import Ring

FIXTURES = Path(__file__).parent / "fixtures"
ANSWERS = json.loads((FIXTURES / "answers.json").read_text())


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_primaries_are_those_of_stock_swift(name: str) -> None:
    """Same devices in the same order."""
    ring = Ring.load(FIXTURES / name)
    for partition, answer in ANSWERS[name].items():
        assert [device.id for device in ring.primaries(int(partition))] == answer["primaries"]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_handoffs_are_those_of_stock_swift(name: str) -> None:
    """All of them, in the same order, for large tables that are walked in strides too."""
    ring = Ring.load(FIXTURES / name)
    for partition, answer in ANSWERS[name].items():
        assert [device.id for device in ring.handoffs(int(partition))] == answer["handoffs"]


def test_a_ring_says_what_it_is() -> None:
    """The figures that servers and recon report."""
    ring = Ring.load(FIXTURES / "holes.ring.gz")
    assert (ring.part_power, ring.partition_count, ring.replica_count) == (6, 64, 3.0)
    assert ring.next_part_power == 7
    assert ring.version == read_ring_file(FIXTURES / "holes.ring.gz").version
    assert ring.size == (FIXTURES / "holes.ring.gz").stat().st_size
    assert ring.devices[5] is None


def test_a_partition_is_the_top_bits_of_the_hash() -> None:
    """Part power many of them."""
    ring = Ring.load(FIXTURES / "plain.ring.gz")
    assert ring.partition("ff" + "0" * 30) == 127
    assert ring.partition("01ffffffff" + "0" * 22) == 0
    assert ring.partition("02" + "0" * 30) == 1


def test_a_ring_without_assignments_has_no_devices_to_offer() -> None:
    """Before the first rebalance there is nobody to ask."""
    ring = Ring.load(FIXTURES / "unassigned.ring.gz")
    assert ring.partition_count == 0
    assert ring.primaries(0) == []
    assert list(ring.handoffs(0)) == []


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_everyone_is_primary_or_handoff_once(world: World) -> None:
    """Primaries and handoffs together are the devices that hold anything, each once.

    The walk's second lap leaves out partition 0, in stock Swift too: who holds only that one may be missing.
    """
    ring = Ring(built(world).ring())
    elsewhere = {int(id_) for row in ring.data.rows for id_ in row[1:]}
    for partition in range(0, ring.partition_count, 7):
        primaries = [device.id for device in ring.primaries(partition)]
        handoffs = [device.id for device in ring.handoffs(partition)]
        assert len({*primaries, *handoffs}) == len(primaries) + len(handoffs)
        assert elsewhere <= {*primaries, *handoffs} <= set(ring.assigned_ids)


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_handoffs_come_from_far_first(world: World) -> None:
    """No stand-in repeats a region while one in a region met nowhere yet is left."""
    ring = Ring(built(world).ring())
    order = list(ring.handoffs(0))
    met = {device.region for device in ring.primaries(0)}
    for place, device in enumerate(order):
        left = {later.region for later in order[place:]}
        assert left <= met or device.region not in met
        met.add(device.region)


def test_the_first_handoffs_cost_little() -> None:
    """A caller that wants three does not pay for all."""
    ring = Ring.load(FIXTURES / "striding.ring.gz")
    walked = list(islice(ring.handoffs(5), 1))
    assert len(walked) == 1
