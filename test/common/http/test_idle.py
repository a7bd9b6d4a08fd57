"""Laws of connections that wait for their next request."""

from __future__ import annotations

import _socket

from apus.common import concurrency
from apus.common.http.idle import IdleWires
from apus.common.http.wire import Wire

HERE = ("127.0.0.1", 1)


def pair() -> tuple[Wire, Wire]:
    """Two ends of one connection."""
    left, right = concurrency.original("socket").socketpair()
    return Wire(_socket.socket(fileno=left.detach())), Wire(_socket.socket(fileno=right.detach()))


def test_the_newest_is_taken_first() -> None:
    """And each one only once, and only for its own address."""
    idle = IdleWires(count_max=5, seconds_max=60)
    (first, _), (second, _) = ends = [pair(), pair()]
    idle.put(HERE, first)
    idle.put(HERE, second)
    assert idle.take(("127.0.0.1", 2)) is None
    assert [idle.take(HERE), idle.take(HERE), idle.take(HERE)] == [second, first, None]
    for wire in (*ends[0], *ends[1]):
        wire.close()


def test_too_many_push_the_oldest_out() -> None:
    """It is closed."""
    idle = IdleWires(count_max=1, seconds_max=60)
    ends = [pair(), pair()]
    for left, _ in ends:
        idle.put(HERE, left)
    assert not ends[0][0].open
    idle.close()
    assert not ends[1][0].open
    for _, right in ends:
        right.close()


def test_what_has_ended_or_speaks_is_never_given_out() -> None:
    """Whether it happened before it was put or while it was there."""
    for early in (True, False):
        for close in (True, False):
            idle = IdleWires(count_max=5, seconds_max=60)
            left, right = pair()
            if not early:
                idle.put(HERE, left)
            if close:
                right.close()
            else:
                right.send(b"out of turn", 5)
            concurrency.sleep(0.01)
            if early:
                idle.put(HERE, left)
            assert idle.take(HERE) is None
            assert not left.open
            right.close()
