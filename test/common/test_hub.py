"""Laws of the event loop: what eventlet asks of a hub, and what our own waits ask of it."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator

import eventlet
import eventlet.green.socket
import eventlet.green.subprocess
import eventlet.hubs
import eventlet.queue
import eventlet.tpool
import pytest

from apus.common import concurrency
from apus.common.concurrency import current_hub, sleep, spawn

EDGES = select.EPOLLIN | select.EPOLLET


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends, non-blocking."""
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # The test has closed it.


def test_what_is_to_be_done_soon_is_done_in_order() -> None:
    """One turn for what was ready when it began; what that makes ready comes in the next."""
    hub = current_hub()
    done: list[str] = []

    def again(name: str) -> Callable[[], None]:
        def act() -> None:
            done.append(name)
            hub.soon(lambda: done.append(f"{name} again"))

        return act

    hub.soon(again("first"))
    hub.schedule_call_global(0, done.append, "second")
    hub.soon(again("third"))
    sleep()
    assert done == ["first", "second", "third"]
    sleep()
    assert done[3:] == ["first again", "third again"]


def test_a_cancelled_call_is_not_made() -> None:
    """Neither one of the next turn nor one for later; cancelling what was called does nothing."""
    hub = current_hub()
    done: list[object] = []
    turn, timer = (hub.schedule_call_global(seconds, done.append, seconds) for seconds in (0, 0.01))
    late = hub.schedule_call_global(0.02, done.append, "late")
    assert turn.pending
    assert timer.pending
    turn.cancel()
    timer.cancel()
    sleep(0.04)
    assert done == ["late"]
    assert not turn.pending
    assert not late.pending
    late.cancel()


def test_later_calls_come_when_their_time_has_come() -> None:
    """In the order of their times, whatever the order of asking, and not before."""
    hub, done = current_hub(), []
    begun = hub.clock()
    for seconds in (0.03, 0.01, 0.02):
        hub.schedule_call_global(seconds, lambda due: done.append((due, hub.clock() - begun)), seconds)
    sleep(0.05)
    assert [due for due, _ in done] == [0.01, 0.02, 0.03]
    assert all(at >= due for due, at in done)


