"""Green threads, and the few things that go with them: the house's only door to the hub library.

    spawn(work) ──▶ Task ──wait()──▶ what work returned, or the exception it raised
    Crew(8).map(work, items) ──▶ results in order, at most 8 at a time
    in_native_thread(work) ──▶ the caller's green thread sleeps, the others go on

A task inherits the context variables of whoever spawned it. It does not know sockets; `http/wire.py`
has its own, cheaper way to wait for those. Nothing here names the hub library in its interface, so that
another one can take its place.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, ParamSpec, Self, TypeVar

# Nobody here resolves names in green threads; without this each process imports a DNS library for it.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Its notice of being in maintenance is known and answered here.
    import eventlet
    import eventlet.event
    import eventlet.hubs
    import eventlet.patcher
    import eventlet.queue
    import eventlet.semaphore
    import eventlet.timeout
    import eventlet.tpool

import greenlet

from .errors import ApusError
from .hub import Hub

log = logging.getLogger(__name__)

eventlet.hubs.use_hub(Hub)

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

Queue = eventlet.queue.Queue
Empty = eventlet.queue.Empty
Full = eventlet.queue.Full
Semaphore = eventlet.semaphore.Semaphore


class Killed(ApusError):
    """The task that was waited for had been killed."""


class Timeout(eventlet.timeout.Timeout):  # type: ignore[misc]
    """Raised in the green thread whose time is up; no `except Exception` on its way swallows it."""


def timeout(seconds: float | None) -> Timeout:
    """Return a context manager that raises itself, a Timeout, in its block after so many seconds."""
    return Timeout(seconds)


def patch() -> None:
    """Make the standard library's blocking calls green; for entry points, before other imports."""
    eventlet.patcher.monkey_patch(psycopg=False)


def original(module: str) -> Any:
    """Return a standard module as it was before `patch()`."""
    return eventlet.patcher.original(module)


def current_hub() -> Hub:
    """Return this thread's event loop, for those who wait in their own way."""
    hub = eventlet.hubs.get_hub()
    assert isinstance(hub, Hub)
    return hub


def wait_readable(descriptor: int) -> None:
    """Sleep until there is something to read from, or to accept on, the descriptor."""
    eventlet.hubs.trampoline(descriptor, read=True)


def call_later(seconds: float, act: Callable[[], object]) -> None:
    """Have the hub call something short that never waits."""
    eventlet.hubs.get_hub().schedule_call_global(seconds, act)


def start_afresh() -> None:
    """Give a forked child its own hub; green threads of the parent do not run in it."""
    eventlet.hubs.use_hub(Hub)


def sleep(seconds: float = 0) -> None:
    """Let the other green threads run for so long; 0 gives each of them one turn."""
    eventlet.sleep(seconds)


class Countdown:
    """Waits of one length, which nearly always end before their time: one timer serves them all."""

    __slots__ = ("_running", "_seconds", "_waits")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[tuple[float, Waiter]] = deque()
        self._running = False

    def start(self, waiter: Waiter) -> None:
        """Have somebody woken when the time is over, unless that has happened before."""
        self._waits.append((time.monotonic() + self._seconds, waiter))
        if not self._running:
            self._running = True
            call_later(self._seconds, self._ring)

    def _ring(self) -> None:
        waits, now = self._waits, time.monotonic()
        try:
            while waits and (waits[0][1].is_woken or waits[0][0] <= now):
                waits.popleft()[1].wake()
        finally:  # What ends the one that was woken must not end the others' waiting.
            self._running = bool(waits)
            if waits:
                call_later(waits[0][0] - now, self._ring)


class Waiter:
    """One green thread that waits for others, or for the hub, to wake it."""

    __slots__ = ("_green", "_hub", "_woken")

    def __init__(self) -> None:
        self._hub = current_hub()
        self._green: Any = None
        self._woken = False

    def wait(self) -> None:
        """Return when it has been woken, now or before."""
        if not self._woken:
            self._green = greenlet.getcurrent()
            try:
                self._hub.switch()
            finally:
                self._green = None

    @property
    def is_woken(self) -> bool:
        """Whether the waiting is over."""
        return self._woken

    def wake(self) -> None:
        """End the waiting, once for all; the hub goes there at once, a green thread stays here."""
        if not self._woken:
            self._woken = True
            green, hub = self._green, self._hub
            if green is None:
                return
            if greenlet.getcurrent() is hub.greenlet:
                green.switch()
            else:
                hub.soon(self._switch)

    def _switch(self) -> None:
        if self._green is not None:
            self._green.switch()


