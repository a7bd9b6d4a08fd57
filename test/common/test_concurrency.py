"""Laws of the facade over green threads."""

from __future__ import annotations

import contextvars
import gc
import logging
import time

import eventlet
import pytest

from apus.common.concurrency import (
    Countdown,
    Crew,
    Event,
    Killed,
    Lock,
    Task,
    Timeout,
    Waiter,
    in_native_thread,
    sleep,
    spawn,
    timeout,
)

asked: contextvars.ContextVar[str] = contextvars.ContextVar("asked", default="nobody")


def test_a_task_returns_what_its_work_returned() -> None:
    """wait() is the work's result."""
    assert spawn(divmod, 7, 2).wait() == (3, 1)


def test_a_task_raises_what_its_work_raised() -> None:
    """wait() raises the work's exception, each time it is asked."""
    task = spawn(int, "no number")
    for _ in range(2):
        with pytest.raises(ValueError):
            task.wait()


def test_a_failure_that_nobody_heard_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A task whose exception is never asked for leaves it in the log."""
    task = spawn(int, "no number")
    task.join()
    with caplog.at_level(logging.ERROR):
        del task
        gc.collect()
        sleep()
    assert "a task failed" in caplog.text


def test_a_killed_task_ends_where_it_waits() -> None:
    """After kill() the task is done, its clean-up has run, and wait() says that it was killed."""
    tidied = []

    def work() -> None:
        try:
            sleep(60)
        finally:
            tidied.append(True)

    task = spawn(work)
    sleep()
    task.kill()
    assert task.done
    assert tidied == [True]
    with pytest.raises(Killed):
        task.wait()


def test_a_task_killed_before_its_turn_never_begins() -> None:
    """kill() right after spawn() means that nothing of the work happens."""
    begun: list[int] = []
    task = spawn(begun.append, 1)
    task.kill()
    sleep()
    sleep()
    assert begun == []
    assert task.done


def test_a_task_inherits_context() -> None:
    """Context variables are those of the spawner, and changes stay inside."""
    asked.set("somebody")

    def work() -> str:
        seen = asked.get()
        asked.set("the task")
        return seen

    assert spawn(work).wait() == "somebody"
    assert asked.get() == "somebody"


def test_a_timeout_raises_itself_and_only_in_time() -> None:
    """The block is interrupted by its own timeout; a block that is quick enough never hears of it."""
    with pytest.raises(Timeout), timeout(0.01):
        sleep(60)
    with timeout(0.01):
        pass
    sleep(0.03)


def test_an_event_wakes_all_and_stays_set() -> None:
    """Waiters return when it is set; a wait that is too short says False."""
    event = Event()
    assert not event.wait(0.01)
    tasks = [spawn(event.wait) for _ in range(3)]
    sleep()
    event.set()
    event.set()
    assert [task.wait() for task in tasks] == [True, True, True]
    assert event.wait(0)
    event.clear()
    assert not event.wait(0.001)


def test_a_lock_excludes() -> None:
    """Only one green thread is inside at a time."""
    lock, inside, seen = Lock(), [], []

    def enter() -> None:
        with lock:
            inside.append(1)
            seen.append(len(inside))
            sleep()
            inside.pop()

    for task in [spawn(enter) for _ in range(5)]:
        task.wait()
    assert seen == [1] * 5
    assert not lock.locked()


def test_a_crew_is_never_larger_than_its_size() -> None:
    """map() keeps the order of the items and the bound."""
    at_work, most = 0, 0

    def work(item: int) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        sleep(0.001 * (item % 3))
        at_work -= 1
        return item * item

    assert list(Crew(3).map(work, range(12))) == [item * item for item in range(12)]
    assert most == 3


def test_a_crew_is_whole_again_after_failures_and_kills() -> None:
    """A place is given back however its task ended; wait_all() leaves the failure to be heard."""
    crew = Crew(2)
    failed = crew.spawn(int, "no number")
    killed: Task[None] = crew.spawn(sleep, 60)
    killed.kill()
    crew.wait_all()
    with pytest.raises(ValueError):
        failed.wait()
    assert list(crew.map(str, range(4))) == ["0", "1", "2", "3"]


def test_a_native_thread_lets_others_run() -> None:
    """While a call blocks natively, green threads go on."""
    ticking = spawn(sleep, 0.01)
    assert in_native_thread(_block, 0.1) == 0.1
    assert ticking.done


def _block(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_countdown_wakes_in_time_and_only_who_still_waits() -> None:
    """However many have been woken before; one timer is enough for all."""
    countdown = Countdown(0.1)
    waiters = [Waiter() for _ in range(100)]
    for waiter in waiters:
        countdown.start(waiter)
        waiter.wake()
        waiter.wait()
    late = Waiter()
    begun = time.monotonic()
    countdown.start(late)
    late.wait()
    assert 0.09 <= time.monotonic() - begun < 1


def test_a_countdown_outlives_whom_it_wakes() -> None:
    """One that ends with an exception, when it is woken, ends nobody else's waiting, now or later."""
    countdown = Countdown(0.01)
    waiters = [Waiter() for _ in range(3)]

    def fail() -> None:
        waiters[0].wait()
        raise ValueError("of no interest to the hub")

    eventlet.spawn(fail)
    sleep()
    for waiter in waiters[:2]:
        countdown.start(waiter)
    waiters[1].wait()
    countdown.start(waiters[2])
    waiters[2].wait()


def test_a_waiter_is_woken_by_another_green_thread() -> None:
    """Before it waits, or while it does."""
    waiter = Waiter()
    spawn(waiter.wake)
    assert not waiter.is_woken
    waiter.wait()
    waiter.wait()
    assert waiter.is_woken
