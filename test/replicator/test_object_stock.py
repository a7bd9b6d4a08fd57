"""Our replicator among stock Swift's object servers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_nodes import ROOT, ObjectNodes

pytestmark = pytest.mark.interop


def cluster(folder: Path, stock: set[int]) -> ObjectNodes:
    venv = Path(os.environ.get("APUS_STOCK_VENV", ROOT / ".venv-stock"))
    if not (venv / "bin" / "swift-object-server").exists():
        pytest.skip(f"stock OpenStack Swift is not installed in {venv}")
    made = ObjectNodes(folder / "nodes", stock_venv=venv, stock=frozenset(stock))
    made.start()
    return made


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[ObjectNodes]:
    made = cluster(tmp_path, {0, 1, 2, 3})
    yield made
    made.stop()


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[ObjectNodes]:
    made = cluster(tmp_path, {2, 3})
    yield made
    made.stop()


def test_a_wiped_device_is_healed_among_stock_servers(nodes: ObjectNodes) -> None:
    """Plain PUT, POST and DELETE are all that a stock server needs to be brought up to date."""
    now = time.time()
    names = [f"o{number}" for number in range(20)]
    for name in names:
        nodes.put(name, name.encode() * 100, now - 100, headers={"X-Object-Meta-Color": "blau"})
    nodes.post("o1", now - 50, on=nodes.primaries("o1"), headers={"X-Object-Meta-Color": "rot"})
    nodes.delete("o2", now - 40, on=nodes.primaries("o2"))
    expected = {(name, node): nodes.files(name, node) for name in names for node in nodes.primaries(name)}
    nodes.wipe(1)
    nodes.replicate()
    assert {key: nodes.files(*key) for key in expected} == expected
    node = nodes.primaries("o1")[0]
    status, headers, body = nodes.request(1 if 1 in nodes.primaries("o1") else node, "GET", "o1")
    assert (status, body, headers["X-Object-Meta-Color"]) == (200, b"o1" * 100, "rot")


def test_a_handoff_is_returned_to_stock_servers(nodes: ObjectNodes) -> None:
    """The copy in the wrong place goes only to be in the right one."""
    now = time.time()
    handoff = nodes.others("x")[0]
    nodes.put("x", b"body" * 50000, now, on=[handoff])
    nodes.replicate(handoff)
    assert nodes.holders("x") == sorted(nodes.primaries("x"))


@pytest.mark.parametrize("lost", [1, 2], ids=["ours", "stock's"])
def test_a_mixed_cluster_heals_either_kind(mixed: ObjectNodes, lost: int) -> None:
    """Two nodes of each in one ring: whoever loses a disk gets everything back, and hashes agree."""
    now = time.time()
    names = [f"o{number}" for number in range(12)]
    for name in names:
        mixed.put(name, name.encode() * 100, now - 100, headers={"X-Object-Meta-Color": "gr\u00c3\u00bcn"})
    mixed.post("o1", now - 50, on=mixed.primaries("o1"), headers={"X-Object-Meta-Color": "rot"})
    mixed.delete("o2", now - 40, on=mixed.primaries("o2"))
    expected = {(name, node): mixed.files(name, node) for name in names for node in range(4)}
    mixed.wipe(lost)
    mixed.replicate()
    assert {key: mixed.files(*key) for key in expected} == expected
    again = mixed.replicate()
    assert all(each.total().objects_pushed == 0 and not each.total().suffix_sync for each in again)