class Event:
    """A flag that green threads can wait for."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._event = eventlet.event.Event()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether somebody has set it."""
        return self._is_set

    def set(self) -> None:
        """Wake all who wait; those who come later need not."""
        if not self._is_set:
            self._is_set = True
            self._event.send()

    def clear(self) -> None:
        """Make the next ones wait again."""
        if self._is_set:
            self._is_set = False
            self._event = eventlet.event.Event()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Return when it is set, True, or when the time is up, False."""
        if not self._is_set:
            self._event.wait(timeout_seconds)
        return self._is_set


class Lock:
    """Mutual exclusion between green threads."""

    __slots__ = ("_semaphore",)

    def __init__(self) -> None:
        self._semaphore = Semaphore(1)

    def acquire(self) -> None:
        """Return when it is ours."""
        self._semaphore.acquire()

    def release(self) -> None:
        """Let the next one in."""
        self._semaphore.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return bool(self._semaphore.locked())

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Task(Generic[T]):
    """Work that runs in its own green thread."""

    __slots__ = ("_at_end", "_done", "_failure", "_green", "_heard", "_result")

    def __init__(self, work: Callable[[], T], at_end: Callable[[Task[T]], None] | None = None) -> None:
        self._at_end = at_end
        self._done = Event()
        self._result: T | None = None
        self._failure: BaseException | None = None
        self._heard = False
        hub = current_hub()
        self._green = greenlet.greenlet(self._run, hub.greenlet)
        self._green.gr_context = contextvars.copy_context()
        hub.soon(functools.partial(self._green.switch, work))

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._result = work()
        except greenlet.GreenletExit:
            self._failure, self._heard = Killed("the task was killed"), True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as failure:  # noqa: BLE001 - kept for whoever waits, or logged at the end
            self._failure = failure
        finally:
            self._end()

    def _end(self) -> None:
        if self._at_end is not None:
            self._at_end(self)
        self._done.set()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._done.is_set()

    def wait(self) -> T:
        """Return what the work returned, or raise what it raised."""
        self._done.wait()
        self._heard = True
        if self._failure is not None:
            raise self._failure
        return self._result  # type: ignore[return-value]  # T may itself be Optional

    def join(self) -> None:
        """Return when it has ended; its outcome stays to be heard by `wait`."""
        self._done.wait()

    def kill(self) -> None:
        """End it where it waits; harmless when it has ended. A task may not kill itself."""
        if self.done:
            return
        self._heard = True
        hub = current_hub()
        if not self._green:  # Not begun: it shall never begin.
            self._green.run = _nothing
            self._failure = Killed("the task was killed")
            self._end()
            return
        assert self._green is not greenlet.getcurrent()
        hub.soon(self._green.throw)
        self._done.wait()

    def __del__(self) -> None:
        failure = getattr(self, "_failure", None)
        if failure is not None and not self._heard:
            # Not here: the collector runs at any moment, also in the middle of writing to the log.
            eventlet.hubs.get_hub().schedule_call_global(0, _report, failure)


def _report(failure: BaseException) -> None:
    log.error("a task failed and nobody asked", exc_info=failure)


def _nothing(*_: object) -> None:
    return None


def spawn(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Task[T]:
    """Run `work(*arguments)` in a green thread of its own, beginning at the next turn."""
    if arguments or options:
        return Task(lambda: work(*arguments, **options))
    return Task(work)


class Crew:
    """A bounded number of green threads that share work."""

    def __init__(self, size: int) -> None:
        assert size > 0
        self._places = Semaphore(size)
        self._tasks: set[Task[Any]] = set()

    def spawn(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Task[T]:
        """Run the work as soon as one of the crew is free; wait for that moment."""
        self._places.acquire()
        task = Task(lambda: work(*arguments, **options), self._leave)
        self._tasks.add(task)
        return task

    def _leave(self, task: Task[Any]) -> None:
        self._places.release()
        self._tasks.discard(task)

    def map(self, work: Callable[[Item], T], items: Iterable[Item]) -> Iterator[T]:
        """Yield the results in the order of the items; an exception comes out in its turn."""
        tasks = [self.spawn(work, item) for item in items]
        for task in tasks:
            yield task.wait()

    def wait_all(self) -> None:
        """Return when nobody of the crew is at work."""
        while self._tasks:
            next(iter(self._tasks)).join()


def native_thread(work: Callable[[], object], name: str = "native") -> Any:
    """Start a thread of the operating system that ends with the process; green calls are not for it."""
    thread = original("threading").Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def in_native_thread(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run a call that blocks in a native thread and return what it returns; only the caller waits."""
    result: T = eventlet.tpool.execute(work, *arguments, **options)
    return result
