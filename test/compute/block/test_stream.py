"""Disks written from streams and read back."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from block_store import MemoryStore
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt, OutOfSpace, Refused, Unavailable
from apus.compute.block.config import BlockConfig
from apus.compute.block.map import DiskMap
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import cut, resized, write_stream
from apus.compute.block.sweeping import Sweeper
from apus.compute.store.errors import Exists, Undecidable

BLOCK = 4096


def project(store: MemoryStore | None = None, name: str = "p1") -> Project:
    return Project.open(store or MemoryStore(), name, BlockConfig(block_size=BLOCK))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    stream = io.BytesIO(data)
    return iter(lambda: stream.read(size), b"")


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


@given(st.lists(st.binary(max_size=50), max_size=30), st.integers(1, 20))
def test_cutting_loses_and_adds_nothing(given: list[bytes], size: int) -> None:
    """The blocks are the bytes in order, all of one size but the last."""
    blocks = list(cut(given, size))
    assert b"".join(blocks) == b"".join(given)
    assert all(len(block) == size for block in blocks[:-1])
    assert all(blocks)


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 77])
@pytest.mark.parametrize("piece", [100, BLOCK, 3 * BLOCK])
def test_what_is_written_is_read(length: int, piece: int) -> None:
    """Any length, in pieces of any size; the map is found again by its id."""
    data = noise(length)
    here = project()
    disk = write_stream(here.maps, pieces(data, piece), size=length, map_id="m1")
    assert b"".join(read_range(here.maps, disk)) == data
    assert b"".join(read_range(here.maps, here.maps.load("m1"))) == data
    assert list(here.maps.list()) == ["m1"]


def test_any_range_is_read() -> None:
    """A range gives what slicing gives."""
    data = noise(5 * BLOCK + 99)
    here = project()
    disk = write_stream(here.maps, pieces(data, BLOCK))
    rng = random.Random(7)
    for _ in range(60):
        start = rng.randrange(len(data) + 1)
        length = rng.randrange(len(data) - start + 1)
        assert b"".join(read_range(here.maps, disk, start, length)) == data[start : start + length]


def test_zeros_are_not_kept_and_nothing_is_kept_twice() -> None:
    """A disk of zeros is a root alone; the same block a hundred times is one; the same disk again sends nothing."""
    store = MemoryStore()
    here = project(store)
    write_stream(here.maps, [bytes(50 * BLOCK)])
    assert not store.objects.get("p1-blocks")
    write_stream(here.maps, [noise(BLOCK)] * 100, map_id="a")
    assert len(store.objects["p1-blocks"]) == 2, "a block and a page"
    sent = here.blocks.bytes_sent
    other = project(store)
    write_stream(other.maps, [noise(BLOCK)] * 100, map_id="b")
    assert (sent, other.blocks.bytes_sent) == (BLOCK + 32768, 0)


def test_an_interrupted_upload_goes_on_where_it_was() -> None:
    """After a death in the middle the same stream sends only what the store had not acknowledged."""
    data = noise(40 * BLOCK)
    store = MemoryStore()
    with store.dying_at(50):
        write_stream(project(store).maps, pieces(data, BLOCK), map_id="m")
    sent_before = len(store.objects["p1-blocks"])
    again = project(store)
    disk = write_stream(again.maps, pieces(data, BLOCK), map_id="m")
    assert sent_before > 10
    assert again.blocks.bytes_sent == (40 - sent_before) * BLOCK + 32768
    assert b"".join(read_range(again.maps, disk)) == data


def test_a_stream_of_another_length_is_refused() -> None:
    """No map is kept of a source that is shorter or longer than announced."""
    here = project()
    for size in (3 * BLOCK - 1, 3 * BLOCK + 1):
        with pytest.raises(Refused):
            write_stream(here.maps, pieces(noise(3 * BLOCK), 1000), size=size)
    assert list(here.maps.list()) == []


def test_a_full_store_says_so_and_leaves_no_map() -> None:
    """OutOfSpace comes through from whichever block met it; the writer's note is gone."""
    store = MemoryStore()
    store.failures["put"] = [OutOfSpace("full")] * 1
    here = project(store)
    store.make_container("p1-maps")
    with pytest.raises(OutOfSpace):
        write_stream(here.maps, pieces(noise(9 * BLOCK), BLOCK))
    assert not store.objects["p1-maps"]


def test_a_flipped_bit_is_answered_from_another_replica_and_healed() -> None:
    """A read that isn't what its name says is made again; the reader sees none of it, the block is written anew."""
    store = MemoryStore()
    here = project(store)
    disk = write_stream(here.maps, pieces(noise(3 * BLOCK), BLOCK))
    name = sorted(store.objects["p1-blocks"])[1]
    store.flip("p1-blocks", name, times=2)
    fresh = project(store)
    assert b"".join(read_range(fresh.maps, fresh.maps.load(disk.map_id))) == noise(3 * BLOCK)
    assert (fresh.blocks.damaged, fresh.blocks.healed) == (2, 1)


