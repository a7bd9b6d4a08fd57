"""A container's database: what it keeps, shows and survives."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apus.common import concurrency
from apus.common.database import pending
from apus.common.database.listing import Query, Subdir
from apus.common.errors import Corrupt, Missing, OutOfSpace, Refused, Unavailable
from apus.common.timestamp import Timestamp, now
from apus.container.broker import ContainerBroker, PolicyConflict
from apus.container.rows import ObjectRow, entry_of, joined, tombstone

FOLDER = Path("d1", "containers", "1", "abc", "0" * 29 + "abc")
moments = st.integers(1, 9).map(lambda at: Timestamp.of(at).internal)
names = st.text("ab/é\n%'\x01", min_size=1, max_size=4)
rows = st.one_of(
    st.builds(
        ObjectRow,
        names,
        moments,
        st.integers(0, 9),
        st.just("a/b"),
        st.just("e"),
        st.just(0),
        st.integers(0, 1),
    ),
    st.builds(tombstone, names, moments, st.integers(0, 1)),
)


def make(root: Path) -> ContainerBroker:
    broker = ContainerBroker(str(root / FOLDER / f"{FOLDER.name}.db"), lock_seconds=1)
    broker.initialize("a", "c", put_timestamp=Timestamp.of(1).internal, policy_index=0, now=Timestamp.of(1))
    return broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ContainerBroker]:
    made = make(tmp_path)
    yield made
    made.close()


def row(name: str, at: int = 5, size: int = 1, policy: int = 0) -> ObjectRow:
    return ObjectRow(name, Timestamp.of(at).internal, size, "text/plain", "etag", 0, policy)


def state(broker: ContainerBroker) -> set[tuple[object, ...]]:
    return {
        tuple(item[key] for key in sorted(item) if key != "ROWID") for item in broker.items_since(-1, 10000)
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, max_size=12), st.randoms(use_true_random=False))
def test_rows_in_any_order_and_batch_end_alike(reports: list[ObjectRow], rng: random.Random) -> None:
    """Every way rows can come in, and come again, leaves the same rows, counts and hash."""
    with tempfile.TemporaryDirectory() as folder:
        ends = []
        for attempt in range(3):
            broker = make(Path(folder, str(attempt)))
            left = reports + rng.sample(reports, len(reports) // 2)
            rng.shuffle(left)
            while left:
                batch, left = left[: rng.randrange(1, 5)], left[rng.randrange(1, 5) :]
                if rng.random() < 0.5:
                    for one in batch:
                        broker.put_object(one)
                else:
                    broker.merge_rows(batch)
            broker.merge_rows(reports)
            info = broker.info()
            ends.append((state(broker), info.hash, info.object_count, info.bytes_used, broker.policy_stats()))
            broker.close()
        assert ends[0][:4] == ends[1][:4] == ends[2][:4]
        expected: dict[tuple[str, int], ObjectRow] = {}
        for one in reports:
            expected[one.key] = joined(expected.get(one.key, one), one)
        live = [one for one in expected.values() if not one.deleted and one.policy_index == 0]
        assert ends[0][2:4] == (len(live), sum(one.size for one in live))


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, max_size=15), st.booleans(), st.sampled_from(["", "/", "é", "%"]), st.integers(1, 20))
def test_a_listing_shows_the_live_rows(
    reports: list[ObjectRow], reverse: bool, delimiter: str, limit: int
) -> None:
    """Names that hold newlines, quotes and percent signs are names like others; order is that of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        broker = make(Path(folder))
        broker.merge_rows(reports)
        expected: dict[tuple[str, int], ObjectRow] = {}
        for one in reports:
            expected[one.key] = joined(expected.get(one.key, one), one)
        live = sorted(
            (one.name for one in expected.values() if not one.deleted and one.policy_index == 0),
            reverse=reverse,
        )
        if delimiter:
            rolled = [name[: name.index(delimiter) + 1] if delimiter in name else name for name in live]
            live = list(dict.fromkeys(rolled))
        query = Query(limit=limit, delimiter=delimiter, reverse=reverse)
        shown = [item.name if isinstance(item, Subdir) else item[0] for item in broker.listing(query, 0)]
        assert shown == live[:limit]
        broker.close()


