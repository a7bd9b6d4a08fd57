"""The file of rows that wait."""

from __future__ import annotations

import base64
import os
import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.database import pending

values = st.one_of(st.text(), st.integers(), st.none())
entries = st.lists(st.tuples(st.text(), values, values), max_size=8)


def encoded(row: pending.Entry) -> pending.Encoded:
    return {pending.encode(row): row}


@given(entries)
def test_rows_come_back(rows: list[tuple[object, ...]]) -> None:
    """What was encoded is decoded, whatever the names hold."""
    encoded = {pending.encode(row): row for row in rows}
    data = pending.data_of(encoded)
    assert pending.decode(data) == (list(encoded.values()), 0)
    assert pending.decode(data, encoded) == (list(encoded.values()), 0)


@given(entries, st.integers(0, 200))
def test_a_cut_loses_only_the_last_row(rows: list[tuple[object, ...]], cut: int) -> None:
    """A crash in the middle of an append costs the row that was not acknowledged, and none before or behind it."""
    data = b"".join(b":" + pending.encode(row) for row in rows)
    torn = data[: max(0, len(data) - cut)]
    whole, _ = pending.decode(torn)
    assert whole == rows[: len(whole)]
    assert pending.decode(torn + pending.data_of(encoded(("next",))))[0][-1:] == [("next",)]


def test_stock_reads_and_writes_the_same() -> None:
    """A colon, then base64 of a pickle of protocol 2."""
    entry = ("o", "0000000005.00000", 1, "a/b", "e", 0, 0, None, None)
    assert pickle.loads(base64.b64decode(pending.encode(entry))) == entry
    stock = b":" + base64.b64encode(pickle.dumps(entry, protocol=2))
    assert pending.decode(stock * 2) == ([entry, entry], 0)


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    """A pickle that names a callable is skipped."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "pwned"),))

    data = b":" + base64.b64encode(pickle.dumps(Evil(), protocol=2)) + pending.data_of(encoded(("good",)))
    assert pending.decode(data) == ([("good",)], 1)
    assert not (tmp_path / "pwned").exists()


def test_a_full_device_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an entry would be carried along for ever."""
    database = str(tmp_path / "x.db")
    waiting = pending.PendingFile(database)
    waiting.append(encoded(("first",)))
    before = Path(database + pending.SUFFIX).read_bytes()
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        waiting.append(encoded(("second",)))
    assert Path(database + pending.SUFFIX).read_bytes() == before
    assert waiting.read()[0] == [("first",)]


def test_our_own_rows_are_read_as_they_were_put(tmp_path: Path) -> None:
    """Whoever appended a row has that very row again; whatever others did to the file, what stands there counts."""
    database = str(tmp_path / "x.db")
    ours, theirs = pending.PendingFile(database), pending.PendingFile(database)
    first, second, third = ("first",), ("second",), ("third",)
    ours.append(encoded(first))
    theirs.append(encoded(second))
    ours.append(encoded(third))
    read, _ = ours.read()
    assert read == [first, second, third]
    assert (read[0] is first, read[2] is third) == (True, True)
    theirs.clear()
    theirs.append(encoded(second))
    assert ours.read()[0] == [second]
    ours.append(encoded(third))
    assert ours.read()[0] == [second, third]
    ours.clear()
    assert ours.read() == ([], 0)


@given(st.lists(st.sampled_from(["ours", "theirs", "they clear", "we clear", "replaced"]), max_size=30))
def test_no_more_is_remembered_than_the_file_may_hold(acts: list[str]) -> None:
    """Others may empty the file as often as they like; and each reader sees what stands there."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"{folder}/x.db"
        ours, theirs = pending.PendingFile(database), pending.PendingFile(database)
        waiting: list[pending.Entry] = []
        largest = 0
        for number, act in enumerate(acts):
            row = (number,)
            if act in ("ours", "theirs"):
                (ours if act == "ours" else theirs).append(encoded(row))
                waiting.append(row)
            else:
                waiting.clear()
                if act == "replaced":
                    Path(ours.path).unlink(missing_ok=True)
                else:
                    (ours if act == "we clear" else theirs).clear()
            largest = max(largest, ours.size())
            assert ours.read()[0] == theirs.read()[0] == waiting
            assert len(pending.data_of(ours._known)) <= largest
