"""Damaged objects are never served, and are moved away so that a good copy takes their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from object_server import ObjectNode, moment

from apus.object.auditor import ALL, ZBF, ObjectAuditor
from apus.object.files import metadata
from apus.object.files.blocks import ATTRIBUTE, KEY


def forget_sums(path: Path) -> bytes:
    """Take the block checksums away, as if stock Swift had written the file; return what small ones were."""
    content = metadata.read(str(path))
    sums = bytes.fromhex(content.pop(KEY, ""))
    if sums:
        metadata.write(str(path), content)  # type: ignore[arg-type]  # a path does as well as a descriptor
    else:
        os.removexattr(path, ATTRIBUTE)
    return sums


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path)


def flip(path: Path, position: int) -> None:
    """Change one bit of a file, as a bad disk would: neither its length nor its attributes tell."""
    with path.open("r+b") as handle:
        handle.seek(position)
        byte = handle.read(1)
        handle.seek(position)
        handle.write(bytes([byte[0] ^ 1]))


def auditor(node: ObjectNode, **options: str) -> ObjectAuditor:
    settings = {
        "devices": str(node.root),
        "mount_check": "false",
        "recon_cache_path": str(node.root),
        "files_per_second": "0",
        "bytes_per_second": "0",
        "zero_byte_files_per_second": "0",
        **options,
    }
    return ObjectAuditor(settings, node.server.context.cluster)


@pytest.mark.parametrize(("size", "position"), [(100, 50), (65536, 0), (3_000_000, 0), (3_000_000, 60_000)])
def test_damage_at_the_front_is_a_404(node: ObjectNode, size: int, position: int) -> None:
    """It is found before the answer begins: the object is gone, and in quarantine."""
    node.put(os.urandom(size), at=0)
    flip(node.data_file(), position)
    assert node.ask("GET").status == 404
    assert len(node.quarantined()) == 1
    assert node.files() == []


@pytest.mark.parametrize("range_header", ["bytes=0-2999999", "bytes=100000-2800000"])
def test_damage_behind_ends_the_body_short(node: ObjectNode, range_header: str) -> None:
    """Only sound blocks are sent; the reader sees a body that is too short, and the copy is moved away."""
    body = os.urandom(3_000_000)
    node.put(body, at=0)
    flip(node.data_file(), 1_500_000)
    got = node.ask("GET", Range=range_header)
    assert got.status == 206
    start = int(range_header[6:].partition("-")[0])
    assert len(got.body) < int(got.headers["content-length"])
    assert body[start:].startswith(got.body)
    assert len(node.quarantined()) == 1


def test_a_range_beside_the_damage_is_served(node: ObjectNode) -> None:
    """A range is answered for by its own blocks."""
    body = os.urandom(3_000_000)
    node.put(body, at=0)
    flip(node.data_file(), 1_500_000)
    assert node.ask("GET", Range="bytes=0-999").body == body[:1000]
    parts = node.ask("GET", Range="bytes=0-9,1500000-1500009")
    assert len(parts.body) < int(parts.headers["content-length"])


def test_an_object_of_stock_swift_is_checked_by_its_md5(node: ObjectNode) -> None:
    """Without block checksums a full read still tells: a small one at once, a large one at its end."""
    for size in (100, 3_000_000):
        node.put(os.urandom(size), at=size)
        forget_sums(node.data_file())
        assert len(node.ask("GET").body) == size
        assert len(node.ask("GET", Range="bytes=5-9").body) == 5
        flip(node.data_file(), size - 1)
        assert node.ask("GET").status == (404 if size == 100 else 200)
        assert node.files() == []


@pytest.mark.parametrize("block_bytes", [1 << 16, 1 << 20])
def test_a_small_body_may_have_been_summed_in_blocks_of_another_size(
    node: ObjectNode, block_bytes: int
) -> None:
    """What the attribute says of itself counts, not how we would write it now."""
    node.put(b"x" * 100, at=0)
    exponent = block_bytes.bit_length() - 1
    sums = forget_sums(node.data_file())
    os.setxattr(node.data_file(), ATTRIBUTE, sums[:1] + bytes([exponent]) + sums[2:])
    assert node.ask("GET").body == b"x" * 100
    flip(node.data_file(), 50)
    assert node.ask("GET").status == 404


def test_checksums_of_a_later_version_are_not_called_damage(node: ObjectNode) -> None:
    """The node may have been downgraded: the MD5 guards such a body."""
    node.put(b"x" * 100, at=0)
    forget_sums(node.data_file())
    os.setxattr(node.data_file(), ATTRIBUTE, b"\x02 whatever that will be")
    assert node.ask("GET").body == b"x" * 100
    flip(node.data_file(), 50)
    assert node.ask("GET").status == 404


@pytest.mark.parametrize(
    "harm", ["length", "metadata", "checksums", "checksums beside it", "no metadata", "not a folder"]
)
def test_other_damage(node: ObjectNode, harm: str) -> None:
    """A wrong length, attributes that do not match and strange files are all quarantined."""
    node.put(b"x" * 100, at=0)
    data = node.data_file()
    if harm == "length":
        os.truncate(data, 99)
    elif harm == "metadata":
        os.setxattr(data, "user.swift.metadata_checksum", b"0" * 32)
    elif harm == "checksums":
        metadata.write(str(data), {**metadata.read(str(data)), KEY: "junk"})  # type: ignore[arg-type]
    elif harm == "checksums beside it":
        forget_sums(data)
        os.setxattr(data, ATTRIBUTE, b"junk")
    elif harm == "no metadata":
        os.removexattr(data, "user.swift.metadata")
    else:
        data.unlink()
        data.parent.rmdir()
        data.parent.touch()
    assert node.ask("GET").status == 404
    assert len(node.quarantined()) == 1
    node.put(b"good", at=1)
    assert node.ask("GET").body == b"good"


def test_two_quarantined_copies_do_not_meet(node: ObjectNode) -> None:
    """The second one gets a name of its own."""
    for second in (0, 1):
        node.put(b"x" * 100, at=second)
        flip(node.data_file(), 5)
        assert node.ask("GET").status == 404
    assert len(node.quarantined()) == 2


def test_the_auditor_finds_what_nobody_reads(node: ObjectNode) -> None:
    """Sound objects stay, damaged ones go to quarantine, the figures tell, the suffix is marked."""
    for index in range(5):
        node.put(os.urandom(200_000), at=index, path=f"/sda/7/a/c/o{index}")
    victim = next((node.root / "sda" / "objects").glob(f"*/*/*/{moment(3)}.data"))
    flip(victim, 150_000)
    (node.root / "sda" / "objects" / "7" / "hashes.invalid").write_bytes(b"")
    tally = auditor(node).audit_all(ALL)
    assert (tally.passes, tally.quarantined, tally.errors) == (5, 1, 0)
    assert node.quarantined() == [victim.parent.name]
    marked = (node.root / "sda" / "objects" / "7" / "hashes.invalid").read_text()
    assert marked == f"{victim.parent.name[-3:]}\n"
    assert tally.bytes_processed >= 4 * 200_000
    again = auditor(node).audit_all(ALL)
    assert (again.passes, again.quarantined) == (4, 0)


def test_the_fast_audit_reads_no_bodies(node: ObjectNode) -> None:
    """It finds a wrong length, not a flipped bit."""
    node.put(b"x" * 100, at=0)
    flip(node.data_file(), 5)
    assert auditor(node).audit_all(ZBF).quarantined == 0
    os.truncate(node.data_file(), 0)
    assert auditor(node).audit_all(ZBF).quarantined == 1


def test_an_audit_goes_on_where_it_stopped(node: ObjectNode) -> None:
    """A restart begins with the partition that was under way; a finished pass forgets."""
    for partition in range(6):
        node.put(at=0, path=f"/sda/{partition}/a/c/o{partition}")
    datadir = node.root / "sda" / "objects"
    (datadir / "auditor_status_ALL.json").write_text('{"partitions": ["4", "5"]}')
    assert auditor(node).audit_all(ALL).passes == 2
    assert not (datadir / "auditor_status_ALL.json").exists()
    assert auditor(node).audit_all(ALL).passes == 6


def test_the_auditor_marks_old_tombstones_and_rsyncs_leftovers(node: ObjectNode) -> None:
    """A tombstone past the reclaim age is brought to the replicator's attention; forgotten files go."""
    node.ask("DELETE", at=0)
    folder = next((node.root / "sda" / "objects").glob("*/*/*/*.ts")).parent
    leftover = folder / f".{moment(0)}.data.a1B2c3"
    leftover.touch()
    os.utime(leftover, (0, 0))
    invalid = node.root / "sda" / "objects" / "7" / "hashes.invalid"
    invalid.write_bytes(b"")
    auditor(node, reclaim_age="1000000000000").audit_all(ALL)
    assert invalid.read_bytes() == b""
    assert not leftover.exists()
    auditor(node).audit_all(ALL)
    assert invalid.read_text() == f"{folder.name[-3:]}\n"
