"""Which object replica tells which container replica of a new row, and which tells the expirer's queue.

    object requests 0 1 2 ◀── container replicas A B C, dealt round    X-Container-Host: ...
    object requests 0 1 2 ◀── queue replicas     C B A, dealt backwards X-Delete-At-Host: ...

Enough are dealt that a quorum of container replicas hears of every write that a quorum of object
replicas stored, whichever of them failed. Pure: devices in, headers out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from ..ring.device import Device
from .quorum import quorum_size

QUEUE_CLEANERS = 2
"""Replicas that take an old X-Delete-At out of the queue; more would only multiply the same request."""


@dataclass(frozen=True, slots=True)
class UpdateTarget:
    """A container whose replicas must hear of something."""

    partition: int
    devices: Sequence[Device]
    container: str | None = None
    """Name of the queue container, for the expirer's queue."""


@lru_cache(maxsize=64)
def dealing(*, container_replicas: int, object_replicas: int) -> tuple[tuple[int, ...], ...]:
    """Return for each object replica which container replicas it tells, by index.

    Every container replica is told by somebody, and any quorum of object replicas tells a quorum.
    """
    hands: list[list[int]] = [[] for _ in range(object_replicas)]
    for turn in range(container_replicas):
        hands[turn % object_replicas].append(turn)
    turn = container_replicas
    while not _is_enough(hands, quorum_size(object_replicas), quorum_size(container_replicas)):
        poorest = min(hands, key=len)
        while turn % container_replicas in poorest:
            turn += 1
        poorest.append(turn % container_replicas)
        turn += 1
    return tuple(map(tuple, hands))


def _is_enough(hands: list[list[int]], survivors: int, needed: int) -> bool:
    return all(len(set().union(*left)) >= needed for left in combinations(hands, survivors))


def deal_updates(
    headers: Sequence[dict[str, str]],
    rows: UpdateTarget,
    *,
    db_state: str = "unsharded",
    queue: UpdateTarget | None = None,
) -> None:
    """Write the update headers into one header set per object replica."""
    for mine, told in zip(headers, _dealt(rows, len(headers)), strict=True):
        for device in told:
            _name(mine, "X-Container", rows, device)
            mine["X-Container-Root-Db-State"] = db_state
    if queue is not None:
        assert queue.container is not None
        # Backwards, so that no object replica has to send twice as much as another.
        for mine, told in zip(reversed(headers), _dealt(queue, len(headers)), strict=True):
            for device in told:
                _name(mine, "X-Delete-At", queue, device)
                mine["X-Delete-At-Container"] = queue.container
    for index, mine in enumerate(headers):
        cleans = "t" if index < QUEUE_CLEANERS else "f"
        mine.setdefault("X-Backend-Clean-Expiring-Object-Queue", cleans)


def _dealt(target: UpdateTarget, object_replicas: int) -> list[list[Device]]:
    hands = dealing(container_replicas=len(target.devices), object_replicas=object_replicas)
    return [[target.devices[index] for index in hand] for hand in hands]


def _name(headers: dict[str, str], prefix: str, target: UpdateTarget, device: Device) -> None:
    host = f"[{device.ip}]:{device.port}" if ":" in device.ip else f"{device.ip}:{device.port}"
    headers[f"{prefix}-Partition"] = str(target.partition)
    for name, value in ((f"{prefix}-Host", host), (f"{prefix}-Device", device.device)):
        headers[name] = f"{headers[name]},{value}" if name in headers else value
