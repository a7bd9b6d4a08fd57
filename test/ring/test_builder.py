"""The laws of the builder: what operators change, and what is remembered between rebalances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ring_worlds import HOUR, NOW, builder_of, device, grid

from apus.common.errors import Refused
from apus.ring.builder import BALANCE_WORST, Builder
from apus.ring.file import decode, encode


def balanced() -> Builder:
    builder = builder_of(grid(1, 3, 2, 2), part_power=6)
    builder.rebalance(seed="1", now=NOW)
    return builder


@pytest.mark.parametrize(("power", "replicas", "hours"), [(33, 3, 1), (-1, 3, 1), (8, 0.5, 1), (8, 3, -1)])
def test_an_impossible_builder_is_refused(power: int, replicas: float, hours: int) -> None:
    """Part power, replicas and hours have their bounds."""
    with pytest.raises(Refused):
        Builder(power, replicas, hours)


def test_ids_are_given_from_the_first_gap() -> None:
    """A removed device's id is used again, since ids are scarce in two bytes."""
    builder = balanced()
    builder.remove(4)
    builder.rebalance(seed="1", now=NOW + 100 * HOUR)
    assert builder.add(device(1, 1, 9, 9)) == 4
    assert builder.add(device(1, 1, 9, 8)) == 12


def test_many_devices_have_wide_ids() -> None:
    """Two bytes number 65,535 devices; then four are used, and files of version 1 can't hold them."""
    builder = Builder(2, 1, 0, devices=[None] * 65_535)
    builder.devices[:65_535] = [device(1, 1, 1, 1)] * 65_535
    assert builder.add(device(1, 1, 2, 2)) == 65_535
    assert builder.id_bytes == 4


def test_a_wide_ring_goes_through_its_file() -> None:
    """Ids beyond two bytes come back."""
    builder = builder_of(grid(1, 3, 1, 1), part_power=4)
    builder.set_id_bytes(4)
    builder.devices += [None] * 70_000
    builder.devices.append(replace(device(1, 4, 1, 1), id=70_003))
    builder.rebalance(seed="1", now=NOW)
    again = decode(encode(builder.ring(), format_version=2, name="x"))
    assert max(int(row.max()) for row in again.rows) == 70_003
    builder.validate()


def test_every_change_counts_as_a_version() -> None:
    """Servers and operators compare versions."""
    builder = balanced()
    versions = [builder.version]
    for change in (
        lambda: builder.add(device(1, 1, 9, 9)),
        lambda: builder.change(0, weight=1.0),
        lambda: builder.remove(1),
        lambda: builder.rebalance(seed="1", now=NOW),
        builder.prepare_power_increase,
        builder.increase_power,
        builder.finish_power_increase,
    ):
        change()
        versions.append(builder.version)
    assert versions == sorted(set(versions))


def test_a_device_marked_for_removal_is_not_changed() -> None:
    """Its weight is 0 until it is gone."""
    builder = balanced()
    builder.remove(3)
    with pytest.raises(Refused):
        builder.change(3, weight=1.0)


def test_ages_grow_by_whole_hours_and_end_at_255() -> None:
    """As one byte in the file keeps them."""
    builder = balanced()
    builder.moved_hours_ago[:2] = (250, 3)
    builder.grow_older(NOW + 59 * 60)
    assert builder.moved_hours_ago[:2].tolist() == [250, 3]
    builder.grow_older(NOW + 10 * HOUR)
    assert builder.moved_hours_ago[:2].tolist() == [255, 13]
    assert builder.seconds_until_free(NOW + 10 * HOUR) == HOUR


def test_a_rebalance_resets_the_age_of_what_changed() -> None:
    """And of nothing else."""
    builder = balanced()
    builder.add(device(1, 1, 0, 9))
    before = builder.table()
    builder.rebalance(seed="1", now=NOW + 5 * HOUR)
    changed = (before != builder.table()).any(axis=1)
    assert (builder.moved_hours_ago[changed] == 0).all()
    assert (builder.moved_hours_ago[~changed] == 5).all()


def test_balance_is_the_worst_distance_from_the_weight() -> None:
    """In percent; a device without weight should hold nothing."""
    builder = balanced()
    assert builder.balance() == 0
    builder.change(0, weight=50.0)
    assert builder.balances()[0] == pytest.approx(16 / (192 * 50 / 1150) * 100 - 100)
    builder.change(0, weight=0.0)
    assert builder.balances()[0] == builder.balance() == BALANCE_WORST


def test_balance_needs_weight() -> None:
    """An empty ring has none."""
    with pytest.raises(Refused):
        Builder(4, 1, 0).balance()


@pytest.mark.parametrize(
    "damage",
    ["nothing assigned", "device gone", "same device twice", "row too short", "port is text"],
)
def test_a_damaged_table_is_found(damage: str) -> None:
    """Each of the ways in which a cluster could not live with it."""
    builder = balanced()
    assert builder.rows is not None
    if damage == "nothing assigned":
        builder.rows = None
    elif damage == "device gone":
        builder.devices[3] = None
    elif damage == "same device twice":
        builder.rows[2] = builder.rows[0]
    elif damage == "row too short":
        builder.rows[2] = builder.rows[2][:-1]
    else:
        builder.rename(0, port="6200")
    with pytest.raises(Refused):
        builder.validate()


def test_a_ring_does_not_follow_its_builder() -> None:
    """What was given out stays as it was."""
    builder = balanced()
    ring = builder.ring()
    builder.rename(0, ip="10.9.9.9")
    builder.rebalance(seed="9", now=NOW + 100 * HOUR)
    assert ring.devices[0] is not None
    assert ring.devices[0].ip != "10.9.9.9"


def test_doubling_partitions_keeps_every_half_where_the_whole_was() -> None:
    """Twice the table, twice the ages."""
    builder = balanced()
    before = builder.table()
    assert not builder.increase_power()
    assert builder.prepare_power_increase()
    assert builder.increase_power()
    assert np.array_equal(np.repeat(before, 2, axis=0), builder.table())
    assert len(builder.moved_hours_ago) == builder.partitions == 128
    assert builder.finish_power_increase()
    builder.validate()
