"""Unreadable databases are found before anybody asks for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from apus.account.auditor import AccountAuditor
from apus.account.broker import AccountBroker
from apus.common.timestamp import Timestamp
from apus.container.auditor import ContainerAuditor
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow


def options(root: Path) -> dict[str, str]:
    return {
        "devices": str(root / "srv"),
        "mount_check": "false",
        "recon_cache_path": str(root),
        "containers_per_second": "0",
        "accounts_per_second": "0",
    }


def place(root: Path, datadir: str, number: int) -> str:
    name = f"{number:032x}"
    return str(root / "srv" / "d1" / datadir / str(number) / name[-3:] / name / f"{name}.db")


def test_containers(tmp_path: Path) -> None:
    """The corrupt one goes into quarantine, the others pass, and recon is told."""
    at = Timestamp.of(1)
    brokers = [ContainerBroker(place(tmp_path, "containers", number)) for number in range(3)]
    for broker in brokers:
        broker.initialize("a", "c", put_timestamp=at.internal, policy_index=0, now=at)
        broker.merge_rows(
            [ObjectRow(f"o{index:05}", at.internal, 1, "a/b", "e", 0, 0) for index in range(1000)]
        )
        broker.close()
    data = bytearray(Path(brokers[1].path).read_bytes())
    data[20000:60000] = os.urandom(40000)
    Path(brokers[1].path).write_bytes(data)
    ContainerAuditor(options(tmp_path)).run_once()
    assert [broker.exists() for broker in brokers] == [True, False, True]
    assert os.listdir(tmp_path / "srv" / "d1" / "quarantined" / "containers") == [f"{1:032x}"]
    figures = json.loads((tmp_path / "container.recon").read_text())
    assert (figures["container_audits_passed"], figures["container_audits_failed"]) == (2, 1)
    assert figures["container_auditor_pass_completed"] > 0


def test_accounts(tmp_path: Path) -> None:
    """Counts that are not the sum of the policies' fail the audit; the database stays."""
    import sqlite3

    at = Timestamp.of(1)
    brokers = [AccountBroker(place(tmp_path, "accounts", number)) for number in range(2)]
    for broker in brokers:
        broker.initialize("a", put_timestamp=at.internal, now=at)
        broker.close()
    with sqlite3.connect(brokers[0].path) as database:
        database.execute("UPDATE account_stat SET object_count = 5")
    AccountAuditor(options(tmp_path)).run_once()
    assert all(broker.exists() for broker in brokers)
    figures = json.loads((tmp_path / "account.recon").read_text())
    assert (figures["account_audits_passed"], figures["account_audits_failed"]) == (1, 1)
