"""How the golden databases under test/{account,container}/fixtures were made, by stock OpenStack Swift 2.38.3.

    STOCK_VENV/bin/python stock_golden.py SWIFT_SOURCE FOLDER ──▶ FOLDER/*.db.gz, *.db.pending

Runs in stock Swift's virtual environment with its source tree, whose unit tests hold the schemas of early releases.
Nothing of Apus is imported here.
"""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any

START = 1_700_000_000


def moment(seconds: int) -> str:
    """Return an internal timestamp of the fixtures' time."""
    return f"{START + seconds}.00000"


def save(broker: Any, goal: str) -> None:
    """Pack a database and what is pending beside it."""
    if broker.conn:
        broker.conn.close()
    with open(broker.db_file, "rb") as source, gzip.GzipFile(f"{goal}.db.gz", "wb", mtime=0) as packed:
        shutil.copyfileobj(source, packed)
    if os.path.exists(broker.pending_file):
        shutil.copy(broker.pending_file, f"{goal}.db.pending")


def container(backend: Any, folder: str) -> Any:
    """Make today's container: two policies, deletions, a POST, a large object, metadata, sync points."""
    broker = backend.ContainerBroker(f"{folder}/x.db", account="AUTH_golden", container="c é")
    broker.initialize(moment(0), 1)
    broker.update_metadata(
        {
            "X-Container-Meta-Color": ("grün", moment(1)),
            "X-Container-Read": (".r:*", moment(1)),
            "X-Container-Meta-Gone": ("", moment(2)),
        }
    )
    for index in range(40):
        kind = "text/plain; charset=utf-8"
        broker.put_object(
            f"o/{index:02}", moment(index), index, kind, f"{index:032x}", storage_policy_index=1
        )
    broker.put_object("slo", moment(3), 10, "a/b;swift_bytes=1000", "etag", storage_policy_index=1)
    posted = {"ctype_timestamp": moment(5), "meta_timestamp": moment(7)}
    broker.put_object("posted", moment(3), 10, "c/d", "etag", storage_policy_index=1, **posted)
    broker.put_object("other policy", moment(3), 77, "a/b", "etag", storage_policy_index=0)
    broker.get_info()
    for index in range(0, 40, 2):
        broker.delete_object(f"o/{index:02}", moment(100 + index), storage_policy_index=1)
    broker.merge_syncs([{"remote_id": "remote-1", "sync_point": 5}])
    broker.merge_syncs([{"remote_id": "remote-2", "sync_point": 6}], incoming=False)
    broker.get_info()
    broker.put_object("pending", moment(200), 5, "p/q", "etag", storage_policy_index=1)
    return broker


def account(backend: Any, folder: str) -> Any:
    """Make today's account: two policies, deletions, metadata."""
    broker = backend.AccountBroker(f"{folder}/x.db", account="AUTH_golden")
    broker.initialize(moment(0))
    broker.update_metadata({"X-Account-Meta-Temp-Url-Key": ("secret", moment(1))})
    for index in range(20):
        broker.put_container(f"c{index:02}", moment(index), "0", index, index * 10, index % 2)
    broker.get_info()
    for index in range(0, 20, 5):
        broker.put_container(f"c{index:02}", moment(index), moment(index + 100), 0, 0, index % 2)
    broker.get_info()
    broker.put_container("pending", moment(300), "0", 3, 4, 0)
    return broker


def old_container(backend: Any, folder: str) -> Any:
    """Make a container by whatever schema the backend has been given; rows by SQL, for brokers would upgrade it."""
    broker = backend.ContainerBroker(f"{folder}/x.db", account="AUTH_golden", container="old")
    broker.initialize(moment(0), 0)
    with broker.get() as database:
        for index in range(10):
            database.execute(
                "INSERT INTO object (name, created_at, size, content_type, etag, deleted) VALUES (?, ?, ?, ?, ?, ?)",
                (f"o{index}", moment(index), 0 if index % 3 == 0 else index, "a/b", "etag", index % 3 == 0),
            )
        database.commit()
    return broker


def old_account(backend: Any, folder: str) -> Any:
    """Make an account likewise."""
    broker = backend.AccountBroker(f"{folder}/x.db", account="AUTH_golden")
    broker.initialize(moment(0))
    with broker.get() as database:
        for index in range(10):
            database.execute(
                "INSERT INTO container (name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (f"c{index}", moment(index), "0", index, index * 10, 0),
            )
        database.commit()
    return broker


def main() -> None:
    """Make all of them."""
    source, goal = sys.argv[1:3]
    sys.path.insert(0, source)
    utils = importlib.import_module("swift.common.utils")
    utils.HASH_PATH_SUFFIX = b"x"  # type: ignore[attr-defined]
    containers: Any = importlib.import_module("swift.container.backend")
    accounts: Any = importlib.import_module("swift.account.backend")
    old: Any = importlib.import_module("test.unit.container.test_backend")
    older: Any = importlib.import_module("test.unit.account.test_backend")

    def make(name: str, recipe: Callable[[Any, str], Any], backend: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save(recipe(backend, folder), os.path.join(goal, name))

    make("container", container, containers)
    make("account", account, accounts)
    broker = containers.ContainerBroker
    broker.create_shard_range_table = lambda *_: None
    make("container-before-sharding", old_container, containers)
    broker.create_object_table = old.prespi_create_object_table
    broker.create_policy_stat_table = lambda *_: None
    broker.create_container_info_table = old.prespi_create_container_info_table
    make("container-before-policies", old_container, containers)
    broker.create_container_info_table = old.premetadata_create_container_info_table
    make("container-before-metadata", old_container, containers)
    accounts.AccountBroker.create_policy_stat_table = older.pre_track_containers_create_policy_stat
    accounts.AccountBroker.create_container_table = older.pre_track_containers_create_container_table
    make("account-before-container-counts", old_account, accounts)
    accounts.AccountBroker.create_container_table = older.prespi_create_container_table
    accounts.AccountBroker._initialize = older.prespi_AccountBroker_initialize
    make("account-before-policies", old_account, accounts)
    accounts.AccountBroker.create_account_stat_table = older.premetadata_create_account_stat_table
    make("account-before-metadata", old_account, accounts)


if __name__ == "__main__":
    main()
