"""Suffix hashes: equal to stock Swift's, never stale, and tidy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from apus.common import restricted_pickle
from apus.object.files import hashes, names
from apus.object.files.hashes import Reclaim
from apus.object.files.locks import LockTimeout, locked

# Written by stock Swift 2.38.3 at the second 1700000000.5.
GOLDEN = (
    b"\x80\x02}q\x00(X\x05\x00\x00\x00validq\x01\x88X\x03\x00\x00\x00abcq\x02X \x00\x00\x00"
    b"d41d8cd98f00b204e9800998ecf8427eq\x03X\x03\x00\x00\x00defq\x04NX\x07\x00\x00\x00updatedq\x05GA\xd9T\xfc@ \x00\x00u."
)
NOW = 1_700_000_100.0
WEEK = 604_800.0
KEEP = Reclaim(age_seconds=WEEK, now=NOW)


def lay(suffix: Path, digit: str, *files: str) -> Path:
    folder = suffix / (digit * 29 + suffix.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        (folder / name).touch()
    return folder


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    path = tmp_path / "objects" / "7"
    path.mkdir(parents=True)
    return path


def computed(partition: Path, *, now: float = NOW, recalculate: Iterable[str] = ()) -> dict[str, str]:
    device = str(partition.parent.parent)
    return hashes.suffix_hashes(
        device, 0, 7, recalculate=list(recalculate), reclaim_age_seconds=WEEK, now=now
    )


def test_the_hash_is_stock_swifts(partition: Path) -> None:
    """Data, metadata with and without a content type, tombstones and offsets add up to stock's MD5."""
    suffix = partition / "abc"
    lay(suffix, "0", "1700000000.00000.data", "1700000001.00000-a.meta")
    lay(suffix, "1", "1700000002.00000.ts")
    lay(suffix, "2", "1700000000.00000.data", "1700000003.00000+0.meta")
    lay(suffix, "3", "1700000000.00000_00000000000000ab.data")
    assert hashes.hash_suffix(str(suffix), KEEP) == "fe71ba79f403347b491c47af1072466b"
    assert computed(partition) == {"abc": "fe71ba79f403347b491c47af1072466b"}


def test_the_file_is_stock_swifts(partition: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hashes.pkl is byte for byte what stock writes, and what stock wrote is believed."""
    monkeypatch.setattr(time, "time", lambda: 1700000000.5)
    before, after = hashes.read(str(partition)), {"abc": "d41d8cd98f00b204e9800998ecf8427e", "def": None}
    assert hashes._replace(str(partition), before, {"valid": True, **after}, "")
    assert (partition / "hashes.pkl").read_bytes() == GOLDEN
    (partition / "hashes.pkl").write_bytes(GOLDEN)
    assert hashes.read(str(partition))["abc"] == "d41d8cd98f00b204e9800998ecf8427e"


def test_a_noted_change_is_hashed_again(partition: Path) -> None:
    """An invalidated suffix is computed anew, the others come from the file, and the notes are cleared."""
    lay(partition / "abc", "0", "1700000000.00000.data")
    lay(partition / "def", "0", "1700000000.00000.data")
    before = computed(partition)
    lay(partition / "abc", "1", "1700000001.00000.data")
    lay(partition / "def", "1", "1700000001.00000.data")
    assert computed(partition) == before
    hashes.invalidate(str(partition / "abc"))
    hashes.invalidate(str(partition / "abc"))
    assert (partition / "hashes.invalid").read_bytes() == b"abc\nabc\n"
    after = computed(partition)
    assert after["abc"] != before["abc"]
    assert after["def"] == before["def"]
    assert (partition / "hashes.invalid").read_bytes() == b""
    assert computed(partition, recalculate=["def"])["def"] != before["def"]


def test_what_changes_while_hashes_are_computed_is_not_forgotten(
    partition: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that comes in the middle stays, and a second writer of hashes.pkl makes the first one begin again."""
    lay(partition / "abc", "0", "1700000000.00000.data")
    computed(partition)
    hashes.invalidate(str(partition / "abc"))
    real = hashes.hash_suffix

    def meanwhile(path: str, reclaim: hashes.Reclaim) -> str | None:
        value = real(path, reclaim)
        monkeypatch.setattr(hashes, "hash_suffix", real)
        lay(partition / "abc", "1", "1700000001.00000.data")
        hashes.invalidate(str(partition / "abc"))
        lay(partition / "def", "0", "1700000001.00000.data")
        hashes.invalidate(str(partition / "def"))
        return value

    monkeypatch.setattr(hashes, "hash_suffix", meanwhile)
    computed(partition)
    assert computed(partition) == {name: real(str(partition / name), KEEP) for name in ("abc", "def")}
    assert (partition / "hashes.invalid").read_bytes() == b""

    def other(path: str, reclaim: hashes.Reclaim) -> str | None:
        monkeypatch.setattr(hashes, "hash_suffix", real)
        computed(partition, recalculate=["def"])
        return real(path, reclaim)

    monkeypatch.setattr(hashes, "hash_suffix", other)
    assert computed(partition, recalculate=["abc"])["abc"] == real(str(partition / "abc"), KEEP)
    assert not [name for name in os.listdir(partition) if name.endswith(".tmp")]


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"cos\nsystem\n(S'true'\ntR.", restricted_pickle.dumps({"../x": None})]
)
def test_a_damaged_file_is_rebuilt(partition: Path, content: bytes) -> None:
    """Whatever is in hashes.pkl, the answer is right afterwards."""
    lay(partition / "abc", "0", "1700000000.00000.data")
    good = computed(partition)
    (partition / "hashes.pkl").write_bytes(content)
    assert computed(partition) == good


