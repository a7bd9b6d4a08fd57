"""Laws of the order in which devices are asked."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.proxy.nodes import (
    FARTHEST,
    Candidate,
    NodeCount,
    ReadAffinity,
    WriteAffinity,
    at_home_first,
    candidates,
    order_for_reading,
    order_for_writing,
    shuffled,
)
from apus.ring.device import Device


def device(number: int, region: int = 1, zone: int = 1) -> Device:
    ip = f"10.0.{region}.{number}"
    return Device(number, region, zone, ip, 6200, ip, 6200, f"d{number}")


@st.composite
def devices(draw: st.DrawFn) -> list[Device]:
    places = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=8))
    return [device(number, region, zone) for number, (region, zone) in enumerate(places)]


@given(devices(), st.integers())
def test_reading_order_loses_nobody(known: list[Device], seed: int) -> None:
    """Every primary is asked once, in whatever order."""
    ordered = order_for_reading(known, dice=random.Random(seed))
    assert sorted(each.id for each in ordered) == [each.id for each in known]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_equals_share_the_load(count: int) -> None:
    """Every order comes up about as often as any other."""
    dice, tries = random.Random(count), 300 * math.factorial(count)
    orders = Counter(tuple(shuffled(range(count), dice)) for _ in range(tries))
    assert len(orders) == math.factorial(count)
    assert all(200 < times < 400 for times in orders.values())


@given(devices(), st.integers())
def test_near_ones_are_read_first(known: list[Device], seed: int) -> None:
    """With read affinity the ranks never fall."""
    affinity = ReadAffinity.parse("r1z1=100, r1=200, r2=300")
    ordered = order_for_reading(known, dice=random.Random(seed), affinity=affinity)
    ranks = [affinity.rank(each) for each in ordered]
    assert ranks == sorted(ranks)


@given(devices(), st.integers())
def test_fast_ones_are_read_first(known: list[Device], seed: int) -> None:
    """With timings, unknown devices come first (to be timed), then the fastest."""
    timings = {each.ip: each.id / 10 for each in known if each.id % 2}
    ordered = order_for_reading(known, dice=random.Random(seed), timings=timings)
    waits = [timings.get(each.ip, -1.0) for each in ordered]
    assert waits == sorted(waits)


def test_a_zone_rule_is_more_exact_than_its_region() -> None:
    """r1z2=50 beats r1=200 for zone 2, whatever order they are written in."""
    affinity = ReadAffinity.parse("r1=200, r1z2=50")
    assert affinity.rank(device(1, 1, 2)) == 50
    assert affinity.rank(device(1, 1, 1)) == 200
    assert affinity.rank(device(1, 2, 1)) == FARTHEST


@pytest.mark.parametrize("text", ["r1", "z1=3", "r1z=3", "r1=x", "1=2", "r1=1;r2=2"])
def test_a_malformed_read_affinity_is_refused(text: str) -> None:
    """A typing error stops the start instead of sending reads around the world."""
    with pytest.raises(Refused, match="read_affinity"):
        ReadAffinity.parse(text)


@given(devices(), devices(), st.integers(0, 8))
def test_local_devices_are_written_first(primaries: list[Device], handoffs: list[Device], count: int) -> None:
    """The first `count` are local as far as there are local ones; nobody is lost or asked twice."""
    handoffs = [device(100 + each.id, each.region, each.zone) for each in handoffs]
    affinity = WriteAffinity.parse("r1, r2z2")
    ordered = list(order_for_writing(primaries, handoffs, affinity=affinity, local_count=count))
    assert sorted(each.device.id for each in ordered) == sorted(each.id for each in [*primaries, *handoffs])
    local = sum(affinity.is_local(each) for each in [*primaries, *handoffs])
    assert all(affinity.is_local(each.device) for each in ordered[: min(count, local)])
    assert {each.device.id for each in ordered if each.primary} == {each.id for each in primaries}


@given(devices(), st.sets(st.integers(0, 7)), st.integers(0, 10))
def test_limited_devices_are_the_last_resort(known: list[Device], limited: set[int], count: int) -> None:
    """Resting devices come after all others, marked, and never beyond the request's share."""
    ordered = at_home_first(known, [])
    asked = list(candidates(ordered, count=count, is_limited=lambda each: each.id in limited))
    free = [each.id for each in known if each.id not in limited]
    resting = [each.id for each in known if each.id in limited]
    assert [each.device.id for each in asked] == [*free, *resting][:count]
    assert all(each.resting == (each.device.id in limited) for each in asked)


def test_a_device_that_fails_while_asked_is_replaced() -> None:
    """One that becomes limited during its turn does not use up the share."""
    known = [device(number) for number in range(4)]
    limited: set[int] = set()
    asked: list[Candidate] = []
    for candidate in candidates(
        at_home_first(known, []), count=2, is_limited=lambda each: each.id in limited
    ):
        asked.append(candidate)
        if candidate.device.id == 0:
            limited.add(0)
    assert [each.device.id for each in asked] == [0, 1, 2]


def test_a_node_count_is_a_number_or_a_multiple() -> None:
    """`6` and `2 * replicas` are understood, anything else is refused."""
    assert NodeCount.parse("6").of(3) == 6
    assert NodeCount.parse("2 * replicas").of(3) == 6
    with pytest.raises(Refused):
        NodeCount.parse("2 x replicas")
