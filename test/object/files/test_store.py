"""The engine's folders: made in as few calls as can be, whatever is there already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.object.files.device import Reserve
from apus.object.files.store import FileStore, Location


def location_of(device: Path, partition: int, suffix: str, number: int) -> Location:
    folder = f"{device}/objects/{partition}/{suffix}/{number:029x}{suffix}"
    return Location(str(device), folder, f"{device}/tmp", "/a/c/o")


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(("abc", "def")), st.integers(0, 2)), max_size=12)
)
def test_a_folder_is_new_once(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, str, int]]
) -> None:
    """Whatever was made before, a folder is there afterwards, and new exactly if it was not there."""
    device, store = tmp_path_factory.mktemp("device"), FileStore(Reserve(0, is_percentage=False))
    for partition, suffix, number in asked:
        location = location_of(device, partition, suffix, number)
        was_there = os.path.isdir(location.hash_directory)
        assert store.make_folder(location) is not was_there
        assert os.path.isdir(location.hash_directory)


def test_few_objects_cost_no_call_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where suffixes' folders are missing they are made first; where they are there they are not tried."""
    calls: list[str] = []

    def mkdir(path: str) -> None:
        calls.append(path)
        real(path)

    real, store = os.mkdir, FileStore(Reserve(0, is_percentage=False))
    store.make_folder(location_of(tmp_path, 1, "abc", 0))
    monkeypatch.setattr(os, "mkdir", mkdir)
    store.make_folder(location_of(tmp_path, 1, "def", 0))
    assert len(calls) == 2
    store.make_folder(location_of(tmp_path, 1, "def", 1))
    calls.clear()
    store.make_folder(location_of(tmp_path, 1, "def", 2))
    assert len(calls) == 1
