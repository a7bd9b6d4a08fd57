"""Any process may die at any moment, and no promise is broken."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from clusters import AllInOne, all_in_one
from processes import kill_and_wait
from workload import Workload

KILLS = int(os.environ.get("APUS_CHAOS_KILLS", "20"))
SEED = int(os.environ.get("APUS_CHAOS_SEED", "20261121"))
THINKING_SECONDS = (
    0.1  # Some fifty requests a second; with more, most of the time goes by before a victim runs again.
)
SETTLING = (
    "object-updater",
    "account-replicator",
    "container-replicator",
    "object-replicator",
    "object-updater",
    "container-replicator",
    "container-updater",
)


def kill_and_restart(cluster: AllInOne, rng: random.Random) -> str:
    """SIGKILL one process at a random moment, start it again; say which."""
    time.sleep(rng.uniform(0, 0.3))  # "Any moment" of the load.
    victim = rng.choice(cluster.status()["processes"])
    kill_and_wait(victim["pid"])
    if victim["node"]:
        cluster.start(victim["node"])
    else:
        cluster.run("up")
    return f"{victim['node'] or 'proxy'}/{victim['role']}"


@pytest.mark.slow
def test_kills_break_no_promise(tmp_path: Path) -> None:
    """Kills of single processes in a mixed load: no acknowledged write lost, no deleted object back."""
    rng = random.Random(SEED)
    with all_in_one(tmp_path / "cluster", background=True) as cluster:
        store = cluster.store
        store.client().put("load")
        load = Workload(store, "load", SEED, THINKING_SECONDS)
        load.start()
        killed = [kill_and_restart(cluster, rng) for _ in range(KILLS)]
        load.stop()
        cluster.run("up")
        cluster.once(*SETTLING)
        problems = load.verify(store.client())
        summary = f"seed {SEED}: {len(killed)} kills, {load.operations} operations, {load.failures} failed"
        print(summary)
        assert load.operations > 10 * KILLS, summary
        assert not problems, "\n".join([summary, f"killed: {', '.join(killed)}", *problems])
