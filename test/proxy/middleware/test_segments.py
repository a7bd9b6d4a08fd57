"""When the segments of a large object are opened, and that none of them stays open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flat_store import Body, FlatStore, environ_of, request

from apus.common.concurrency import sleep
from apus.common.errors import Unavailable
from apus.proxy.middleware.segments import AHEAD_BYTES_MAX, AHEAD_MAX, Piece, SegmentedBody

COUNT = 12


@dataclass
class Wire:
    """A client's connection, which notes how many segments are open when something is sent."""

    open_bodies: list[int] = field(default_factory=list)
    taken: int = 0

    def send(self, data: bytes, _timeout_seconds: float) -> None:
        """Take it slowly."""
        turn()
        self.open_bodies.append(Body.open_bodies)
        self.taken += len(data)

    def take(self, body: Iterable[bytes]) -> None:
        """Take a body piece by piece."""
        for data in body:
            self.send(data, 1.0)


def wire_of() -> Any:
    """One that passes for a connection of the house's own."""
    return Wire()


@pytest.fixture
def store() -> Iterator[FlatStore]:
    """A store in which each segment takes some time to open; nobody may leave one open."""
    Body.open_bodies = 0
    yield FlatStore(asked=lambda _environ: sleep(0))
    turn()
    assert not Body.open_bodies


def turn() -> None:
    """Let the others go on for a while."""
    for _ in range(4):
        sleep(0)


def segments(store: FlatStore, size: int) -> list[Piece]:
    """Put some segments of that size."""
    for number in range(COUNT):
        request(store, "PUT", f"s/{number}", body=bytes(size))
    store.seen.clear()
    return [Piece(path=f"s/{number}", size=size, span=(0, size)) for number in range(COUNT)]


def body_of(store: FlatStore, pieces: Iterator[Piece | bytes]) -> SegmentedBody:
    """Begin a body."""
    body = SegmentedBody(store, environ_of("GET", "c/large"), pieces)
    body.begin()
    return body


def test_the_next_few_are_opened_while_one_is_sent(store: FlatStore) -> None:
    """In their order, each once, and never more than a few."""
    body, wire = body_of(store, iter(segments(store, 10))), wire_of()
    assert len(store.seen) == 1
    assert body.transfer(wire) == wire.taken == COUNT * 10
    assert wire.open_bodies == [AHEAD_MAX + 1] * (COUNT - AHEAD_MAX) + list(range(AHEAD_MAX, 0, -1))
    assert store.seen == [("GET", f"s/{number}") for number in range(COUNT)]
    body.close()


@pytest.mark.parametrize(("size", "at_once"), [(AHEAD_BYTES_MAX + 1, 1), (AHEAD_BYTES_MAX, 2)])
def test_large_ones_wait_for_their_turn(store: FlatStore, size: int, at_once: int) -> None:
    """Who serves them would not wait for a client that is slow with what comes before."""
    body, wire = body_of(store, iter(segments(store, size))), wire_of()
    assert body.transfer(wire) == COUNT * size
    assert max(wire.open_bodies) == at_once
    body.close()


@pytest.mark.parametrize("turns", [0, 1, 4])
def test_a_client_that_leaves_early_costs_a_few(store: FlatStore, turns: int) -> None:
    """What is open, or just being opened, is let go of; nothing else is asked for."""
    body = body_of(store, iter(segments(store, 10)))
    begun: Any = iter(body)
    assert next(begun)
    for _ in range(turns):
        sleep(0)
    begun.close()
    body.close()
    turn()
    assert not Body.open_bodies
    assert len(store.seen) <= AHEAD_MAX + 1


@pytest.mark.parametrize("moves", [False, True])
def test_trouble_ahead_breaks_nothing_off_before_its_turn(store: FlatStore, moves: bool) -> None:
    """Neither a segment that cannot be opened, nor a manifest of others."""
    pieces = segments(store, 10)
    store.failing["s/3"] = 503

    def broken() -> Iterator[Piece | bytes]:
        yield from pieces[5:8]
        raise Unavailable("the manifest behind")

    for source, whole, says in ((iter(pieces), 3, "s/3"), (broken(), 3, "behind")):
        body, wire = body_of(store, source), wire_of()
        with pytest.raises(Unavailable, match=says):
            body.transfer(wire) if moves else wire.take(body)
        body.close()
        assert wire.taken == whole * 10
