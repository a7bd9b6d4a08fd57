"""CPU goes to the role whose process, or whose descendant, used it."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.accounting import TICK_SECONDS, Process, cpu_seconds, families, parse
from bench.client import Outcome
from bench.load import measures
from bench.peer import Role


def test_a_command_may_have_any_name() -> None:
    """The fields are counted from the last parenthesis: blanks and parentheses before it are the name's."""
    fields = ["S", "7", *["0"] * 9, "30", "20", "4", "6", *["0"] * 30]
    assert parse(f"42 (a) b (c) {' '.join(fields)}") == Process(7, 60 * TICK_SECONDS)


def test_a_descendant_belongs_to_its_nearest_named_ancestor() -> None:
    """Workers are their server's; a named process that another one started is not counted twice."""
    table = {
        pid: Process(parent, 0.0) for pid, parent in ((1, 0), (10, 1), (11, 10), (12, 11), (13, 10), (14, 13))
    }
    found = families(table, {Role.PROXY: [10], Role.OBJECT: [13], Role.CACHE: [99]})
    assert {role: sorted(pids) for role, pids in found.items()} == {
        Role.PROXY: [10, 11, 12],
        Role.OBJECT: [13, 14],
        Role.CACHE: [],
    }


def test_work_of_a_child_that_ended_still_counts() -> None:
    """A process is charged for children it has waited for."""
    before = cpu_seconds({Role.PROXY: [os.getpid()]})[Role.PROXY]
    subprocess.run([sys.executable, "-c", "sum(range(5_000_000))"], check=True)
    assert cpu_seconds({Role.PROXY: [os.getpid()]})[Role.PROXY] > before


def test_the_sum_leaves_out_what_works_unasked() -> None:
    """CPU of an operation is that of the roles that serve; the daemons' stands beside it."""
    before = {Role.PROXY: 1.0, Role.OBJECT: 1.0, Role.DAEMONS: 1.0}
    after = {Role.PROXY: 1.5, Role.OBJECT: 2.0, Role.DAEMONS: 4.0}
    found = measures(Outcome(operations=1000, seconds=2.0, bytes_moved=4_000_000), before, after)
    assert found["cpu_ms"] == 1.5
    assert found["cpu_ms_proxy"] == 0.5
    assert found["cpu_ms_daemons"] == 3.0
    assert found["operations_per_second"] == 500
    assert found["mb_per_second"] == 2.0
