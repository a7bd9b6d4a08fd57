"""Rings and builders go back and forth between stock Swift's tools and ours, and nobody notices."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ring_worlds import HOUR, NOW, World, builder_of, changed, device, grid
from stock import stock_venv

from apus.ring.builder import Builder
from apus.ring.builder_file import read_builder, write_builder
from apus.ring.console.program import run
from apus.ring.file import write_ring_file
from apus.ring.table import Ring

pytestmark = pytest.mark.interop

ASK_RING = """
import json, random, sys
from swift.common import utils
utils.HASH_PATH_SUFFIX = b"x"
from swift.common.ring import Ring
ring = Ring(sys.argv[1])
parts = random.Random(1).sample(range(ring.partition_count), min(200, ring.partition_count))
json.dump({p: [[n["id"] for n in ring.get_part_nodes(p)], [n["id"] for n in ring.get_more_nodes(p)]]
           for p in parts}, sys.stdout)
"""
REBALANCE = """
import json, sys
from swift.common.ring.builder import RingBuilder
builder = RingBuilder.load(sys.argv[1])
builder.pretend_min_part_hours_passed()
changed, balance, removed = builder.rebalance(seed=sys.argv[2])
builder.validate()
builder.save(sys.argv[1])
json.dump({"changed": changed, "balance": balance, "dispersion": builder.dispersion}, sys.stdout)
"""
COUNT_DISPERSION = """
import json, sys
from swift.common.ring.builder import RingBuilder
builder = RingBuilder.load(sys.argv[1])
builder._build_dispersion_graph()
json.dump([builder.dispersion, builder.get_balance(), builder.get_required_overload()], sys.stdout)
"""


def stock_answers(program: str, *arguments: object) -> Any:
    command = [str(stock_venv() / "bin" / "python"), "-c", program, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def stock_tool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(stock_venv() / "bin" / "swift-ring-builder"), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


WORLDS = [
    World(tuple(grid(1, 4, 2, 3)), 3, 8, 0.0),
    World(tuple(grid(2, 2, 3, 2, (50.0, 100.0, 200.0))), 3.25, 9, 0.1),
    World((*grid(1, 3, 2, 2), device(2, 1, 0, 0), device(2, 1, 1, 0)), 3, 8, 0.0),
    World(tuple(grid(1, 2, 2, 2)), 2, 17, 0.0),
    World(tuple(grid(1, 5, 4, 2)), 6, 7, 1.0),
]


@pytest.mark.parametrize("format_version", [1, 2])
@pytest.mark.parametrize("world", WORLDS, ids=range(len(WORLDS)))
def test_stock_finds_the_same_devices_in_our_rings(tmp_path: Path, world: World, format_version: int) -> None:
    """Primaries and every handoff, in order, after some changes that leave holes."""
    builder = builder_of(
        list(world.devices), replicas=world.replicas, part_power=world.part_power, overload=world.overload
    )
    builder.rebalance(seed="1", now=NOW)
    dice = random.Random(3)
    for step in range(3):
        changed(builder, dice)
        builder.rebalance(seed="1", now=NOW + (step + 1) * 100 * HOUR)
    path = tmp_path / "object.ring.gz"
    write_ring_file(builder.ring(), path, format_version=format_version)
    ring = Ring.load(path)
    for partition, (primaries, handoffs) in stock_answers(ASK_RING, path).items():
        assert [each.id for each in ring.primaries(int(partition))] == primaries
        assert [each.id for each in ring.handoffs(int(partition))] == handoffs


def test_a_builder_changes_hands_at_every_step(tmp_path: Path) -> None:
    """Ours makes it, stock's rebalances, ours changes it, and so on; both always find it valid."""
    path = tmp_path / "object.builder"
    assert run([str(path), "create", "8", "3", "1"]) == 0
    for zone in range(1, 5):
        assert run([str(path), "add", f"r1z{zone}-10.0.0.{zone}:6200/sda", "100"]) == 0
    assert stock_tool(path, "rebalance", "--seed", "1").returncode == 0
    assert stock_tool(path, "add", "r1z1-10.0.0.1:6200/sdb", "50").returncode == 0
    assert run([str(path), "set_weight", "d2", "60"]) == 0
    assert run([str(path), "pretend_min_part_hours_passed"]) == 0
    assert run([str(path), "rebalance"]) in (0, 1)
    assert stock_tool(path, "validate").returncode == 0
    assert "up-to-date" in stock_tool(path).stdout
    assert stock_tool(path, "remove", "d0").returncode == 0
    assert run([str(path), "rebalance", "-f"]) in (0, 1)
    assert run([str(path), "validate"]) == stock_tool(path, "validate").returncode == 0
    assert "up-to-date" in stock_tool(path).stdout


@pytest.mark.parametrize("world", WORLDS[:3], ids=range(3))
def test_stock_counts_dispersion_and_balance_as_we_do(tmp_path: Path, world: World) -> None:
    """The same table gets the same marks from both; stock leaves partitions of a short row out."""
    builder = builder_of(
        list(world.devices),
        replicas=int(world.replicas),
        part_power=world.part_power,
        overload=world.overload,
    )
    builder.rebalance(seed="1", now=NOW)
    path = tmp_path / "object.builder"
    write_builder(builder, path)
    dispersion, balance, overload = stock_answers(COUNT_DISPERSION, path)
    assert builder.dispersion == pytest.approx(dispersion)
    assert builder.balance() == pytest.approx(balance)
    assert builder.required_overload() == pytest.approx(overload)


@pytest.mark.parametrize("seed", range(6))
def test_our_rebalance_is_no_worse_than_stocks(tmp_path: Path, seed: int) -> None:
    """From the same builder: dispersion no worse, and no more moved, or else better balanced."""
    dice = random.Random(seed)
    start = builder_of(grid(1, 4, 3, 3, (100.0, 100.0, 150.0)), part_power=9, overload=0.1)
    start.rebalance(seed="1", now=NOW)
    for _ in range(3):
        changed(start, dice)
    theirs_path = tmp_path / "theirs.builder"
    write_builder(start, theirs_path)
    ours: Builder = read_builder(theirs_path)
    theirs = stock_answers(REBALANCE, theirs_path, "1")
    ours.pretend_min_part_hours_passed()
    outcome = ours.rebalance(seed="1", now=NOW + 1000 * HOUR)
    assert (ours.dispersion or 0) <= theirs["dispersion"] + 0.1
    assert outcome.balance <= theirs["balance"] * 1.05 + 1 or (ours.dispersion or 0) < theirs["dispersion"]
    assert outcome.changed <= theirs["changed"] * 1.05 + 4 or outcome.balance < theirs["balance"]
