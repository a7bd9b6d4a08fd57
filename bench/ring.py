"""Rebalancing a ring, ours and stock Swift's: time, CPU, memory, balance and dispersion.

    a Size ──▶ one process for each builder: all devices added, rebalanced; one in a hundred added, rebalanced
           ──▶ Reading rebalance-2^16-1000, Reading rebalance-2^16-1000-grown

What is timed is the rebalance itself, not reading and writing the file. Zones, servers and weights are the
same for both, and each builder says itself how good its table is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import ROOT
from .peer import Reading, Run

SECONDS_MAX = 1800
OURS = """
import json, resource, sys, time
from apus.ring.builder import Builder
from apus.ring.device import Device
size = json.loads(sys.argv[1])
builder = Builder(size["part_power"], size["replicas"], 1, overload=size["overload"])
def add(number, zone, server, weight):
    ip = f"10.{zone}.{server // 250}.{server % 250}"
    builder.add(Device(number, 1, zone, ip, 6200, ip, 6200, f"sd{number}", weight))
def rebalance():
    builder.pretend_min_part_hours_passed()
    return builder.rebalance(seed="1", now=1.7e9).balance, builder.dispersion
"""
STOCK = """
import json, resource, sys, time
from swift.common.ring.builder import RingBuilder
size = json.loads(sys.argv[1])
builder = RingBuilder(size["part_power"], size["replicas"], 1)
builder.set_overload(size["overload"])
def add(number, zone, server, weight):
    ip = f"10.{zone}.{server // 250}.{server % 250}"
    builder.add_dev(dict(id=number, region=1, zone=zone, ip=ip, port=6200, replication_ip=ip,
                         replication_port=6200, device=f"sd{number}", weight=weight))
def rebalance():
    builder.pretend_min_part_hours_passed()
    return builder.rebalance(seed="1")[1], builder.dispersion
"""
TIMED = """
def step(begin, end):
    for number in range(begin, end):
        server = number // size["devices_per_server"]
        add(number, 1 + server % size["zones"], server, 80.0 + 20.0 * (server % 5))
    wall, cpu = time.perf_counter(), time.process_time()
    balance, dispersion = rebalance()
    return dict(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu, balance=balance,
                dispersion=dispersion, memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
devices = size["devices"]
print(json.dumps([step(0, devices), step(devices, devices + devices // 100)]))
"""


@dataclass(frozen=True, slots=True)
class Size:
    """One cluster to place partitions on."""

    part_power: int
    devices: int
    replicas: int = 3
    zones: int = 10
    devices_per_server: int = 10
    overload: float = 0.1

    @property
    def figure(self) -> str:
        """The stable name of its first rebalance."""
        return f"rebalance-2^{self.part_power}-{self.devices}"


SMALL, LARGE = Size(16, 1_000), Size(20, 10_000)


def measure(run: Run) -> Iterator[Reading]:
    """Rebalance with both builders; the large ring takes stock's some minutes."""
    for size in (SMALL,) if run.quick else (SMALL, LARGE):
        for peer, python, program in (
            ("apus", Path(sys.executable), OURS),
            ("stock", run.stock_venv / "bin" / "python", STOCK),
        ):
            run.tell(f"{size.figure} by {peer}")
            yield from readings(size, peer, _steps(size, python, program))


def readings(size: Size, peer: str, steps: list[dict[str, float]]) -> Iterator[Reading]:
    """What the two steps came to."""
    for step, suffix in zip(steps, ("", "-grown"), strict=True):
        yield Reading(size.figure + suffix, peer, step)


def _steps(size: Size, python: Path, program: str) -> list[dict[str, float]]:
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", program + TIMED, json.dumps(asdict(size))],
        check=True,
        capture_output=True,
        cwd=ROOT,
        timeout=SECONDS_MAX,
    )
    steps: list[dict[str, float]] = json.loads(done.stdout)
    return steps
