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
from dataclasses import dataclass

import pytest
from clusters import AllInOne, all_in_one
from contest import Contest
from linearizability import Told, explained
from processes import kill_and_wait
from relays import Relay, relayed_proxy
from store import Store

SCHEDULES = int(os.environ.get("APUS_LINEARIZABILITY_SCHEDULES", "3"))
FIRST_SCHEDULE = int(os.environ.get("APUS_LINEARIZABILITY_FIRST", "0"))
OPERATIONS = 200
NODES = 3
CONTAINER = "contests"


@dataclass(frozen=True, slots=True)
class World:
    """A cluster with two proxies, one of which can be cut off from object servers."""

    cluster: AllInOne
    stores: list[Store]
    relays: list[Relay]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("cluster")
    with all_in_one(home, nodes=NODES, background=True) as cluster:
        assert cluster.store.client().put(CONTAINER).status == 201
        with relayed_proxy(cluster, tmp_path_factory.mktemp("relayed")) as (store, relays):
            yield World(cluster, [cluster.store, store], relays)


def part(world: World, rng: random.Random, node: str) -> str:
    """Cut one proxy off from some object servers; what it sent meanwhile arrives late."""
    cut = rng.sample(world.relays, rng.choice((1, 2)))
    seconds = rng.choice((0.3, 1.0, 2.0))
    for relay in cut:
        relay.is_cut = True
    time.sleep(seconds)  # The length of the partition is the experiment's variable.
    for relay in cut:
        relay.is_cut = False
    return f"a proxy cut off from {len(cut)} for {seconds} s"


def pause(world: World, rng: random.Random, node: str) -> str:
    """Stop a node's object server where it is; requests to it wait, and are carried out late."""
    pids = world.cluster.pids("object-server", node)
    seconds = rng.choice((0.2, 1.0, 2.0))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)  # The length of the pause is the experiment's variable.
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    return f"{node} paused for {seconds} s"


def kill(world: World, rng: random.Random, node: str) -> str:
    """SIGKILL a node's object server; start it again a little later."""
    for pid in world.cluster.pids("object-server", node):
        kill_and_wait(pid)
    time.sleep(rng.uniform(0, 1))
    world.cluster.start(node)
    return f"{node} killed"


def kill_proxy(world: World, rng: random.Random, node: str) -> str:
    """SIGKILL the proxy in the middle of whatever it decides."""
    for pid in world.cluster.pids("proxy-server"):
        kill_and_wait(pid)
    world.cluster.run("up")
    return "proxy killed"


def replicate(world: World, rng: random.Random, node: str) -> str:
    """Have replicators spread what they find."""
    world.cluster.once("object-replicator")
    return "replicated"


@pytest.mark.slow
@pytest.mark.parametrize("schedule", range(FIRST_SCHEDULE, FIRST_SCHEDULE + SCHEDULES))
def test_every_history_is_linearizable(world: World, schedule: int) -> None:
    """Of racing writers exactly one wins, whoever is killed, paused or late."""
    rng = random.Random(schedule)
    name = f"object {schedule}"
    contest = Contest(world.stores, CONTAINER, name, schedule, OPERATIONS)
    contest.start()
    faults = []
    while not contest.is_over:
        time.sleep(rng.uniform(0, 0.3))
        fault = rng.choice((part, part, pause, pause, kill, kill_proxy, replicate))
        faults.append(fault(world, rng, f"node{rng.randint(1, NODES)}"))
    history = contest.finish()
    counts = Counter(each.told.value for each in history)
    summary = f"schedule {schedule}: {dict(counts)}; {', '.join(faults)}"
    print(summary)
    assert len(history) == OPERATIONS, summary
    assert counts[Told.DONE.value], summary
    assert explained(history), f"{summary}\n{history}"
    final = world.cluster.store.client().put(CONTAINER, name, body=b"", headers={"If-None-Match": "*"})
    assert final.status in (201, 412), f"{summary}: the object stays undecided: {final}"
