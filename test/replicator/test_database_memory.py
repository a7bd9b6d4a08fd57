"""The laws of leaving databases alone that nobody has changed."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from apus.replicator.database_memory import MET_MIN, TURNS_MAX, Memory, Signature, signature

OLD: Signature = 1
NEW: Signature = 2


def settled(memory: Memory, count: int) -> dict[str, Signature | None]:
    """So many databases, all of which agreed in a first pass."""
    found: dict[str, Signature | None] = {f"{number:04d}": OLD for number in range(count)}
    assert memory.due(found) == found.keys()
    for path in found:
        memory.agreed(path, OLD)
    return found


@given(st.integers(0, MET_MIN))
def test_few_databases_are_always_met(count: int) -> None:
    """A small cluster notices every loss in the next pass."""
    memory = Memory()
    found = settled(memory, count)
    assert memory.due(found) == found.keys()


@given(st.integers(MET_MIN + 1, 40 * MET_MIN))
def test_each_has_its_turn(count: int) -> None:
    """Within so many passes all are met, and no pass does much more than its share."""
    memory = Memory()
    found = settled(memory, count)
    met: set[str] = set()
    for _ in range(TURNS_MAX):
        due = memory.due(found)
        assert len(due) == max(MET_MIN, -(-count // TURNS_MAX))
        for path in due:
            memory.agreed(path, OLD)
        met |= due
    assert met == found.keys()


@given(st.integers(MET_MIN + 1, 500), st.data())
def test_what_changed_or_is_new_is_met(count: int, data: st.DataObject) -> None:
    """Also what cannot be told, and what did not agree; whatever was removed is forgotten."""
    memory = Memory()
    found = settled(memory, count)
    changed = data.draw(st.sampled_from(sorted(found)))
    assert changed in memory.due({**found, changed: NEW})
    assert changed in memory.due({**found, changed: None})
    assert "new" in memory.due({**found, "new": OLD})
    memory.due({})
    assert memory.due(found) == found.keys()


def test_a_doubt_makes_all_due() -> None:
    """Once: those that agree again may rest again."""
    memory = Memory()
    found = settled(memory, 1000)
    memory.doubt()
    assert memory.due(found) == found.keys()
    for path in found:
        memory.agreed(path, OLD)
    assert len(memory.due(found)) == 1000 // TURNS_MAX


def test_a_signature_tells_of_every_change(tmp_path: Path) -> None:
    """Of the file, its pending rows and its journal; not of locks, and not of what is too young to be sure."""
    path = tmp_path / "x.db"
    path.write_bytes(b"1")
    then = path.stat().st_mtime_ns
    later = then + 10**10
    assert signature(str(path), then) is None
    first = signature(str(path), later)
    assert first is not None
    (tmp_path / ".lock").touch()
    assert signature(str(path), later) == first
    (tmp_path / "x.db.pending").write_bytes(b"row")
    second = signature(str(path), later)
    assert second not in (None, first)
    path.write_bytes(b"12")
    assert signature(str(path), later) not in (None, first, second)
    assert signature(str(tmp_path / "gone" / "y.db"), later) is None
