"""A partition that is being brought is brought once, and nobody waits for one who does not come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apus.common.concurrency import sleep, spawn
from apus.object import expected
from apus.object.expected import await_or_expect


@pytest.fixture(autouse=True)
def nothing_expected() -> Iterator[None]:
    expected._until.clear()
    yield
    expected._until.clear()


def test_the_first_to_ask_brings_it_and_the_next_waits(tmp_path: Path) -> None:
    """It finds the partition there when it is answered, and nothing is remembered of it."""
    partition = tmp_path / "7"
    await_or_expect(str(partition))
    waiting = [spawn(await_or_expect, str(partition)) for _ in range(2)]
    sleep(0.15)
    assert not any(each.done for each in waiting)
    partition.mkdir()
    for each in waiting:
        each.wait()
    assert not expected._until


def test_a_partition_that_is_there_keeps_nobody(tmp_path: Path) -> None:
    """What differs in it is found by comparing, however many ask."""
    for _ in range(2):
        await_or_expect(str(tmp_path))
    assert not expected._until


def test_one_that_never_comes_is_the_next_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take over one at a time, and what is past is forgotten."""
    monkeypatch.setattr(expected, "PATIENCE_SECONDS", 0.2)
    began = time.monotonic()
    await_or_expect(f"{tmp_path}/other")
    await_or_expect(f"{tmp_path}/7")
    waiting = [spawn(await_or_expect, f"{tmp_path}/7") for _ in range(2)]
    for each in waiting:
        each.wait()
    assert time.monotonic() - began >= 0.4
    assert set(expected._until) == {f"{tmp_path}/7"}
