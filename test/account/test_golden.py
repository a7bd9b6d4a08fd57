"""Account databases that stock OpenStack Swift wrote, of today and of early releases, are read and carried on."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from apus.account.broker import AccountBroker, PolicyStat
from apus.account.rows import reported
from apus.common.database.listing import Query
from apus.common.timestamp import Timestamp

FIXTURES = Path(__file__).with_name("fixtures")
FOLDER = Path("d1", "accounts", "1", "abc", "0" * 29 + "abc")


def unpacked(name: str, root: Path) -> AccountBroker:
    """Lay a golden database into a device."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    path = folder / f"{FOLDER.name}.db"
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.db.gz").read_bytes()))
    if (FIXTURES / f"{name}.db.pending").exists():
        shutil.copy(FIXTURES / f"{name}.db.pending", f"{path}.pending")
    return AccountBroker(str(path))


def moment(seconds: int) -> str:
    return Timestamp.of(1_700_000_000 + seconds).internal


def test_todays_database(tmp_path: Path) -> None:
    """Counts, deletions, policies, metadata and pending rows mean what stock meant."""
    broker = unpacked("account", tmp_path)
    info = broker.info()
    live = [index for index in range(20) if index % 5]
    assert (info.account, info.container_count) == ("AUTH_golden", len(live) + 1)
    assert info.object_count == sum(live) + 3
    odd = [index for index in live if index % 2]
    assert broker.policy_stats()[1] == PolicyStat(len(odd), sum(odd), sum(odd) * 10)
    names = [row[0] for row in broker.listing(Query(limit=100)) if isinstance(row, tuple)]
    assert names == [f"c{index:02}" for index in live] + ["pending"]
    assert broker.metadata() == {"X-Account-Meta-Temp-Url-Key": ("secret", moment(1))}


@pytest.mark.parametrize(
    "name", ["account-before-metadata", "account-before-policies", "account-before-container-counts"]
)
def test_early_schemas_are_brought_up_to_date(name: str, tmp_path: Path) -> None:
    """At the first touch, with nothing lost, and then they take rows, metadata and policies."""
    broker = unpacked(name, tmp_path)
    info = broker.info()
    assert (info.container_count, info.object_count, info.bytes_used) == (10, 45, 450)
    assert broker.policy_stats()[0] == PolicyStat(10, 45, 450)
    broker.put_container(
        reported(
            "new",
            put_timestamp=moment(20),
            delete_timestamp="0",
            object_count=1,
            bytes_used=2,
            policy_index=1,
        )
    )
    broker.merge_metadata({"X-Account-Meta-A": ("1", moment(20))})
    assert broker.policy_stats() == {0: PolicyStat(10, 45, 450), 1: PolicyStat(1, 1, 2)}
    assert broker.info().container_count == 11
    assert broker.metadata() == {"X-Account-Meta-A": ("1", moment(20))}