def test_an_exception_stops_nobody(capfd: pytest.CaptureFixture[str], pipe: tuple[int, int]) -> None:
    """Whoever raises in the loop is reported; the others, and the same descriptor's next edge, are served."""
    hub, heard = current_hub(), []
    reading, writing = pipe

    def hear(_: int) -> None:
        heard.append(os.read(reading, 10))
        raise ValueError("in an edge")

    hub.soon(lambda: 1 // 0)
    hub.soon(lambda: heard.append(b"the next"))
    hub.schedule_call_global(0.001, lambda: [][0])
    hub.hear(reading, hear, EDGES)
    for data in (b"one", b"two"):
        os.write(writing, data)
        sleep(0.005)
    hub.ignore(reading, hear)
    assert sorted(heard) == [b"one", b"the next", b"two"]
    told = capfd.readouterr().err
    assert all(name in told for name in ("ZeroDivisionError", "IndexError", "ValueError: in an edge"))


def test_who_is_ignored_hears_nothing(pipe: tuple[int, int]) -> None:
    """ignore() is for the one that is named; a later user of the number is not struck off."""
    hub, heard = current_hub(), []
    reading, writing = pipe
    earlier, later = (lambda _: heard.append("earlier")), (lambda _: heard.append("later"))
    hub.hear(reading, earlier, EDGES)
    hub.poll.unregister(reading)
    hub.hear(reading, later, EDGES)
    hub.ignore(reading, earlier)
    os.write(writing, b"x")
    sleep(0.005)
    assert heard == ["later"]
    hub.ignore(reading, later)
    os.write(writing, b"x")
    sleep(0.005)
    assert heard == ["later"]


def test_an_event_is_not_for_the_next_user_of_the_number() -> None:
    """Who closes a descriptor in the turn in which something came on it leaves nothing to its successor."""
    hub, woken = current_hub(), []
    (first, tell_first), (second, tell_second) = (os.pipe() for _ in range(2))
    waiting: list[object] = []

    def recycle(mine: int, other: int) -> Callable[[int], None]:
        def hear(_: int) -> None:
            if waiting:
                return
            hub.remove(listeners[other])
            os.close(other)
            quiet, _tell = os.pipe()
            assert quiet == other
            waiting.extend((quiet, _tell, spawn(wait, quiet)))

        return hear

    def wait(quiet: int) -> None:
        with eventlet.Timeout(0.02, False):
            concurrency.wait_readable(quiet)
            woken.append(quiet)

    listeners = {
        mine: hub.add(hub.READ, mine, recycle(mine, other), lambda *_: None, lambda *_: None)
        for mine, other in ((first, second), (second, first))
    }
    os.write(tell_first, b"x")
    os.write(tell_second, b"x")
    sleep(0.04)
    assert waiting
    assert not woken
    survivor = first if waiting[0] == second else second
    hub.remove(listeners[survivor])
    for descriptor in (survivor, tell_first, tell_second, waiting[0], waiting[1]):
        os.close(descriptor)  # type: ignore[arg-type]  # the third is the task


def test_an_edge_is_not_for_the_next_user_of_the_number() -> None:
    """The same for who hears of edges."""
    hub = current_hub()
    heard: list[int] = []
    pipes = [os.pipe() for _ in range(2)]

    def recycle(mine: int, other: int) -> Callable[[int], None]:
        def hear(_: int) -> None:
            if not heard:
                heard.append(mine)
                hub.ignore(other, calls[other])
                os.close(other)
                pipes.append(os.pipe())
                assert pipes[-1][0] == other
                hub.hear(other, heard.append, EDGES)

        return hear

    (first, _), (second, _) = pipes
    calls = {mine: recycle(mine, other) for mine, other in ((first, second), (second, first))}
    for mine, call in calls.items():
        hub.hear(mine, call, EDGES)
    for _, tell in pipes:
        os.write(tell, b"x")
    sleep(0.01)
    assert len(heard) == 1
    os.write(pipes[-1][1], b"x")
    sleep(0.01)
    assert heard[1:] == [select.EPOLLIN]
    survivor, recycled = heard[0], pipes[-1][0]
    hub.ignore(survivor, calls[survivor])
    hub.ignore(recycled, heard.append)
    for descriptor in (survivor, recycled, *(tell for _, tell in pipes)):
        os.close(descriptor)


def test_eventlet_s_own_ways_to_wait_work() -> None:
    """Green sockets with and without timeouts, its threads, queues, native threads and subprocesses."""
    left, right = eventlet.green.socket.socketpair()
    left.settimeout(0.01)
    with pytest.raises(TimeoutError):
        left.recv(1)
    echo = eventlet.spawn(lambda: right.sendall(right.recv(10).upper()))
    left.sendall(b"hello")
    assert left.recv(10) == b"HELLO"
    echo.wait()
    queue = eventlet.queue.Queue()
    with pytest.raises(eventlet.queue.Empty):
        queue.get(timeout=0.01)
    eventlet.spawn_after(0.005, queue.put, "late")
    current_hub().schedule_call_local(0, queue.put, "at once")
    assert [queue.get(timeout=60) for _ in range(2)] == ["at once", "late"]
    with pytest.raises(eventlet.Timeout), eventlet.Timeout(0.01):
        queue.get()
    with pytest.raises(eventlet.Timeout), eventlet.Timeout(0):
        eventlet.sleep(5)
    assert eventlet.tpool.execute(sum, [1, 2, 3]) == 6
    child = eventlet.green.subprocess.Popen(["echo", "word"], stdout=eventlet.green.subprocess.PIPE)
    assert child.communicate()[0] == b"word\n"
    for sock in (left, right):
        sock.close()


def test_a_forked_child_has_a_hub_of_its_own() -> None:
    """start_afresh(): nothing of the parent's runs in the child, and the child's own does."""
    reading, writing = os.pipe()
    current_hub().soon(lambda: os.write(writing, b"parent's"))
    child = os.fork()
    if child == 0:
        try:
            concurrency.start_afresh()
            spawn(os.write, writing, b"child's").wait()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"child's"
    sleep()
    assert os.read(reading, 100) == b"parent's"
    os.close(reading)
    os.close(writing)


def test_a_killed_green_thread_leaves_the_loop_in_order() -> None:
    """kill() of eventlet's threads and of tasks: they end, and whoever waits for them goes on."""
    sleeping = eventlet.spawn(eventlet.sleep, 60)
    task = spawn(sleep, 60)
    sleep()
    sleeping.kill()
    task.kill()
    assert sleeping.dead
    with pytest.raises(concurrency.Killed):
        task.wait()
    sleep(0.001)
