"""Filling a container by writing its databases, for Apus and stock Swift alike: their format is the same.

    devices of a cluster, account, container, names ──▶ a row for each name in every replica of its database

Only listings work afterwards: there are no objects behind the rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow

SIZE_BYTES = 4096
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
BATCH = 10_000


def fill(devices: Sequence[Path], account: str, container: str, names: Sequence[str]) -> None:
    """Write the rows; the container must exist."""
    moment = f"{time.time():.5f}"
    brokers = list(replicas(devices, account, container))
    assert brokers, f"no database of {account}/{container}"
    for broker in brokers:
        for start in range(0, len(names), BATCH):
            broker.merge_rows(
                ObjectRow(name, moment, SIZE_BYTES, "application/octet-stream", ETAG, 0, 0)
                for name in names[start : start + BATCH]
            )
        broker.close()


def replicas(devices: Sequence[Path], account: str, container: str) -> Iterator[ContainerBroker]:
    """The container's databases on those devices."""
    for device in devices:
        for path in device.glob("containers/*/*/*/*.db"):
            broker = ContainerBroker(str(path))
            info = broker.info()
            if (info.account, info.container) == (account, container):
                yield broker
            else:
                broker.close()
