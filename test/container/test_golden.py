"""Container databases that stock OpenStack Swift wrote, of today and of early releases, are read and carried on."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from apus.common.database.listing import Query
from apus.common.timestamp import Timestamp, decode_triple
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow

FIXTURES = Path(__file__).with_name("fixtures")
FOLDER = Path("d1", "containers", "1", "abc", "0" * 29 + "abc")


def unpacked(name: str, root: Path) -> ContainerBroker:
    """Lay a golden database into a device."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    path = folder / f"{FOLDER.name}.db"
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.db.gz").read_bytes()))
    if (FIXTURES / f"{name}.db.pending").exists():
        shutil.copy(FIXTURES / f"{name}.db.pending", f"{path}.pending")
    return ContainerBroker(str(path))


def moment(seconds: int) -> str:
    return Timestamp.of(1_700_000_000 + seconds).internal


def test_todays_database(tmp_path: Path) -> None:
    """Rows, tombstones, policies, POSTs, metadata, sync points and pending rows mean what stock meant."""
    broker = unpacked("container", tmp_path)
    info = broker.info()
    assert (info.account, info.container, info.storage_policy_index) == ("AUTH_golden", "c é", 1)
    assert (info.object_count, info.bytes_used) == (23, sum(range(1, 40, 2)) + 10 + 10 + 5)
    assert broker.policy_stats() == {1: (23, info.bytes_used), 0: (1, 77)}
    names = [row[0] for row in broker.listing(Query(limit=100), 1) if isinstance(row, tuple)]
    assert names == sorted([f"o/{index:02}" for index in range(1, 40, 2)] + ["slo", "posted", "pending"])
    (posted,) = broker.listing(Query(limit=1, prefix="posted"), 1)
    assert isinstance(posted, tuple)
    assert [each.internal for each in decode_triple(posted[1])] == [moment(3), moment(5), moment(7)]
    assert broker.metadata()["X-Container-Meta-Color"] == ("grün", moment(1))
    assert broker.metadata()["X-Container-Meta-Gone"] == ("", moment(2))
    assert broker.sync_point("remote-1", incoming=True) == 5
    assert broker.sync_point("remote-2", incoming=False) == 6


def test_the_rolling_hash_goes_on(tmp_path: Path) -> None:
    """What stock began to hash we go on hashing alike: taking out and putting in leaves the same."""
    broker = unpacked("container", tmp_path)
    before = broker.info().hash
    row = ObjectRow("one more", moment(9), 1, "a/b", "e", 0, 1)
    broker.merge_rows([row])
    assert broker.info().hash != before
    with sqlite3.connect(broker.path) as database:
        rows = database.execute("SELECT name, created_at FROM object").fetchall()
    expected = 0
    for name, created_at in rows:
        expected ^= int(hashlib.md5(f"{name}-{created_at}".encode()).hexdigest(), 16)
    assert int(broker.info().hash, 16) == expected


@pytest.mark.parametrize(
    "name", ["container-before-metadata", "container-before-policies", "container-before-sharding"]
)
def test_early_schemas_are_brought_up_to_date(name: str, tmp_path: Path) -> None:
    """At the first touch, with nothing lost, and then they take rows, metadata and another policy."""
    broker = unpacked(name, tmp_path)
    info = broker.info()
    assert (info.object_count, info.bytes_used, info.storage_policy_index) == (6, 1 + 2 + 4 + 5 + 7 + 8, 0)
    assert info.put_timestamp == moment(0)
    broker.merge_rows([ObjectRow("new", moment(20), 9, "a/b", "e", 0, 1)])
    broker.merge_metadata({"X-Container-Meta-A": ("1", moment(20))})
    broker.put_object(ObjectRow("o1", moment(20), 100, "a/b", "e", 0, 0))
    assert broker.info().bytes_used == 26 + 100
    assert broker.policy_stats()[1] == (1, 9)
    assert broker.metadata() == {"X-Container-Meta-A": ("1", moment(20))}
    assert broker.replication_info()["max_row"] == 12


def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    """Another process may have been first."""
    broker = unpacked("container-before-metadata", tmp_path)
    broker.info()
    with sqlite3.connect(broker.path) as database:
        before = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    again = ContainerBroker(broker.path)
    again.info()
    with sqlite3.connect(broker.path) as database:
        assert database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before
