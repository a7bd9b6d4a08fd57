"""Laws of waiting on a connection."""

from __future__ import annotations

import _socket
import random
import socket
import time
from collections.abc import Iterator

import pytest

from apus.common import concurrency
from apus.common.http.wire import Wire, WireClosed, WireTimeout, leave_unpaced

Pair = tuple[Wire, Wire]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of one connection."""
    ends = concurrency.original("socket").socketpair()
    wires = [Wire(_socket.socket(fileno=end.detach())) for end in ends]
    yield wires[0], wires[1]
    for wire in wires:
        wire.close()


def send_later(wire: Wire, seconds: float, data: bytes) -> None:
    """Send after a while."""
    concurrency.sleep(seconds)
    wire.send(data, 5)


def test_a_reader_sleeps_until_there_is_something(pair: Pair) -> None:
    """receive() returns what comes, and b"" at the end, to the first and to each later wait."""
    left, right = pair
    reading = concurrency.spawn(lambda: [left.receive(10, 5) for _ in range(3)])
    for data in (b"one", b"two"):
        concurrency.sleep(0.005)
        right.send(data, 5)
    concurrency.sleep(0.005)
    right.close()
    assert reading.wait() == [b"one", b"two", b""]
    assert left.receive(10, 5) == b""


def test_what_came_while_nobody_waited_is_read(pair: Pair) -> None:
    """An edge that passes unheard is not lost: data and end are found by the next call."""
    left, right = pair
    right.send(b"data", 5)
    right.end_writing()
    heard_by = time.monotonic() + 30
    while not left.stirred and time.monotonic() < heard_by:
        concurrency.sleep(0.001)
    assert left.stirred
    assert (left.receive(2, 5), left.receive(10, 5), left.receive(10, 5)) == (b"da", b"ta", b"")


@pytest.mark.parametrize("seed", range(30))
def test_no_edge_is_missed(pair: Pair, seed: int) -> None:
    """Whatever the sizes of pieces and reads, and whoever is quicker: all comes, then the end, without a wait."""
    left, right = pair
    rng = random.Random(seed)
    sent = [rng.randbytes(rng.choice((1, 7, 100, 1000))) for _ in range(40)]

    def send() -> None:
        for piece in sent:
            right.send(piece, 5)
            if rng.random() < 0.4:
                concurrency.sleep(rng.choice((0, 0, 0.001)))
        right.end_writing()

    sending = concurrency.spawn(send)
    received = []
    while data := left.receive(rng.choice((1, 7, 100, 5000)), 1):
        received.append(data)
        if rng.random() < 0.3:
            concurrency.sleep()
    assert b"".join(received) == b"".join(sent)
    sending.wait()


def test_time_is_up_at_the_right_moment(pair: Pair) -> None:
    """A short patience behind a long one, and a long one behind a short one, are both kept."""
    left, right = pair
    clock = left.hub.clock
    for patience in (0.05, 0.01, 0.03):
        before = clock()
        with pytest.raises(WireTimeout):
            left.receive(1, patience)
        assert patience <= clock() - before < patience + 2
    right.send(b"x", 5)
    assert left.receive(1, 0.01) == b"x"


def test_a_wait_that_ended_well_does_not_ring_later(pair: Pair) -> None:
    """The timer of an earlier wait never interrupts a later one."""
    left, right = pair
    answering = concurrency.spawn(send_later, right, 0.01, b"x")
    assert left.receive(1, 0.5) == b"x"
    answering.wait()
    past_the_first_wait = 0.7
    later = concurrency.spawn(send_later, right, past_the_first_wait, b"y")
    assert left.receive(1, 10) == b"y"
    later.wait()


def test_reader_and_writer_wait_side_by_side(pair: Pair) -> None:
    """One green thread may read while another writes, each with its own time."""
    left, right = pair
    writing = concurrency.spawn(left.send, b"x" * 10_000_000, 5)
    with pytest.raises(WireTimeout):
        left.receive(1, 0.02)
    assert not writing.done
    received = 0
    while received < 10_000_000:
        received += len(right.receive(1 << 20, 5))
    writing.wait()


def test_a_writer_sleeps_until_there_is_room(pair: Pair) -> None:
    """send() and send_parts() return when all has been taken; or the time is up."""
    left, right = pair
    body = bytes(range(256)) * 20_000
    parts = [body[:7], b"", body[7:4_000_000], body[4_000_000:]]

    def send_twice() -> None:
        left.send(body, 5)
        left.send_parts(parts, 5)

    writing = concurrency.spawn(send_twice)
    received = bytearray()
    while len(received) < 2 * len(body):
        received += right.receive(1 << 16, 5)
    writing.wait()
    assert bytes(received) == body * 2
    with pytest.raises(WireTimeout):
        left.send(body * 10, 0.02)


def test_closing_wakes_who_waits(pair: Pair) -> None:
    """WireClosed, at once, and for each later wait too."""
    left, _ = pair
    reading = concurrency.spawn(left.receive, 1, 60)
    concurrency.sleep()
    left.close()
    with pytest.raises(WireClosed):
        reading.wait()
    with pytest.raises(OSError):
        left.receive(1, 5)


def test_a_kill_or_timeout_ends_a_wait(pair: Pair) -> None:
    """And the connection is as usable as before."""
    left, right = pair
    reading = concurrency.spawn(left.receive, 1, 60)
    concurrency.sleep()
    reading.kill()
    with pytest.raises(concurrency.Timeout), concurrency.timeout(0.01):
        left.receive(1, 60)
    right.send(b"x", 5)
    assert left.receive(1, 5) == b"x"


def test_quiet_means_that_nothing_came(pair: Pair) -> None:
    """Neither data nor an end."""
    left, right = pair
    assert left.is_quiet()
    right.send(b"x", 5)
    assert not left.is_quiet()
    assert left.peek(1, 5) == left.receive(1, 5) == b"x"
    assert left.is_quiet()
    right.close()
    assert not left.is_quiet()


def test_a_reader_can_be_brought_to_its_end(pair: Pair) -> None:
    """end_reading() gives what has come, then the end."""
    left, right = pair
    right.send(b"x", 5)
    left.end_reading()
    assert (left.receive(10, 5), left.receive(10, 5)) == (b"x", b"")


def test_a_descriptor_is_reused_cleanly() -> None:
    """A new connection with an old one's number hears its own events only."""
    numbers = set()
    for turn in range(20):
        ends = concurrency.original("socket").socketpair()
        left, right = (Wire(_socket.socket(fileno=end.detach())) for end in ends)
        numbers.add(left.descriptor)
        reading = concurrency.spawn(left.receive, 10, 5)
        concurrency.sleep()
        if turn % 2:
            right.send(b"x", 5)
            assert reading.wait() == b"x"
        left.close()
        right.close()
        if not turn % 2:
            with pytest.raises(WireClosed):
                reading.wait()
    assert len(numbers) < 20


def test_a_refused_connection_is_an_oserror() -> None:
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
    with pytest.raises(ConnectionRefusedError):
        Wire.connect(address, 5)


@pytest.mark.parametrize(
    ("peer", "is_here"), [("127.0.0.1", True), ("127.9.8.7", True), ("192.0.2.1", False)]
)
def test_only_a_connection_within_this_machine_is_left_unpaced(peer: str, *, is_here: bool) -> None:
    """To others the machine's congestion control is the operator's choice."""
    sock = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    level, option = socket.IPPROTO_TCP, socket.TCP_CONGESTION
    usual = sock.getsockopt(level, option, 16)
    leave_unpaced(sock, peer)
    assert sock.getsockopt(level, option, 16).rstrip(b"\0") == (b"reno" if is_here else usual.rstrip(b"\0"))
    sock.close()


def test_what_is_no_network_is_left_as_it_is(pair: Pair) -> None:
    """A local socket has no congestion control."""
    leave_unpaced(pair[0].socket, "127.0.0.1")
