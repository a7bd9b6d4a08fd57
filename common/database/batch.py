"""Rows of several databases, kept for one wait.

    {broker: rows, …} ──▶ keep_all() ──▶ one append to each .pending ──▶ one round of each device
                                        └──▶ {broker: None, or why not}; who is absent would have had to wait

What becomes of one database is nothing to the others: a busy one is left out, a broken one has its own
error. It does not know what the rows say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from .. import concurrency
from ..durability import GroupCommitter
from ..errors import ApusError, OutOfSpace, Unavailable
from .broker import Broker
from .pending import Entry

B = TypeVar("B", bound=Broker)
PATIENCE_SECONDS = 0.5
"""With a round, so that a stalled device is known as such while writers still wait for the other rows."""


def keep_all(appends: Mapping[B, Sequence[Entry]]) -> dict[B, ApusError | None]:
    """Append to each database, unless that means to wait for somebody; on return it survives a power loss."""
    outcomes: dict[B, ApusError | None] = {}
    rounds: dict[GroupCommitter, tuple[int, list[B]]] = {}
    begun: list[GroupCommitter] = []
    try:
        for broker, rows in appends.items():
            try:
                committer, ticket = broker.begin()
                begun.append(committer)
                if broker.append_at_once(rows):
                    # All begin before the hub runs again, so the first one's ticket is everybody's.
                    rounds.setdefault(committer, (ticket, []))[1].append(broker)
            except ApusError as problem:
                outcomes[broker] = problem
            except OSError as problem:
                outcomes[broker] = OutOfSpace(f"{broker.path}: {problem.strerror}")
        _wait(rounds, outcomes)
    finally:
        for committer in begun:
            committer.finish()
    return outcomes


def _wait(rounds: Mapping[GroupCommitter, tuple[int, list[B]]], outcomes: dict[B, ApusError | None]) -> None:
    """Wait for a round of each device, all of them side by side."""

    def wait(committer: GroupCommitter) -> None:
        ticket, brokers = rounds[committer]
        patience = concurrency.timeout(PATIENCE_SECONDS)
        try:
            with patience:
                committer.sync(ticket)
            outcomes.update((broker, None) for broker in brokers)
        except OSError as problem:
            outcomes.update((broker, OutOfSpace(f"{broker.path}: {problem.strerror}")) for broker in brokers)
        except concurrency.Timeout as silence:
            if silence is not patience:
                raise
            outcomes.update((broker, Unavailable(f"{broker.path}: the device is slow")) for broker in brokers)

    if not rounds:
        return
    first, *others = rounds
    tasks = [concurrency.spawn(wait, committer) for committer in others]
    try:
        wait(first)
    finally:
        for task in tasks:
            task.join()
