"""Processes are killed, paused and cut off under conditional writes, and every history has an order.

`make check-linearizable` follows fifty schedules of faults with two hundred requests each.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from clusters import AllInOne, all_in_one
from contest import Contest
from linearizability import Told, explained
from processes import kill_and_wait

SCHEDULES = int(os.environ.get("APUS_LINEARIZABILITY_SCHEDULES", "3"))
FIRST_SCHEDULE = int(os.environ.get("APUS_LINEARIZABILITY_FIRST", "0"))
OPERATIONS = 200
NODES = 3
CONTAINER = "contests"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    with all_in_one(tmp_path_factory.mktemp("cluster"), nodes=NODES) as cluster:
        assert cluster.store.client().put(CONTAINER).status == 201
        yield cluster


def pause(cluster: AllInOne, rng: random.Random, node: str) -> str:
    """Stop a node's object server where it is; requests to it wait, and are carried out late."""
    pids = cluster.pids("object-server", node)
    seconds = rng.choice((0.2, 1.0, 2.0))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)  # The length of the pause is the experiment's variable.
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    return f"{node} paused for {seconds} s"


def kill(cluster: AllInOne, rng: random.Random, node: str) -> str:
    """SIGKILL a node's object server; start it again a little later."""
    for pid in cluster.pids("object-server", node):
        kill_and_wait(pid)
    time.sleep(rng.uniform(0, 1))
    cluster.start(node)
    return f"{node} killed"


def kill_proxy(cluster: AllInOne, rng: random.Random, node: str) -> str:
    """SIGKILL the proxy in the middle of whatever it decides."""
    for pid in cluster.pids("proxy-server"):
        kill_and_wait(pid)
    cluster.run("up")
    return "proxy killed"


def replicate(cluster: AllInOne, rng: random.Random, node: str) -> str:
    """Have replicators spread what they find."""
    cluster.once("object-replicator")
    return "replicated"


@pytest.mark.slow
@pytest.mark.parametrize("schedule", range(FIRST_SCHEDULE, FIRST_SCHEDULE + SCHEDULES))
def test_every_history_is_linearizable(cluster: AllInOne, schedule: int) -> None:
    """Of racing writers exactly one wins, whoever is killed, paused or late."""
    rng = random.Random(schedule)
    name = f"object {schedule}"
    contest = Contest([cluster.store], CONTAINER, name, schedule, OPERATIONS)
    contest.start()
    faults = []
    while not contest.is_over:
        time.sleep(rng.uniform(0, 0.3))
        fault = rng.choice((pause, pause, kill, kill_proxy, replicate))
        faults.append(fault(cluster, rng, f"node{rng.randint(1, NODES)}"))
    history = contest.finish()
    counts = Counter(each.told.value for each in history)
    summary = f"schedule {schedule}: {dict(counts)}; {', '.join(faults)}"
    print(summary)
    assert len(history) == OPERATIONS, summary
    assert counts[Told.DONE.value], summary
    assert explained(history), f"{summary}\n{history}"
    final = cluster.store.client().put(CONTAINER, name, body=b"", headers={"If-None-Match": "*"})
    assert final.status in (201, 412), f"{summary}: the object stays undecided: {final}"