def test_old_tombstones_go_and_take_empty_folders_along(partition: Path) -> None:
    """A tombstone older than the reclaim age is removed with its folders; the suffix is no longer listed."""
    folder = lay(partition / "abc", "0", "1600000000.00000.ts")
    lay(partition / "def", "0", "1700000000.00000.ts")
    found = computed(partition)
    assert set(found) == {"def"}
    assert not folder.exists()
    assert not (partition / "abc").exists()


def test_tidying_keeps_what_counts(partition: Path) -> None:
    """Obsolete files are removed, strange ones stay, an old .meta without data goes only when it is old."""
    folder = lay(
        partition / "abc", "0", "1700000000.00000.data", "1600000000.00000.data", "1600000000.00000#1.data"
    )
    stray = lay(partition / "abc", "1", "1699999999.00000.meta")
    old = lay(partition / "abc", "2", "1600000000.00000.meta")
    computed(partition)
    assert sorted(os.listdir(folder)) == ["1600000000.00000#1.data", "1700000000.00000.data"]
    assert stray.exists()
    assert not old.exists()


def test_a_file_in_place_of_a_folder_is_quarantined(partition: Path) -> None:
    """Something went wrong there: it is moved away and the rest is hashed."""
    lay(partition / "abc", "0", "1700000000.00000.data")
    (partition / "abc" / ("1" * 29 + "abc")).write_bytes(b"?")
    assert set(computed(partition)) == {"abc"}
    assert (partition.parent.parent / "quarantined" / "objects" / ("1" * 29 + "abc")).is_file()


def test_a_partition_that_is_not_there_has_no_hashes(tmp_path: Path) -> None:
    """It is not made by asking, and invalidating it is no error."""
    assert hashes.suffix_hashes(str(tmp_path), 0, 9, reclaim_age_seconds=WEEK, now=NOW) == {}
    hashes.invalidate(str(tmp_path / "objects" / "9" / "abc"))
    assert os.listdir(tmp_path) == []


def test_the_inventory_tells_moments(partition: Path) -> None:
    """Our replicators compare objects by the moments in their file names."""
    lay(partition / "abc", "0", "1700000000.00000.data", "1700000002.00000-186a0.meta")
    lay(partition / "abc", "1", "1700000002.00000.ts")
    lay(partition / "abc", "2", "junk")
    found = hashes.inventory(str(partition.parent.parent), 0, 7, ["abc", "../.."])
    assert found == {
        "abc": {
            "0" * 29 + "abc": {
                "data": "1700000000.00000",
                "meta": "1700000002.00000",
                "ctype": "1700000001.00000",
            },
            "1" * 29 + "abc": {"ts": "1700000002.00000"},
        }
    }


def test_locks_exclude_and_are_let_go(tmp_path: Path) -> None:
    """One holder at a time, as many as allowed, and nobody waits for ever."""
    folder = str(tmp_path)
    with locked(folder), pytest.raises(LockTimeout), locked(folder, timeout_seconds=0.01):
        pass
    with locked(folder), locked(folder, "replication"), locked(folder, holders=2):
        assert sorted(os.listdir(folder)) == [".lock", ".lock-1", ".lock-replication"]
    with locked(folder, timeout_seconds=0.01):
        pass


@pytest.mark.parametrize("mine", ["1700000002.00000.data", "1700000002.00000.ts"])
@pytest.mark.parametrize(
    "others",
    [
        [],
        *(
            [f"170000000{moment}.00000{ending}"]
            for moment in (1, 2, 3)
            for ending in (".data", ".ts", ".meta", "-5.meta", ".durable")
        ),
        ["1700000001.00000.data", "1700000001.50000.meta"],
        [".1700000001.00000.data.aBcDeF"],
    ],
)
def test_what_was_replaced_is_removed_as_tidying_would(partition: Path, mine: str, others: list[str]) -> None:
    """The short way leaves what the long one leaves."""
    if mine in others:
        return
    short, long = (lay(partition / suffix, "0", mine, *others) for suffix in ("abc", "def"))
    newest = names.parse(mine)
    assert newest is not None
    hashes.remove_replaced(str(short), newest)
    hashes.tidy(str(long), None)
    assert sorted(os.listdir(short)) == sorted(os.listdir(long))
