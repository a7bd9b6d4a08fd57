"""The block layer over a real store, by an ordinary account of it."""

from __future__ import annotations

import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from store import KEYS, Store

from apus.common.errors import Missing
from apus.compute.block.config import BlockConfig
from apus.compute.block.copying import copied
from apus.compute.block.exporting import export, remove_export
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.block.sweeping import Sweeper
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig
from apus.compute.store.errors import Exists, LoginRefused

BLOCK = 1 << 16
CONFIG = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)
USER = "test:tester"


def settings(store: Store, key: str = KEYS[USER]) -> StoreConfig:
    return StoreConfig(store_auth_url=f"{store.endpoint}/auth/v1.0", store_user=USER, store_key=key)


@pytest.fixture
def account(store: Store) -> Account:
    return Account(settings(store))


def emptied(account: Account, *projects: str) -> None:
    for project_id in projects:
        for kind in ("blocks", "maps", "records"):
            container = f"{project_id}-{kind}"
            for row in account.names(container):
                account.delete(container, row.name)
            account.remove_container(container)


@pytest.fixture
def projects(account: Account) -> Iterator[tuple[Project, Project]]:
    """Two projects of the account, gone afterwards."""
    ids = (uuid.uuid4().hex, uuid.uuid4().hex)
    yield Project.open(account, ids[0], CONFIG), Project.open(account, ids[1], CONFIG)
    emptied(account, *ids)


@pytest.mark.usefixtures("alike_servers")
def test_a_disk_from_its_upload_to_its_last_block(
    projects: tuple[Project, Project], account: Account, store: Store, tmp_path: Path
) -> None:
    """Written, read, changed, copied, exported for `swift download`, deleted, swept: nothing lost, nothing left."""
    here, there = projects
    data = random.Random(1).randbytes(9 * BLOCK) + bytes(30 * BLOCK) + b"the end"
    disk = write_stream(here.maps, [data], size=len(data), map_id="first")
    assert b"".join(read_range(here.maps, here.maps.load("first"), 5, 9 * BLOCK)) == data[5 : 9 * BLOCK + 5]
    with here.maps.writing() as writing:
        second = writing.save(disk.with_changes({3: writing.put(b"\1" * BLOCK)}), "second")
        with pytest.raises(Exists):
            writing.save(disk, "second")
    copy = copied(here.maps, second, there.maps, map_id="copy")
    container = f"{here.blocks.project_id}-export"
    export(here.maps, disk, container, "disk.raw")
    fetched = tmp_path / "disk.raw"
    command = [
        str(Path(sys.executable).with_name("swift")),
        "-A",
        f"{store.endpoint}/auth/v1.0",
        "-U",
        USER,
        "-K",
        KEYS[USER],
    ]
    subprocess.run([*command, "download", container, "disk.raw", "-o", str(fetched)], check=True)
    assert fetched.read_bytes() == data
    remove_export(here.maps, container, "disk.raw")
    account.remove_container(container)
    here.maps.delete("first")
    Sweeper(here.maps).run(120)
    changed = data[: 3 * BLOCK] + b"\1" * BLOCK + data[4 * BLOCK :]
    assert b"".join(read_range(here.maps, here.maps.load("second"))) == changed
    here.maps.delete("second")
    Sweeper(here.maps).run(120)
    assert [row.name for row in account.names(here.blocks.container)] == [f"zeros/{BLOCK}"]
    assert b"".join(read_range(there.maps, copy)) == changed
    with pytest.raises(Missing):
        here.maps.load("second")


def test_records_are_found_in_the_store(projects: tuple[Project, Project]) -> None:
    """Put, listed, read, removed."""
    here, there = projects
    here.records.put("images", "i", {"name": "é"})
    assert list(here.records.list("images")) == [("i", {"name": "é"})]
    assert not list(there.records.list("images"))
    assert here.records.delete("images", "i")
    assert not list(here.records.list("images"))


def test_a_wrong_key_is_said(store: Store) -> None:
    """LoginRefused, for an operator to act on."""
    with pytest.raises(LoginRefused):
        Account(settings(store, key="wrong")).read("c", "o")