def test_a_reader_sees_every_acknowledged_row(broker: ContainerBroker) -> None:
    """Rows wait in a file, but nobody is told less than what was acknowledged."""
    broker.put_object(row("o"))
    assert pending.PendingFile(broker.path).size() > 0
    assert broker.info().object_count == 1
    assert pending.PendingFile(broker.path).size() == 0


def test_many_waiting_rows_are_merged_by_the_next(broker: ContainerBroker) -> None:
    """The file of waiting rows does not grow without bounds."""
    for index in range(1500):
        broker.put_object(row(f"o{index:05}"))
    assert pending.PendingFile(broker.path).size() <= pending.CAP_BYTES + 500
    assert broker.info().object_count == 1500


def test_rows_come_in_while_others_are_merged(
    broker: ContainerBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge does not hold up new rows, forgets none of them, and the next reader sees all."""
    broker.put_object(row("early"))
    merge, late = broker._merge_entries, []

    def slowly(database: sqlite3.Connection, entries: list[pending.Entry]) -> None:
        merge(database, entries)
        late.append(len(entries))
        time.sleep(0.2)

    monkeypatch.setattr(broker, "_merge_entries", slowly)
    merging = concurrency.spawn(broker.settle)
    concurrency.sleep(0.05)
    broker.put_object(row("late"))
    assert not merging.done
    merging.wait()
    assert late == [1, 1]
    assert broker.info().object_count == 2
    assert pending.PendingFile(broker.path).size() == 0


def test_the_file_of_waiting_rows_is_bounded(
    broker: ContainerBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they cannot be merged, rows are refused in the end and nothing that was acknowledged is lost."""

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(broker, "_merge_entries", refuse)
    kept = 0
    try:
        while kept < 10_000:
            broker.put_object(row(f"{kept:05}" + "x" * 9000))
            kept += 1
    except OutOfSpace:
        pass
    assert 0 < kept < 10_000
    assert pending.PendingFile(broker.path).size() <= pending.MAX_BYTES + 20_000
    monkeypatch.undo()
    broker.put_object(row("after"))
    assert broker.info().object_count == kept + 1


def test_a_removed_file_of_waiting_rows_is_made_anew(broker: ContainerBroker) -> None:
    """Rows never go into a file that has no name any more."""
    broker.put_object(row("merged"))
    broker.settle()
    os.unlink(broker.path + pending.SUFFIX)
    broker.put_object(row("o"))
    broker.close()
    assert broker.info().object_count == 2


def test_rows_follow_the_name_of_the_folder(tmp_path: Path) -> None:
    """Where another process has put the folder into quarantine and made it anew, rows go into the new one."""
    broker, other = make(tmp_path), ContainerBroker(str(tmp_path / FOLDER / f"{FOLDER.name}.db"))
    broker.put_object(row("before"))
    other.quarantine("for a test")
    make(tmp_path).close()
    broker.put_object(row("after"))
    assert [listed[0] for listed in other.listing(Query(limit=9), 0) if isinstance(listed, tuple)] == [
        "after"
    ]
    broker.close()
    other.close()


def test_rows_are_kept_where_files_have_another_device_number_than_folders(
    broker: ContainerBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some overlays: a row is tried once more, and the next ones at once."""
    kept: list[int] = []
    append = pending.PendingFile.append

    def counted(file: pending.PendingFile, data: pending.Encoded) -> int:
        kept.append(len(data))
        return append(file, data)

    monkeypatch.setattr(pending.PendingFile, "append", counted)
    monkeypatch.setattr(pending.PendingFile, "device", 4711)
    for name in "abc":
        broker.put_object(row(name))
    assert len(kept) == 4
    assert broker.info().object_count == 3


def test_many_writers_at_once(broker: ContainerBroker) -> None:
    """Green threads that put rows, read and change metadata at the same time lose nothing."""
    crew = concurrency.Crew(20)
    for index in range(200):
        crew.spawn(broker.put_object, row(f"o{index}"))
        if index % 10 == 0:
            crew.spawn(broker.info)
            crew.spawn(broker.merge_metadata, {f"X-Container-Meta-{index}": ("x", Timestamp.of(3).internal)})
    crew.wait_all()
    assert broker.info().object_count == 200
    assert len(broker.metadata()) == 20


def test_deleted_rows_can_be_shown(broker: ContainerBroker) -> None:
    """Our own proxies see deletions with their moments, in their place; a folder lives if anything in it does."""
    broker.merge_rows(
        [row("a"), tombstone("b", Timestamp.of(6).internal, 0), row("d/1"), tombstone("d/0", "5", 0)]
    )
    broker.merge_rows([tombstone("e/0", Timestamp.of(6).internal, 0)])
    shown = broker.full_listing(Query(limit=10, delimiter="/"), 0)
    assert [(item.name if isinstance(item, Subdir) else item[0], deleted) for item, deleted in shown] == [
        ("a", 0),
        ("b", 1),
        ("d/", 0),
        ("e/", 1),
    ]
    shown = broker.full_listing(Query(limit=2, reverse=True), 0)
    assert [item[0] for item, _ in shown if isinstance(item, tuple)] == ["e/0", "d/1"]


def test_policies_are_counted_and_listed_apart(broker: ContainerBroker) -> None:
    """Rows under another policy than the container's are kept, but neither shown nor counted as its own."""
    broker.merge_rows([row("o", size=5), row("o", size=7, policy=1)])
    assert broker.info().bytes_used == 5
    assert broker.policy_stats() == {0: (1, 5), 1: (1, 7)}
    assert len(broker.listing(Query(limit=10), 1)) == 1
    broker.merge_rows([tombstone("o", Timestamp.of(9).internal, 0)])
    assert broker.info().object_count == 0
    assert not broker.is_empty()


def test_a_deleted_container_comes_back_under_a_new_policy(broker: ContainerBroker) -> None:
    """Deletion ends the policy's claim, and the metadata; the earlier deletion loses against a later put."""
    broker.merge_metadata({"X-Container-Meta-A": ("x", Timestamp.of(2).internal)})
    with pytest.raises(PolicyConflict):
        broker.put_again(Timestamp.of(3).internal, policy_index=1, required_policy=1)
    broker.delete(Timestamp.of(10).internal)
    assert broker.is_deleted()
    assert broker.metadata() == {"X-Container-Meta-A": ("", Timestamp.of(10).internal)}
    with pytest.raises(Refused):
        broker.put_again(Timestamp.of(9).internal, policy_index=1, required_policy=1)
    assert broker.put_again(Timestamp.of(11).internal, policy_index=1, required_policy=1)
    assert not broker.is_deleted()
    assert broker.info().storage_policy_index == 1
    assert not broker.put_again(Timestamp.of(12).internal, policy_index=0, required_policy=None)


def test_only_one_creates(broker: ContainerBroker) -> None:
    """Who comes second is told so, and the first one's database stays."""
    identity = broker.info().id
    assert not broker.initialize("a", "c", put_timestamp="9", policy_index=1, now=now())
    assert broker.info().id == identity
    assert [name for name in os.listdir(broker.folder) if name.endswith(".tmp")] == []


def test_nothing_is_made_by_being_asked(tmp_path: Path) -> None:
    """Questions to a container that is not there leave no files."""
    broker = ContainerBroker(str(tmp_path / FOLDER / f"{FOLDER.name}.db"))
    for question in (broker.info, lambda: broker.put_object(row("o")), broker.settle, broker.max_row):
        if question != broker.settle:
            with pytest.raises(Missing):
                question()
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_is_noticed(broker: ContainerBroker, tmp_path: Path) -> None:
    """A broker that is kept open answers from the file that has its name now."""
    broker.merge_rows([row("old")])
    assert broker.info().object_count == 1
    other = make(tmp_path / "other")
    other.merge_rows([row(f"new{index}") for index in range(5)])
    other.close()
    os.rename(other.path, broker.path)
    assert broker.info().object_count == 5
    broker.merge_rows([row("more")])
    assert broker.info().object_count == 6
    shutil.rmtree(broker.folder)
    with pytest.raises(Missing):
        broker.info()


@pytest.mark.parametrize("harm", ["garbage", "zeroes in the middle", "empty"])
def test_a_corrupt_database_goes_into_quarantine(broker: ContainerBroker, harm: str, tmp_path: Path) -> None:
    """It is moved out of the way whole, so that replication brings a good one; the reader is told."""
    broker.merge_rows([row(f"o{index:05}") for index in range(2000)])
    broker.close()
    data = bytearray(Path(broker.path).read_bytes())
    if harm == "garbage":
        data = bytearray(b"no database at all" * 100)
    elif harm == "empty":
        data = bytearray()
    else:
        data[4096 * 5 : 4096 * 30] = bytes(4096 * 25)
    Path(broker.path).write_bytes(data)
    with pytest.raises(Corrupt):
        broker.verify()
    assert not broker.exists()
    assert (tmp_path / "d1" / "quarantined" / "containers" / FOLDER.name / f"{FOLDER.name}.db").exists()


def test_another_process_holds_the_lock(broker: ContainerBroker) -> None:
    """A row that cannot be kept in time is refused, not dropped."""
    code = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT); fcntl.flock(fd, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, f"{broker.folder}/.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(Unavailable):
        broker.put_object(row("o"))
    holder.communicate()
    broker.put_object(row("o"))
    assert broker.info().object_count == 1


def test_another_process_reads_while_we_write(broker: ContainerBroker) -> None:
    """A long reader elsewhere delays the merge of waiting rows; it breaks nothing."""
    broker.merge_rows([row("first")])
    elsewhere = sqlite3.connect(broker.path, isolation_level=None)
    elsewhere.execute("BEGIN")
    elsewhere.execute("SELECT * FROM object").fetchone()
    task = concurrency.spawn(broker.merge_rows, [row("second")])
    concurrency.sleep(0.05)
    assert not task.done
    elsewhere.execute("COMMIT")
    task.wait()
    assert broker.info().object_count == 2


def test_a_full_device_still_serves_readers(broker: ContainerBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """When waiting rows cannot be merged a reader gets the tables as they are, and the rows stay."""
    broker.merge_rows([row("first")])
    broker.put_object(row("second"))

    def full(*_: object) -> None:
        raise OutOfSpace("disk full")

    monkeypatch.setattr(broker, "_transact", full)
    assert broker.info().object_count == 1
    monkeypatch.undo()
    assert broker.info().object_count == 2


def test_removal_waits_for_the_last_row(broker: ContainerBroker) -> None:
    """A database that has got a row since it was looked at is not removed."""
    broker.merge_rows([row("o")])
    seen = broker.max_row()
    broker.put_object(row("late"))
    assert not broker.remove(expected_max_row=seen)
    assert broker.remove(expected_max_row=seen + 1)
    assert not os.path.exists(broker.folder)


def test_a_row_that_tells_nothing_new_gets_no_new_id(broker: ContainerBroker) -> None:
    """Or two replicas would send each other the same rows for ever."""
    broker.merge_rows([row("o", at=5)])
    before = broker.max_row()
    broker.merge_rows([row("o", at=5), row("o", at=4), tombstone("o", Timestamp.of(3).internal, 0)])
    assert broker.max_row() == before


def test_a_copy_takes_the_place_with_all_rows(broker: ContainerBroker, tmp_path: Path) -> None:
    """What only the old file had is in the new one; waiting rows are not forgotten."""
    other = make(tmp_path / "d2")
    other.merge_rows([row("theirs")])
    broker.merge_rows([row("ours")])
    broker.put_object(row("waiting"))
    other.become_new(broker.info().id, path=broker.path)
    broker.give_way_to(other)
    assert broker.info().object_count == 3
    assert not other.exists()


def test_pending_entries_of_stock_are_merged(broker: ContainerBroker) -> None:
    """Rows that stock Swift's server left in the file are ours to merge."""
    entry = ("stock", Timestamp.of(5).internal, 3, "a/b", "e", 0, 0, None, Timestamp.of(7).internal)
    nonsense: list[pending.Entry] = [("too", "short"), ("o", "5", 3, "a/b", "e", 0, 0, "soon", None)]
    entries = [*nonsense, entry, entry_of(row("ours"))]
    pending.PendingFile(broker.path).append({pending.encode(each): each for each in entries})
    assert broker.info().object_count == 2
    (listed, *_) = broker.listing(Query(limit=10, prefix="stock"), 0)
    assert isinstance(listed, tuple)
    assert listed[1] == "0000000005.00000+0+30d40"
