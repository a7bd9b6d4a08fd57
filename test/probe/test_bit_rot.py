"""A flipped bit on a disk never reaches a client, and is gone from the disk soon after."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import AllInOne, all_in_one
from counting import count_copies
from store import Client

pytestmark = pytest.mark.slow

SIZES = (1, 4096, 200_000, 3_000_000)
READS = 24  # Replicas are read in random order: with so many reads each is very likely to have been first.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster whose disks rot."""
    with all_in_one(tmp_path_factory.mktemp("rot")) as ours:
        yield ours


def data_files(cluster: AllInOne) -> list[Path]:
    return [
        file
        for device in cluster.status()["devices"]
        for file in Path(device["path"]).glob("objects/*/*/*/*.data")
    ]


def flip_a_bit(file: Path, rng: random.Random) -> None:
    with file.open("r+b") as handle:
        place = rng.randrange(file.stat().st_size)
        handle.seek(place)
        byte = handle.read(1)[0]
        handle.seek(place)
        handle.write(bytes([byte ^ (1 << rng.randrange(8))]))


@pytest.mark.parametrize("size", SIZES)
def test_a_flipped_bit_is_read_around_and_healed(cluster: AllInOne, size: int) -> None:
    """Every read is right, whole or in part; the bad copy is set aside, and a pass of the replicator replaces it."""
    rng = random.Random(size)
    client = cluster.store.client()
    before = set(data_files(cluster))
    with client.container() as container:
        content = rng.randbytes(size)
        assert client.put(container, "rotten", body=content).status == 201
        victim = rng.choice(sorted(set(data_files(cluster)) - before))
        flip_a_bit(victim, rng)
        for _ in range(READS):
            assert client.get(container, "rotten").body == content
            read_a_part(client, container, content, rng)
        assert set_aside(victim).exists(), "the bad copy was not set aside"
        cluster.once("object-replicator")
        assert count_copies(cluster).below == 0
        assert victim.read_bytes() == content


def set_aside(victim: Path) -> Path:
    """Return where a copy goes that is bad; its place may have been filled again by then."""
    device, folder = victim.parents[4], victim.parent
    return device / "quarantined" / "objects" / folder.name


def read_a_part(client: Client, container: str, content: bytes, rng: random.Random) -> None:
    start = rng.randrange(len(content))
    end = min(len(content) - 1, start + rng.randrange(100_000))
    reply = client.get(container, "rotten", headers={"Range": f"bytes={start}-{end}"})
    assert reply.body == content[start : end + 1]


def test_the_auditor_finds_what_nobody_reads(cluster: AllInOne) -> None:
    """One pass of the auditor sets the bad copy aside, one of the replicator replaces it."""
    rng = random.Random(1)
    client = cluster.store.client()
    before = set(data_files(cluster))
    with client.container() as container:
        content = rng.randbytes(100_000)
        assert client.put(container, "unread", body=content).status == 201
        victim = rng.choice(sorted(set(data_files(cluster)) - before))
        flip_a_bit(victim, rng)
        cluster.once("object-auditor", "object-replicator")
        assert victim.read_bytes() == content
        assert count_copies(cluster).below == 0
