"""Conditional writes of one object, in foul weather: every history has an order that explains it."""

from __future__ import annotations

import pytest
from linearizability import Told, explained
from simulated_network import CALM
from simulated_register import RegisterWorld, Rules

from apus.common.register import Record, Version
from apus.proxy.register import proposer

SEEDS_TO_CATCH = 40
"""A broken rule must show within so many lives."""


def life(seed: int, *, rules: Rules | None = None, replicas: int = 3) -> RegisterWorld:
    """Return a world in which everything has happened."""
    world = RegisterWorld(seed, rules=rules, replicas=replicas)
    world.live()
    return world


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5])
def test_every_history_is_linearizable(seed: int, replicas: int) -> None:
    """Of racing writers one wins, whoever dies, is cut off, comes late, loses a disk or is moved by the ring."""
    world = life(seed, replicas=replicas)
    made = {each.makes for each in world.history}
    # Of one or two primaries none may fail: then a life may pass in which nothing could be done.
    # In the worst of weathers nobody may hear that his change is done; then others meet it.
    is_done = any(each.told is Told.DONE or (each.seen and each.seen in made) for each in world.history)
    assert is_done or replicas < 3, f"seed {seed}: nothing was ever done"
    assert explained(world.history, world.initial), f"seed {seed}, {replicas} replicas: {world.history}"


def test_a_seed_is_one_life() -> None:
    """What failed once fails again, so that it can be looked at."""
    assert life(7).history == life(7).history


def test_in_calm_weather_nearly_everybody_is_told_something_certain(seed: int) -> None:
    """Without faults hardly a request is left open, however many fight, and few are sent away."""
    world = RegisterWorld(seed, weather=CALM, faults=False)
    world.live()
    told = [each.told for each in world.history]
    assert told.count(Told.NOTHING) < len(told) / 40
    assert told.count(Told.NOT_DONE) < len(told) / 10


def without_quorum(replicas: int) -> int:
    return 1


def half(replicas: int) -> int:
    return (replicas + 1) // 2


def whatever_was_promised(record: Record, ballot: str, version: Version) -> Record:
    return Record(max(record.promised, ballot), ballot, version)


def forgetful(record: Record, ballot: str) -> Record | None:
    return record


@pytest.mark.parametrize(
    ("rules", "replicas"),
    [
        pytest.param(Rules(quorum=without_quorum), 3, id="answered without a quorum"),
        pytest.param(Rules(quorum=half), 4, id="half of four taken for a majority"),
        pytest.param(Rules(accepted=whatever_was_promised), 3, id="accepted in spite of a promise"),
        pytest.param(Rules(promised=forgetful), 3, id="promises forgotten"),
    ],
)
def test_a_broken_rule_is_caught(rules: Rules, replicas: int) -> None:
    """The checker is worth something only if it fails when a rule is wrong."""
    worlds = (life(seed, rules=rules, replicas=replicas) for seed in range(SEEDS_TO_CATCH))
    caught = next((world for world in worlds if not explained(world.history, world.initial)), None)
    assert caught is not None, f"{SEEDS_TO_CATCH} lives passed with a broken rule"


def test_a_newcomer_that_votes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replaced disk, or one that the ring has just brought, beside one that is behind is no majority."""
    monkeypatch.setattr(proposer, "is_newcomer", lambda *_: False)
    worlds = (life(seed) for seed in range(SEEDS_TO_CATCH))
    assert any(not explained(world.history, world.initial) for world in worlds)


def test_a_refusal_on_a_passing_state_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers 412 without having the state chosen first tells of what may yet vanish."""
    monkeypatch.setattr(proposer, "is_chosen", lambda *_, **__: True)
    worlds = (life(seed) for seed in range(SEEDS_TO_CATCH))
    assert any(not explained(world.history, world.initial) for world in worlds)