def test_a_block_that_no_replica_has_right_is_an_error() -> None:
    """Corrupt, and not one wrong byte."""
    store = MemoryStore()
    here = project(store)
    disk = write_stream(here.maps, [noise(BLOCK)])
    digest = disk.digest(0)
    assert digest is not None
    store.flip("p1-blocks", f"{digest.hex()[:2]}/{digest.hex()}", times=10**6)
    with pytest.raises(Corrupt):
        list(read_range(here.maps, disk))


def test_a_note_that_cannot_be_removed_is_no_failure() -> None:
    """What was saved is saved, whatever the store does afterwards."""
    store = MemoryStore()
    here = project(store)
    store.failures["delete"] = [Unavailable("down")]
    disk = write_stream(here.maps, [noise(BLOCK)], map_id="m")
    assert b"".join(read_range(here.maps, disk)) == noise(BLOCK)


def test_an_id_is_for_one_map() -> None:
    """The same map under its id again is the same; another one is refused, and the first stays."""
    here = project()
    write_stream(here.maps, [b"one"], map_id="m")
    write_stream(here.maps, [b"one"], map_id="m")
    with pytest.raises(Exists):
        write_stream(here.maps, [b"two"], map_id="m")
    assert b"".join(read_range(here.maps, here.maps.load("m"))) == b"one"


class MixedStore(MemoryStore):
    """A store in the middle of an upgrade: it decides no condition."""

    def put(self, container: str, name: str, *arguments: Any, **options: Any) -> str:
        """Keep an object, unless there is a condition."""
        if options.get("only_new"):
            raise Undecidable("mixed")
        return super().put(container, name, *arguments, **options)


def test_maps_are_saved_in_the_middle_of_an_upgrade() -> None:
    """The same map once more is fine, another one under its id is refused; sweeping, which needs a lock, waits."""
    here = Project.open(MixedStore(), "p", BlockConfig(block_size=BLOCK))
    write_stream(here.maps, [b"one"], map_id="m")
    write_stream(here.maps, [b"one"], map_id="m")
    with pytest.raises(Exists):
        write_stream(here.maps, [b"two"], map_id="m")
    assert b"".join(read_range(here.maps, here.maps.load("m"))) == b"one"
    here.maps.delete("m")
    with pytest.raises(Undecidable):
        Sweeper(here.maps).step()


@given(st.lists(st.integers(0, 5 * BLOCK), min_size=1, max_size=5))
def test_growing_shows_zeros_only(sizes: list[int]) -> None:
    """Whatever sizes a disk has had, it is as an array of bytes that was cut and extended."""
    here = project()
    data = noise(3 * BLOCK + 5)
    disk = write_stream(here.maps, [data])
    for size in sizes:
        with here.maps.writing() as writing:
            disk = writing.save(resized(here.maps, writing, disk, size))
        data = data[:size] + bytes(max(0, size - len(data)))
        assert b"".join(read_range(here.maps, disk)) == data


def test_a_map_of_a_tebibyte_is_small() -> None:
    """8 MiB of pages for 1 TiB in blocks of 4 MiB, and one changed block writes one page anew."""
    store = MemoryStore()
    here = Project.open(store, "p1", BlockConfig())
    disk = DiskMap.empty(1 << 40, 4 << 20)
    with here.maps.writing() as writing:
        digests = [bytes([1 + i // 256, i % 256]) * 16 for i in range(1024)]
        full = disk.with_changes({i: digests[i % 1024] for i in range(disk.block_count)})
        assert len(full.pages) * 32768 == 8 << 20
        before = here.blocks.bytes_sent
        changed = full.with_changes({123456: b"\xff" * 32})
        assert sum(a is not b for a, b in zip(full.pages, changed.pages, strict=True)) == 1
        assert list(changed.differences(full)) == [123456]
        writing.save(changed)
        assert here.blocks.bytes_sent - before == 2 * 32768


def test_a_writer_that_dies_leaves_no_half_map() -> None:
    """Killed at any request, there is the whole map or none, and the next attempt succeeds."""
    data = noise(3 * BLOCK)
    for step in range(30):
        for after in (False, True):
            store = MemoryStore()
            with store.dying_at(step, after=after):
                write_stream(project(store).maps, [data], map_id="m")
            here = project(store)
            for map_id in here.maps.list():
                assert b"".join(read_range(here.maps, here.maps.load(map_id))) == data
            disk = write_stream(here.maps, [data], map_id="m")
            assert b"".join(read_range(here.maps, disk)) == data
