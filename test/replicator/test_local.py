"""The laws of reading and removing what lies on our own devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lone_files import directory, lay_data, lay_meta, lay_tombstone

from apus.common.errors import Corrupt, Missing
from apus.common.policies import Policy
from apus.common.timestamp import Timestamp
from apus.object.files import metadata
from apus.object.parcel import BODY_BYTES_MAX, Piece
from apus.replicator.local import Copy, LocalDevice
from apus.replicator.plan import Version

DIGEST = "0123456789abcdef0123456789abcdef"
POLICY = Policy(index=0, name="gold", default=True)
BODIES = [b"", b"small", os.urandom(65536), os.urandom(3 * 1024 * 1024 + 17)]


def local(device: Path) -> LocalDevice:
    return LocalDevice(str(device), POLICY, 604800)


def only_copy(device: Path) -> Copy:
    (copy,) = local(device).copies(7, [DIGEST[-3:]]).values()
    return copy


@pytest.mark.parametrize("sums", [True, False], ids=["ours", "stock's"])
@pytest.mark.parametrize("body", BODIES, ids=len)
def test_a_sound_body_comes_out_whole(tmp_path: Path, body: bytes, sums: bool) -> None:
    """Block checksums or, where stock Swift wrote it, the ETag: both let through what is right."""
    lay_data(directory(tmp_path, 7, DIGEST), 1000, body, sums=sums)
    with only_copy(tmp_path).open() as opened:
        assert b"".join(opened.pieces()) == body
        assert opened.length == len(body)


@pytest.mark.parametrize("sums", [True, False], ids=["ours", "stock's"])
@pytest.mark.parametrize("body", BODIES[1:], ids=len)
def test_a_flipped_bit_never_leaves_whole(tmp_path: Path, body: bytes, sums: bool) -> None:
    """Corrupt comes before the last piece, so that nobody can have taken the body for good."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1000, body, sums=sums)
    spoiled = bytearray(body)
    spoiled[len(body) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(spoiled)
    given: list[bytes] = []
    with only_copy(tmp_path).open() as opened, pytest.raises(Corrupt):
        given.extend(opened.pieces())
    assert sum(map(len, given)) < len(body)


def test_a_truncated_file_is_corrupt(tmp_path: Path) -> None:
    """The length is checked before anything is read."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1000, b"0123456789")
    os.truncate(path, 5)
    with pytest.raises(Corrupt):
        only_copy(tmp_path).open()


def test_a_copy_that_changed_is_missing(tmp_path: Path) -> None:
    """A file that was replaced since it was seen is no error."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1000)
    copy = only_copy(tmp_path)
    path.unlink()
    with pytest.raises(Missing):
        copy.open()
    with pytest.raises(Missing):
        copy.data_metadata()


def test_the_newest_content_type_joins_the_newest_metadata(tmp_path: Path) -> None:
    """Two .meta files can both count; what is pushed is both."""
    folder = directory(tmp_path, 7, DIGEST)
    lay_data(folder, 1000)
    lay_meta(folder, 1001, {"X-Object-Meta-A": "old", "Content-Type": "image/png"}, content_type=1001)
    lay_meta(folder, 1002, {"X-Object-Meta-A": "new"})
    copy = only_copy(tmp_path)
    assert copy.version == Version(
        data=Timestamp.of(1000), meta=Timestamp.of(1002), content_type=Timestamp.of(1001)
    )
    stored = copy.meta_metadata()
    assert (stored["X-Object-Meta-A"], stored["Content-Type"]) == ("new", "image/png")
    assert stored["Content-Type-Timestamp"] == Timestamp.of(1001).internal


def test_only_what_was_seen_is_removed(tmp_path: Path) -> None:
    """A write that arrives between the confirmation and the removal stays."""
    folder = directory(tmp_path, 7, DIGEST)
    seen = lay_data(folder, 1000)
    copy = only_copy(tmp_path)
    came = lay_data(folder, 1001, b"newer")
    copy.remove()
    assert not seen.exists()
    assert came.exists()


def test_an_emptied_partition_is_removed(tmp_path: Path) -> None:
    """Object, suffix, hashes and locks go; a partition with anything in it does not."""
    lay_tombstone(directory(tmp_path, 7, DIGEST), 1000)
    disk = local(tmp_path)
    assert disk.partitions() == [7]
    assert not disk.remove_partition(7)
    only_copy(tmp_path).remove()
    assert disk.is_empty(7)
    assert disk.remove_partition(7)
    assert disk.partitions() == []


def test_what_is_no_partition_is_left_alone(tmp_path: Path) -> None:
    """Auditor's notes stay; a file where a partition should be goes."""
    objects = tmp_path / "objects"
    objects.mkdir()
    (objects / "auditor_status_ALL.json").touch()
    (objects / "12").touch()
    assert local(tmp_path).partitions() == []
    assert [entry.name for entry in objects.iterdir()] == ["auditor_status_ALL.json"]


def test_a_corrupt_copy_is_moved_away(tmp_path: Path) -> None:
    """Nothing is deleted, and the suffix is hashed again."""
    folder = directory(tmp_path, 7, DIGEST)
    lay_data(folder, 1000)
    only_copy(tmp_path).quarantine("test")
    assert not folder.exists()
    assert (tmp_path / "quarantined" / "objects" / DIGEST).is_dir()


def test_old_temporaries_are_swept(tmp_path: Path) -> None:
    """What crashed writers left goes after a reclaim age, not before."""
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    (tmp / "old").touch()
    (tmp / "new").touch()
    os.utime(tmp / "old", (1000, 1000))
    os.utime(tmp / "new", (800000, 800000))
    for name, at in (("7.founding", 1000), ("8.founding", 800000)):
        (tmp / name / "abc").mkdir(parents=True)
        os.utime(tmp / name, (at, at))
    local(tmp_path).sweep_temporaries(Timestamp.of(900000))
    assert sorted(entry.name for entry in tmp.iterdir()) == ["8.founding", "new"]


def test_a_small_copy_is_a_piece_of_a_parcel(tmp_path: Path) -> None:
    """Body and metadata as they lie there; what is large, gone or damaged in its metadata is none."""
    path = lay_data(directory(tmp_path, 7, DIGEST), 1000, b"body")
    copy = only_copy(tmp_path)
    assert copy.piece() == Piece(os.getxattr(path, metadata.METADATA_ATTRIBUTE), b"body")
    path.write_bytes(bytes(BODY_BYTES_MAX + 1))
    assert copy.piece() is None
    path.write_bytes(b"")
    os.setxattr(path, metadata.METADATA_ATTRIBUTE, b"what?")
    assert copy.piece() is None
    path.unlink()
    assert copy.piece() is None
