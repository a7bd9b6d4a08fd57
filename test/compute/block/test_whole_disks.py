"""Disks copied between projects, verified, and exported as plain objects; records beside them."""

from __future__ import annotations

import random

import pytest
from block_store import MemoryStore

from apus.common.errors import Corrupt, Missing, Refused
from apus.compute.block import exporting
from apus.compute.block.config import BlockConfig
from apus.compute.block.copying import copied
from apus.compute.block.exporting import export, remove_export
from apus.compute.block.map import DiskMap
from apus.compute.block.naming import block_name
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.records import Records, projects
from apus.compute.block.stream import resized, write_stream
from apus.compute.block.sweeping import Sweeper
from apus.compute.block.verifying import verified

BLOCK = 4096
CONFIG = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)


def project(store: MemoryStore, name: str) -> Project:
    return Project.open(store, name, CONFIG)


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def test_a_copy_stands_alone() -> None:
    """Copied without a byte through us; it stays whole when the original and its blocks are gone."""
    store = MemoryStore()
    ours, theirs = project(store, "p1"), project(store, "p2")
    data = noise(9 * BLOCK + 1)
    disk = write_stream(ours.maps, [data], map_id="a")
    before = store.bytes_out
    copy = copied(ours.maps, disk, theirs.maps, map_id="b")
    assert store.bytes_out - before < 40_000, "the page and notes"
    assert not theirs.blocks.bytes_sent
    ours.maps.delete("a")
    Sweeper(ours.maps).run(100)
    Sweeper(theirs.maps).run(100)
    assert not store.objects["p1-blocks"]
    assert b"".join(read_range(theirs.maps, copy)) == data


def test_a_copy_killed_at_any_step_is_made_by_the_next() -> None:
    """Whatever request it dies at, the second attempt succeeds, and both projects are swept clean."""
    for step in range(0, 40, 3):
        store = MemoryStore()
        ours, theirs = project(store, "p1"), project(store, "p2")
        disk = write_stream(ours.maps, [noise(3 * BLOCK)], map_id="a")
        with store.dying_at(step):
            copied(ours.maps, disk, theirs.maps, map_id="b")
        copy = copied(ours.maps, disk, theirs.maps, map_id="b")
        assert b"".join(read_range(theirs.maps, copy)) == noise(3 * BLOCK)


def test_a_deleted_disk_is_not_copied() -> None:
    """Missing, and no map in the other project."""
    store = MemoryStore()
    ours, theirs = project(store, "p1"), project(store, "p2")
    disk = write_stream(ours.maps, [noise(BLOCK)], map_id="a")
    ours.maps.delete("a")
    with pytest.raises(Missing):
        copied(ours.maps, disk, theirs.maps)
    assert not list(theirs.maps.list())


def test_verification_finds_what_is_lost_and_mends_what_can_be() -> None:
    """A wrong replica is healed and no loss; a block without right bytes, or without any, is named."""
    store = MemoryStore()
    here = project(store, "p1")
    disk = write_stream(here.maps, [noise(6 * BLOCK)])
    assert verified(here.maps, disk).is_whole
    names = [block_name(digest) for _, digest in disk.blocks()]
    store.flip("p1-blocks", names[0], times=1)
    store.flip("p1-blocks", names[2], times=10**6)
    store.delete("p1-blocks", names[4])
    verdict = verified(here.maps, disk)
    assert (verdict.blocks, verdict.bytes_read, verdict.lost) == (6, 4 * BLOCK, (2, 4))
    assert here.blocks.healed == 1


@pytest.mark.parametrize("limit", [3, 1000])
@pytest.mark.parametrize("size", [0, 1, 5 * BLOCK, 40 * BLOCK + 17])
def test_an_export_is_the_raw_disk(monkeypatch: pytest.MonkeyPatch, limit: int, size: int) -> None:
    """Gaps, a short last block, a disk that has grown, manifests of manifests: one object of the disk's bytes."""
    monkeypatch.setattr(exporting, "SEGMENTS_MAX", limit)
    store = MemoryStore()
    here = project(store, "p1")
    data = bytearray(noise(size))
    data[BLOCK : 20 * BLOCK] = bytes(len(data[BLOCK : 20 * BLOCK]))
    disk = write_stream(here.maps, [bytes(data)], map_id="a")
    export(here.maps, disk, "images", "raw")
    assert store.read("images", "raw") == data
    with here.maps.writing() as writing:
        grown = writing.save(resized(here.maps, writing, disk, size + 3 * BLOCK + 5))
    export(here.maps, grown, "images", "raw")
    assert store.read("images", "raw") == data + bytes(3 * BLOCK + 5)


