"""Whose turn is which test, where several processes of pytest run side by side.

    make test ──▶ pytest -n N ──▶ Turns ──▶ a file at a time to the process that is free, the longest first

The tests of a file stay together, for they share what it starts; so do those of a kind of cluster that files share.
Each process chooses ports of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

LONGEST = (
    "test/chaos/",
    "test/linearizability/",
    "test/interop/",
    "test/probe/",
    "test/functional/",
    "test/bench/test_instruction_budget.py",
    "test/simulation/",
    "test/replicator/",
)
"""Where the tests take long, the longest first; what is not here fills the gaps at the end."""

INTEROP = "test/interop/"
BELOW_BOTH_PROXIES = ("over_apus", "over_stock")
"""The storage servers that the proxies of many of its files share."""


def share_of_ports(first: int, last: int) -> tuple[int, int]:
    """Return this process's part of a range of ports, of which no other process of this run takes any."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    length = (last - first) // count
    begin = first + number % count * length
    return begin, begin + length


def turn_of(nodeid: str) -> str:
    """Return what runs as a whole, of which a test is a part: its file, or its kind of cluster."""
    file, _, name = nodeid.partition("::")
    servers = next((kind for kind in BELOW_BOTH_PROXIES if kind in name.partition("[")[2]), None)
    return f"{INTEROP}{servers}" if file.startswith(INTEROP) and servers else file


def urgency(turn: str, tests: int) -> tuple[int, int]:
    """Return what orders the turns, the first to be taken lowest."""
    place = next((number for number, prefix in enumerate(LONGEST) if turn.startswith(prefix)), len(LONGEST))
    return place, -tests


class Turns(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives whoever is free the longest of what is left."""

    def _split_scope(self, nodeid: str) -> str:
        return turn_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = min(self.workqueue, key=lambda turn: urgency(turn, len(self.workqueue[turn])))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
