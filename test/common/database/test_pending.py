"""The file of rows that wait."""

from __future__ import annotations

import base64
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.database import pending

values = st.one_of(st.text(), st.integers(), st.none())
entries = st.lists(st.tuples(st.text(), values, values), max_size=8)


@given(entries)
def test_rows_come_back(rows: list[tuple[object, ...]]) -> None:
    """What was encoded is decoded, whatever the names hold."""
    assert pending.decode(pending.entries_of(rows)) == (rows, 0)


@given(entries, st.integers(0, 200))
def test_a_cut_loses_only_the_last_row(rows: list[tuple[object, ...]], cut: int) -> None:
    """A crash in the middle of an append costs the row that was not acknowledged, and none before or behind it."""
    data = pending.entries_of(rows)
    torn = data[: max(0, len(data) - cut)]
    whole, _ = pending.decode(torn)
    assert whole == rows[: len(whole)]
    assert pending.decode(torn + pending.encode(("next",)))[0][-1:] == [("next",)]


def test_stock_reads_and_writes_the_same() -> None:
    """A colon, then base64 of a pickle of protocol 2."""
    entry = ("o", "0000000005.00000", 1, "a/b", "e", 0, 0, None, None)
    assert pickle.loads(base64.b64decode(pending.encode(entry)[1:])) == entry
    stock = b":" + base64.b64encode(pickle.dumps(entry, protocol=2))
    assert pending.decode(stock * 2) == ([entry, entry], 0)


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    """A pickle that names a callable is skipped."""

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "pwned"),))

    data = b":" + base64.b64encode(pickle.dumps(Evil(), protocol=2)) + pending.encode(("good",))
    assert pending.decode(data) == ([("good",)], 1)
    assert not (tmp_path / "pwned").exists()


def test_a_full_device_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an entry would be carried along for ever."""
    database = str(tmp_path / "x.db")
    waiting = pending.PendingFile(database)
    waiting.append(pending.encode(("first",)))
    before = Path(database + pending.SUFFIX).read_bytes()
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:5])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        waiting.append(pending.encode(("second",)))
    assert Path(database + pending.SUFFIX).read_bytes() == before
