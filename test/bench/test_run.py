"""A run ends well: what fails costs its own figures only, and nothing that was started is left."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from clusters import free_port_block

from apus.common.durability import GroupCommitter
from bench import __main__ as program
from bench import accounting, load, machine, ours, ring, rows, stock, workloads
from bench.load import Unfit
from bench.peer import Endpoint, Reading, Role, Run
from bench.shape import Shape

FOUND = Reading("found", "apus", {"seconds": 1.0})


def run_in(folder: Path) -> Run:
    return Run(folder, True, folder / "venv", lambda _: None, [])


def own_processes() -> set[int]:
    return {*accounting.families(accounting.table(), {Role.PROXY: [os.getpid()]})[Role.PROXY]}


def test_a_figure_that_fails_does_not_stop_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failure is told, and what the others found is kept."""

    def fails(_: Run) -> Iterator[Reading]:
        yield FOUND
        raise Unfit("too slow")

    monkeypatch.setattr(stock, "is_installed", lambda _: True)
    monkeypatch.setattr(ring, "measure", fails)
    monkeypatch.setattr(rows, "measure", lambda _: iter([FOUND]))
    run = run_in(tmp_path)
    assert list(program.measure(run, argparse.Namespace(figures=["ring", "rows"]))) == [FOUND, FOUND]
    assert run.unfit == ["ring: too slow"]


@pytest.mark.parametrize("figures", [["load"], ["ring"], ["heal"]])
def test_a_peer_that_is_not_there_is_named_before_anything_starts(figures: list[str], tmp_path: Path) -> None:
    """Who reads it knows what to do."""
    with pytest.raises(Unfit, match="make install-stock"):
        next(program.measure(run_in(tmp_path), argparse.Namespace(figures=figures, peer="stock")))


def test_a_client_ends_with_the_window_that_it_was_for() -> None:
    """Its load would last for a while; who gives up does not wait for that."""
    before = own_processes()
    with suppress(Unfit), load._client():
        assert own_processes() - before
        raise Unfit("enough")
    assert not own_processes() - before


def test_the_stream_is_measured_and_its_sender_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The yardstick is a rate."""
    monkeypatch.setattr(machine, "STREAM_SECONDS", 0.05)
    assert machine.loopback().measures["mb_per_second"] > 1


class _Sleepers(Shape):
    """A cluster of one program that does nothing."""

    title = "sleepers"

    def program(self, kind: str, conf: Path) -> Sequence[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    def builder(self) -> str:
        return ""

    def pipeline(self, kind: str) -> Sequence[str]:
        return ()


def test_a_store_at_rest_can_be_stopped(tmp_path: Path) -> None:
    """Stopped processes hear no signal but that to go on, so they get that first."""
    store = _Sleepers(tmp_path, "sleepers")
    store.home.mkdir()
    store.run(Role.PROXY, store.program("proxy", tmp_path))
    (process,) = store.pids()[Role.PROXY]
    accounting.rest(store.pids())
    begun = time.monotonic()
    store.stop()
    assert time.monotonic() - begun < 5
    assert not store.home.exists()
    assert subprocess.run(["ps", "-p", str(process)], capture_output=True, check=False).returncode


def test_the_program_of_rounds_of_our_own_disk_is_found(tmp_path: Path) -> None:
    """Not those of other disks or tests, which would be charged to us, or be missed when they end."""
    committer = GroupCommitter(str(tmp_path), is_shared=True)
    committer.sync()
    found = list(ours._commit_programs(tmp_path))
    assert len(found) == 1
    assert "commit_rounds" in Path(f"/proc/{found[0]}/cmdline").read_text()
    committer._hang_up()


class _Absent:
    """A store that has gone."""

    name = title = "absent"

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", free_port_block(1), "/v1/a", "t")

    def pids(self) -> dict[Role, list[int]]:
        return {}

    def fill(self, container: str, names: Sequence[str]) -> None: ...


def test_a_store_that_fails_costs_its_own_windows(tmp_path: Path) -> None:
    """The other one's are measured all the same, and it is said what is missing."""
    run = run_in(tmp_path)
    pair = load.Pair([_Absent()], run)
    assert not list(pair.round(1, [workloads.QUICK[0]], ()))
    assert len(run.unfit) == 1
    assert "ConnectionRefused" in run.unfit[0]
