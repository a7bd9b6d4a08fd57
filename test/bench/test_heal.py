"""The laws of the figures of healing, and of the world in which it happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apus.object.files import hashes, metadata
from bench.heal import measures
from bench.heal_world import SOURCES, WIPED, HealWorld


def test_what_is_lost_has_two_copies_left(tmp_path: Path) -> None:
    """Each object lies on two of the other nodes, whole, with its suffix hashed; the device has nothing."""
    world = HealWorld(tmp_path / "world", 1, 4, tmp_path)
    world.build(30, 100)
    assert world.healed() == 0
    found = [path for node in SOURCES for path in world.device(node).glob("objects/*/*/*/*.data")]
    assert len(found) == 60
    assert len({path.parent.name for path in found}) == 30
    for path in found:
        assert metadata.read(str(path))["Content-Length"] == str(path.stat().st_size) == "100"
        assert (path.parents[2] / hashes.HASH_FILE).exists()
    assert os.listdir(world.device(WIPED)) == []


def test_cpu_is_told_per_object() -> None:
    """Servers and replicators apart, and in sum."""
    told = measures(1000, 2.0, 0.3, 0.5)
    assert told["objects_per_second"] == 500
    assert told["cpu_ms"] == pytest.approx(0.8)
    assert (told["cpu_ms_object"], told["cpu_ms_daemons"]) == pytest.approx((0.3, 0.5))
