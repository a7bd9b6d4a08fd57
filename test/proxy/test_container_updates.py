"""Laws of dealing container updates among object replicas."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.container_updates import UpdateTarget, deal_updates
from apus.proxy.quorum import quorum_size
from apus.ring.device import Device


def device(number: int) -> Device:
    ip = f"10.0.0.{number}"
    return Device(number, 1, 1, ip, 6201, ip, 6201, f"c{number}")


@given(st.integers(1, 5), st.integers(1, 5))
def test_a_quorum_of_object_replicas_tells_a_quorum_of_updates(containers: int, objects: int) -> None:
    """Whichever object replicas fail, the survivors carry at least a quorum of updates."""
    headers: list[dict[str, str]] = [{} for _ in range(objects)]
    rows = UpdateTarget(7, [device(number) for number in range(containers)])
    deal_updates(headers, rows)
    carried = [each.get("X-Container-Host", "").split(",") for each in headers]
    named = [{host for host in hosts if host} for hosts in carried]
    for survivors in itertools.combinations(named, quorum_size(objects)):
        assert len(set().union(*survivors)) >= quorum_size(containers)
    told = {host for hosts in carried for host in hosts if host}
    assert len(told) == containers


def test_three_and_three_pair_up() -> None:
    """Three replicas each: one container replica to each object replica, the queue's backwards."""
    headers: list[dict[str, str]] = [{} for _ in range(3)]
    rows = UpdateTarget(7, [device(number) for number in (1, 2, 3)])
    queue = UpdateTarget(9, [device(number) for number in (4, 5, 6)], "1700000000")
    deal_updates(headers, rows, queue=queue)
    assert [each["X-Container-Host"] for each in headers] == [f"10.0.0.{n}:6201" for n in (1, 2, 3)]
    assert [each["X-Container-Device"] for each in headers] == ["c1", "c2", "c3"]
    assert [each["X-Delete-At-Host"] for each in headers] == [f"10.0.0.{n}:6201" for n in (6, 5, 4)]
    assert {each["X-Delete-At-Container"] for each in headers} == {"1700000000"}
    assert [each["X-Backend-Clean-Expiring-Object-Queue"] for each in headers] == ["t", "t", "f"]
