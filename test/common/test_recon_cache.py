"""Laws of what daemons leave for recon."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import recon_cache
from apus.common.recon_cache import leave, look, merge

figures = st.recursive(
    st.one_of(st.integers(), st.text()),
    lambda inner: st.dictionaries(st.text(min_size=1), inner, min_size=1, max_size=3),
)
records = st.dictionaries(st.text(min_size=1), figures, max_size=4)


@given(records, records)
def test_new_figures_replace_and_keep(earlier: dict[str, object], new: dict[str, object]) -> None:
    """What is new is there, what nobody spoke of stays, and saying it twice changes nothing."""
    merged = merge(earlier, new)
    assert set(merged) == set(earlier) | set(new)
    assert merge(merged, new) == merged
    for name in set(earlier) - set(new):
        assert merged[name] == earlier[name]


def test_mappings_are_merged_and_none_takes_out() -> None:
    """The workers of one daemon tell of their own devices."""
    first = merge({}, {"devices": {"d1": {"n": 1}}, "x": 1})
    second = merge(first, {"devices": {"d2": {"n": 2}}})
    assert second == {"devices": {"d1": {"n": 1}, "d2": {"n": 2}}, "x": 1}
    assert merge(second, {"devices": {"d1": None}, "x": None}) == {"devices": {"d2": {"n": 2}}}
    assert merge(second, {"devices": {}})["devices"] == second["devices"]


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    """Each takes the lock."""

    def write(name: str) -> None:
        for number in range(20):
            leave(tmp_path, "object", {f"{name}{number}": number})

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(look(tmp_path, "object")) == 80


def test_the_file_is_never_half_written(tmp_path: Path) -> None:
    """It is replaced whole, and no scraps stay."""
    leave(tmp_path, "account", {"a": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["account.recon", "account.recon.lock"]


def test_a_missing_folder_is_the_callers_to_bear(tmp_path: Path) -> None:
    """It is an OSError, and looking finds nothing."""
    with pytest.raises(OSError):
        leave(tmp_path / "nowhere", "object", {"a": 1})
    assert look(tmp_path / "nowhere", "object") == {}
    assert recon_cache.chosen({}, ["a"]) == {"a": None}
