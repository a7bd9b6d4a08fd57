"""The power fails under load, on all nodes at once, and whatever was acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from clusters import all_in_one
from small_disks import small_disk
from workload import Workload

SEED = int(os.environ.get("APUS_CHAOS_SEED", "20261121"))
CUTS = int(os.environ.get("APUS_CHAOS_CUTS", "2"))
DISK_BYTES = 512 << 20
NODES = 3
OPERATIONS_MIN = 100  # Before a cut, however long they take.


@pytest.mark.slow
def test_a_power_cut_breaks_no_promise(tmp_path: Path) -> None:
    """Every file system stops without flushing, every process dies; the journals are replayed, and all is there."""
    rng = random.Random(SEED)
    home = tmp_path / "cluster"
    with ExitStack() as stack:
        places = [home / f"node{number}" / "devices" / f"d{number}" for number in range(1, NODES + 1)]
        disks = [stack.enter_context(small_disk(place, DISK_BYTES)) for place in places]
        cluster = stack.enter_context(all_in_one(home, nodes=NODES, background=True))
        store = cluster.store
        for cut in range(CUTS):
            container = f"load{cut}"
            assert store.client().put(container).status == 201
            load = Workload(store, container, SEED + cut)
            load.start()
            time.sleep(rng.uniform(2, 4))  # The moment of the cut is the experiment's variable.
            while load.operations <= OPERATIONS_MIN:
                time.sleep(0.05)
            for disk in disks:
                disk.pull_plug()
            for number in range(1, NODES + 1):
                cluster.kill(f"node{number}")
            load.stop()
            for disk in disks:
                disk.replug()
            cluster.run("up")
            cluster.once("object-updater", "container-replicator", "object-replicator")
            problems = load.verify(store.client())
            summary = f"seed {SEED}, cut {cut}: {load.operations} operations, {load.failures} failed"
            print(summary)
            assert not problems, "\n".join([summary, *problems])
