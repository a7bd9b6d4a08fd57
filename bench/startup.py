"""How long the all-in-one cluster takes to come up, and what it uses while nobody asks anything of it.

    nothing ──▶ `up` the first time ──▶ CPU while idle ──▶ with hundreds of containers ──▶ `down`, `up` again

All processes count, daemons first of all: their passes are what an idle cluster does. Stock Swift has no such
thing to compare with, so these figures are watched over time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from clusters import AllInOne, all_in_one

from . import accounting
from .peer import Reading, Role, Run

CONTAINERS = 400
SETTLE_SECONDS = 45.0  # One pass of everything that follows a change: updaters, replicators.
IDLE_SECONDS = 60.0  # The longest interval of a daemon that looks at each database.


def measure(run: Run) -> Iterator[Reading]:
    """Bring a cluster up and watch it rest; takes minutes, so a quick run only sees it start."""
    run.tell("a cluster starts for the first time")
    begun = time.monotonic()
    with all_in_one(run.folder / "startup", background=True) as cluster:
        first = time.monotonic() - begun
        if not run.quick:
            run.tell("an empty cluster rests")
            yield _idle("idle-empty", cluster)
            client = cluster.store.client()
            for number in range(CONTAINERS):
                client.put(f"startup-{number}")
            run.tell(f"a cluster with {CONTAINERS} containers rests")
            yield _idle(f"idle-{CONTAINERS}-containers", cluster)
        run.tell("the cluster starts again")
        cluster.down()
        begun = time.monotonic()
        cluster.up()
        yield Reading("startup", "apus", {"first_seconds": first, "again_seconds": time.monotonic() - begun})


def _idle(figure: str, cluster: AllInOne) -> Reading:
    time.sleep(SETTLE_SECONDS)
    roots: dict[Role, list[int]] = {Role.OBJECT: [], Role.DAEMONS: []}
    for process in cluster.status()["processes"]:
        serves = process["role"].endswith("-server")
        roots[Role.OBJECT if serves else Role.DAEMONS].append(process["pid"])
    before = accounting.cpu_seconds(roots)
    time.sleep(IDLE_SECONDS)
    after = accounting.cpu_seconds(roots)
    share = {role: 100 * (after[role] - before[role]) / IDLE_SECONDS for role in roots}
    memory = accounting.memory_mb(roots)
    return Reading(
        figure,
        "apus",
        {
            "cpu_percent": sum(share.values()),
            "cpu_percent_servers": share[Role.OBJECT],
            "cpu_percent_daemons": share[Role.DAEMONS],
            "memory_mb": sum(memory.values()),
        },
    )
