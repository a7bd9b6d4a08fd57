"""The block layer with stock OpenStack Swift alone as its store."""

from __future__ import annotations

import random
import uuid
from pathlib import Path

import pytest
from clusters import ROOT, AllInOne
from mixed import FULL, functional_tests
from stock import StockPrograms
from store import KEYS

from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.skipif(not FULL, reason="a whole cluster of stock's, with APUS_INTEROP=full"),
]
BLOCK = 1 << 18
BLOCKS = 12


def data_files(cluster: AllInOne) -> set[Path]:
    return {
        file
        for device in cluster.status()["devices"]
        for file in Path(device["path"]).glob("objects*/*/*/*/*.data")
    }


def test_stock_alone_is_a_store(cluster: AllInOne, stock: StockPrograms) -> None:
    """The functional tests of block layer and services pass; a disk of which one replica of each block has a flipped bit is read right."""
    stock.replace_proxy()
    for number in range(1, cluster.nodes + 1):
        stock.replace_node(f"node{number}")
    chosen = (
        ROOT / "test" / "functional" / f"test_{name}.py" for name in ("block_layer", "images", "volumes")
    )
    functional_tests(cluster, "stock/stock", *chosen)
    config = StoreConfig(
        store_auth_url=f"{cluster.store.endpoint}/auth/v1.0",
        store_user="test:tester",
        store_key=KEYS["test:tester"],
    )
    project_id = uuid.uuid4().hex
    here = Project.open(Account(config), project_id, BlockConfig(block_size=BLOCK, block_read_attempts=40))
    rng = random.Random(6)
    data = rng.randbytes(BLOCKS * BLOCK)
    before = data_files(cluster)
    disk = write_stream(here.maps, [data])
    victims: dict[str, Path] = {}
    for file in sorted(data_files(cluster) - before):
        if file.stat().st_size == BLOCK:
            victims.setdefault(file.parent.name, file)
    assert len(victims) == BLOCKS
    for file in victims.values():
        with file.open("r+b") as handle:
            handle.seek(rng.randrange(BLOCK))
            place = handle.tell()
            byte = handle.read(1)[0]
            handle.seek(place)
            handle.write(bytes([byte ^ 1]))
    assert b"".join(read_range(here.maps, disk)) == data
    assert here.blocks.damaged
    assert here.blocks.healed