def test_an_export_keeps_its_blocks_until_it_is_removed() -> None:
    """The disk deleted and swept, the object still reads; removed, nothing is left of it."""
    store = MemoryStore()
    here = project(store, "p1")
    disk = write_stream(here.maps, [noise(5 * BLOCK)], map_id="a")
    export(here.maps, disk, "images", "raw")
    here.maps.delete("a")
    Sweeper(here.maps).run(100)
    assert store.read("images", "raw") == noise(5 * BLOCK)
    remove_export(here.maps, "images", "raw")
    Sweeper(here.maps).run(100)
    assert not store.objects["p1-blocks"]
    assert not store.objects["images"]


def test_records_are_found_again_without_a_catalogue() -> None:
    """What was put is listed by project and kind; a broken one says so."""
    store = MemoryStore()
    records = Records(store, "p1")
    records.put("images", "i1", {"name": "one"})
    records.put("images", "i2", {"name": "two"})
    records.put("volumes", "v1", {"size": 1})
    Records(store, "p2").put("images", "i3", {})
    assert list(projects(store)) == ["p1", "p2"]
    assert list(records.list("images")) == [("i1", {"name": "one"}), ("i2", {"name": "two"})]
    assert records.delete("images", "i1")
    assert not records.delete("images", "i1")
    with pytest.raises(Missing):
        records.get("images", "i1")
    store.put("p1-records", "images/i4", b"{")
    with pytest.raises(Corrupt):
        records.get("images", "i4")


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a" * 200, "ü", "a\nb"])
def test_ids_cannot_leave_their_place(name: str) -> None:
    """What would be another name in the store is refused, for projects, maps and records."""
    store = MemoryStore()
    with pytest.raises(Refused):
        project(store, name)
    here = project(store, "p1")
    with pytest.raises(Refused):
        here.maps.load(name)
    with pytest.raises(Refused):
        here.records.put("images", name, {})


@pytest.mark.parametrize("change", [b'"size":8192', b'"version":2', b'"sum":1'])
def test_a_root_that_is_not_as_written_is_refused(change: bytes) -> None:
    """Another size, another version, another sum: Corrupt, never another disk."""
    store = MemoryStore()
    here = project(store, "p1")
    with here.maps.writing() as writing:
        writing.save(DiskMap.empty(BLOCK, BLOCK), "a")
    body = store.read("p1-maps", "roots/a")
    key = change.partition(b":")[0]
    at = body.index(key)
    end = min(found for found in (body.find(b",", at), body.find(b"}", at)) if found > 0)
    store.put("p1-maps", "roots/a", body[:at] + change + body[end:])
    with pytest.raises(Corrupt):
        here.maps.load("a")


def test_any_backup_of_a_chain_is_as_quickly_restored() -> None:
    """The first, fifth and tenth are made of as many requests and bytes: none rests on the one before."""
    store = MemoryStore()
    here = project(store, "p")
    rng = random.Random(10)
    disk = write_stream(here.maps, [rng.randbytes(40 * BLOCK)], map_id="b1")
    for number in range(2, 11):
        with here.maps.writing() as writing:
            changes = {index: writing.put(rng.randbytes(BLOCK)) for index in rng.sample(range(40), 2)}
            disk = writing.save(disk.with_changes(changes), f"b{number}")
    costs = set()
    for number in (1, 5, 10):
        requests, received = len(store.seen), store.bytes_out
        # One reader at a time: of several, two may fetch the same page of the map.
        opened = Project.open(store, "p", BlockConfig(block_size=BLOCK, block_read_ahead=1))
        assert sum(map(len, read_range(opened.maps, opened.maps.load(f"b{number}")))) == 40 * BLOCK
        costs.add((len(store.seen) - requests, (store.bytes_out - received) // BLOCK))
    assert len(costs) == 1, costs
