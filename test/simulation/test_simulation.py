"""A hundred nodes, foul weather, and what must be true when it clears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from simulated_cluster import Rules, SimulatedCluster

from apus.common.timestamp import Timestamp
from apus.container.rows import ObjectRow
from apus.replicator import plan

SEEDS_TO_CATCH = 60
"""A broken rule must show within so many lives."""


def life(seed: int, rules: Rules | None = None) -> SimulatedCluster:
    """Return a cluster that has lived, and was then left in peace."""
    cluster = SimulatedCluster(seed, rules=rules)
    cluster.live()
    cluster.heal()
    return cluster


def test_a_healed_cluster_keeps_every_promise(seed: int) -> None:
    """Newest wins everywhere; no acknowledged write is lost, no acknowledged delete undone."""
    cluster = life(seed)
    assert cluster.promises, f"seed {seed}: nothing was ever promised"
    assert not cluster.violations(), f"seed {seed}: {cluster.violations()}"


def test_a_seed_is_one_life() -> None:
    """What failed once fails again, so that it can be looked at."""
    left, right = life(7), life(7)
    assert left.promises == right.promises
    assert [node.disk.partitions for node in left.nodes] == [node.disk.partitions for node in right.nodes]


def without_quorum(heard: Sequence[int], **_: Any) -> int:
    return 201 if 201 in heard else 503


def after_one_confirmation(*, confirmed: int, primaries: int) -> bool:
    return confirmed >= min(1, primaries)


def without_tombstones(
    ours: plan.Inventory, theirs: plan.Inventory, *, horizon: Timestamp
) -> list[plan.Push]:
    wanted = plan.pushes(ours, theirs, horizon=horizon)
    return [push for push in wanted if push.need is not plan.Need.TOMBSTONE]


def nothing_buried(ours: plan.Inventory, theirs: plan.Inventory) -> dict[str, Timestamp]:
    return {}


def last_comes_last(ours: ObjectRow, theirs: ObjectRow) -> ObjectRow:
    return theirs


def never_pending(rows: Sequence[bool | None], *, container_replicas: int) -> bool:
    return False


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(Rules(put_verdict=without_quorum), id="a PUT answered without a quorum"),
        pytest.param(Rules(reclaim_seconds=3600), id="tombstones reclaimed too early"),
        pytest.param(Rules(may_remove_handoff=after_one_confirmation), id="a handoff removed too early"),
        pytest.param(Rules(pushes=without_tombstones, burials=nothing_buried), id="tombstones not passed on"),
        pytest.param(Rules(join=last_comes_last), id="the last row to arrive wins"),
        pytest.param(Rules(listing_pending=never_pending), id="a listing never said to lag"),
    ],
)
def test_a_broken_rule_is_caught(rules: Rules) -> None:
    """The simulation is worth something only if it fails when a rule is wrong."""
    caught = next((seed for seed in range(SEEDS_TO_CATCH) if life(seed, rules).violations()), None)
    assert caught is not None, f"{SEEDS_TO_CATCH} lives passed with a broken rule"
