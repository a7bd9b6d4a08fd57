"""Healing a wiped device: objects a second, and CPU an object, of our replicator and of stock Swift's.

    HealWorld ──▶ servers of one peer ──▶ its replicators on all other nodes, pass after pass ──▶ Reading
              ──▶ wiped again, the same with the other peer                                   ──▶ Reading

Stock replicates by rsync, which waits for no device; ours acknowledges what is durable. Nothing else runs,
and the replicators of the three nodes that have copies run at the same time, as they would.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters import free_port_block

from . import ROOT, accounting
from .heal_world import PORTS, HealWorld
from .load import Unfit
from .peer import Reading, Role, Run

PASSES_MAX = 5
PEERS = ("apus", "stock")


@dataclass(frozen=True, slots=True)
class Loss:
    """What was on the device."""

    figure: str
    objects: int
    part_power: int
    size_bytes: int = 4096


ALL_IN_ONE_POWER, MANY_POWER = 8, 10  # 192 and 768 partitions on the device; rsync is started for each.
FULL = (Loss("heal-100000", 100_000, ALL_IN_ONE_POWER), Loss("heal-20000-scattered", 20_000, MANY_POWER))
QUICK = (Loss("heal-10000", 10_000, ALL_IN_ONE_POWER),)


def measure(run: Run) -> Iterator[Reading]:
    """Heal each loss with both replicators."""
    for loss in QUICK if run.quick else FULL:
        run.tell(f"{loss.figure}: writing {2 * loss.objects:,} files")
        first_port = free_port_block(PORTS)
        world = HealWorld(run.folder / loss.figure, first_port, loss.part_power, run.stock_venv)
        world.build(loss.objects, loss.size_bytes)
        for peer in PEERS:
            run.tell(f"{loss.figure} by {peer}")
            yield heal(world, peer, loss)
            world.wipe()


def heal(world: HealWorld, peer: str, loss: Loss) -> Reading:
    """Start the peer's servers and let its replicators heal the wiped device."""
    world.read_sources()
    with world.running(peer) as pids:
        roots = {Role.OBJECT: pids}
        servers, replicators = accounting.cpu_seconds(roots)[Role.OBJECT], _children_cpu_seconds()
        seconds, passes = 0.0, 0
        while (found := world.healed()) < loss.objects:
            if passes == PASSES_MAX:
                raise Unfit(f"{peer}: {found} of {loss.objects} objects after {passes} passes")
            passes += 1
            begun = time.monotonic()
            _run_all(world.commands(peer), world.folder / f"{peer}.log")
            seconds += time.monotonic() - begun
        servers = accounting.cpu_seconds(roots)[Role.OBJECT] - servers
        replicators = _children_cpu_seconds() - replicators
    return Reading(
        loss.figure, peer, measures(loss.objects, seconds, servers, replicators) | {"passes": passes}
    )


def measures(objects: int, seconds: float, servers: float, replicators: float) -> dict[str, float]:
    """Return rate and CPU per object; `servers` and `replicators` are CPU seconds, rsync's among them."""
    return {
        "objects_per_second": objects / seconds,
        "seconds": seconds,
        "cpu_ms": 1000 * (servers + replicators) / objects,
        "cpu_ms_object": 1000 * servers / objects,
        "cpu_ms_daemons": 1000 * replicators / objects,
    }


def _run_all(commands: Sequence[Sequence[str]], log: Path) -> None:
    with log.open("ab") as output:
        running = [subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT) for command in commands]
        try:
            codes = [process.wait() for process in running]
        except BaseException:
            for process in running:
                process.kill()  # They would go on filling a folder that is being removed.
                process.wait()
            raise
    if any(codes):
        raise Unfit(f"a replicator failed: {log.read_text()[-2000:]}")


def _children_cpu_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system
