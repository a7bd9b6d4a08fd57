"""Clusters for tests of the ring: drawn at random, or spelled out as a grid.

worlds() ──▶ World: devices, replicas, part power, overload ──▶ built() ──▶ Builder, balanced
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from random import Random

from hypothesis import strategies as st

from apus.ring.builder import Builder
from apus.ring.device import Device

NOW = 1_700_000_000.0
HOUR = 3600


@dataclass(frozen=True, slots=True)
class World:
    """What a builder is told."""

    devices: tuple[Device, ...]
    replicas: float
    part_power: int
    overload: float


def device(
    region: int, zone: int, server: int, disk: int, weight: float = 100.0, *, port: int = 6200
) -> Device:
    ip = f"10.{region}.{zone}.{server}"
    return Device(-1, region, zone, ip, port, ip, port + 100, f"sd{disk}", weight)


def grid(
    regions: int, zones: int, servers: int, disks: int, weights: tuple[float, ...] = (100.0,)
) -> list[Device]:
    places = product(range(1, regions + 1), range(1, zones + 1), range(servers), range(disks))
    return [device(*place, weights[n % len(weights)]) for n, place in enumerate(places)]


def numbered(devices: list[Device]) -> list[Device | None]:
    """Return the devices with their places as ids, as a builder's list has them."""
    return [replace(device, id=id_) for id_, device in enumerate(devices)]


def builder_of(
    devices: list[Device], *, replicas: float = 3, part_power: int = 8, overload: float = 0.0
) -> Builder:
    builder = Builder(part_power, replicas, 1, overload=overload)
    for each in devices:
        builder.add(each)
    return builder


def built(world: World, seed: str = "1") -> Builder:
    builder = builder_of(
        list(world.devices),
        replicas=world.replicas,
        part_power=world.part_power,
        overload=world.overload,
    )
    builder.rebalance(seed=seed, now=NOW)
    return builder


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a cluster with enough devices for its replicas, seldom a regular one."""
    replicas = draw(st.sampled_from((1.0, 1.5, 2.0, 3.0, 3.0, 3.0, 3.25, 4.0, 6.0)))
    devices = []
    for region in range(1, draw(st.integers(1, 3)) + 1):
        for zone in range(1, draw(st.integers(1, 4)) + 1):
            for server in range(draw(st.integers(1, 3))):
                for disk in range(draw(st.integers(1, 4))):
                    weight = draw(st.sampled_from((10.0, 50.0, 100.0, 100.0, 100.0, 400.0)))
                    devices.append(device(region, zone, server, disk, weight))
    missing = int(replicas) + 1 - len(devices)
    devices += [device(1, 1, 9, disk) for disk in range(missing)]
    return World(
        devices=tuple(devices),
        replicas=replicas,
        part_power=draw(st.integers(3, 8)),
        overload=draw(st.sampled_from((0.0, 0.1, 1.0))),
    )


def changed(builder: Builder, random: Random) -> None:
    """Make one of the changes that operators make."""
    present = [each for each in builder.present() if each.id not in builder.removed]
    change = random.choice(("add", "add server", "remove", "weight", "drain", "zone", "replicas"))
    target = random.choice(present)
    spare = sum(each.weight > 0 for each in present) > builder.replicas + 1
    if change == "add":
        builder.add(device(target.region, target.zone, 8, 100 + len(builder.devices), port=6201))
    elif change == "add server":
        zone, server = random.randint(1, 5), random.randint(20, 200)
        for disk in range(2):
            builder.add(device(target.region, zone, server, 200 + len(builder.devices) + disk))
    elif change == "weight":
        builder.change(target.id, weight=random.choice((10.0, 50.0, 200.0)))
    elif change == "zone":
        builder.change(target.id, zone=random.randint(1, 5))
    elif change == "replicas" and len(present) > builder.replicas + 2:
        builder.set_replicas(max(1.0, builder.replicas + random.choice((-1, -0.5, 0.5, 1))))
    elif spare and change == "remove":
        builder.remove(target.id)
    elif spare and change == "drain":
        builder.change(target.id, weight=0.0)
