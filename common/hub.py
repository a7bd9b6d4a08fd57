"""The event loop under all green threads: eventlet's hub, with a shorter way round for what is always done.

    soon(act) ──────────────▶ ready ──▶ called in the next turn, in order
    schedule_call_global ───▶ ready, or timers ──▶ called when their time has come
    hear(descriptor, call) ─▶ epoll, edge-triggered ──▶ call(events), for each edge
    eventlet's add, remove ─▶ epoll, level-triggered ─▶ listeners, as ever

A turn of eventlet's own hub is nine calls of Python functions, and an object with a place in a heap for
whatever is to be done at once; here it is one function, and a queue. All that eventlet and its green modules
ask of a hub stays as it is.

It does not know what is waited for.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import eventlet.hubs.epolls
import greenlet

Heard = Callable[[int], object]

EVENTS_PER_TURN_MAX = 256  # The kernel keeps the others for the next turn; room is taken for all of them.


class _Turn:
    """Something to be called in the next turn, unless cancelled: what eventlet calls a timer of 0 seconds."""

    __slots__ = ("_arguments", "_call", "_options", "called", "seconds")

    def __init__(self, call: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.seconds = 0
        self.called = False
        self._call = call
        self._arguments = arguments
        self._options = options

    @property
    def pending(self) -> bool:
        """Whether it is still to be called."""
        return not self.called

    def cancel(self) -> None:
        """Do not call it."""
        self.called = True
        self._call = None
        self._arguments = ()

    def __call__(self) -> None:
        if not self.called:
            self.called = True
            self._call(*self._arguments, **self._options)


class Hub(eventlet.hubs.epolls.Hub):  # type: ignore[misc]  # eventlet has no types
    """The loop of one native thread."""

    @staticmethod
    def is_available() -> bool:
        """Whether it can run here; eventlet asks."""
        return bool(eventlet.hubs.epolls.is_available())

    def __init__(self) -> None:
        super().__init__()
        self._ready: deque[Callable[[], object]] = deque()
        self._heard: dict[int, Heard] = {}

    def soon(self, act: Callable[[], object]) -> None:
        """Call something short in the next turn."""
        self._ready.append(act)

    def schedule_call_global(self, seconds: float, call: Any, *arguments: Any, **options: Any) -> Any:
        """Call something after so long; return what can be cancelled."""
        if seconds <= 0:
            turn = _Turn(call, arguments, options)
            self._ready.append(turn)
            return turn
        return super().schedule_call_global(seconds, call, *arguments, **options)

    def hear(self, descriptor: int, heard: Heard, events: int) -> None:
        """Call `heard` with what happens on the descriptor, each time it does, until `ignore`."""
        self.mark_as_reopened(descriptor)
        self._heard[descriptor] = heard
        self.poll.register(descriptor, events)

    def hear_also(self, descriptor: int, events: int) -> None:
        """Hear of these events instead."""
        self.poll.modify(descriptor, events)

    def ignore(self, descriptor: int, heard: Heard) -> None:
        """Hear no more of it; its owner closes it now."""
        if self._heard.get(descriptor) == heard:
            del self._heard[descriptor]

    def mark_as_reopened(self, fileno: int) -> None:
        """Forget who listened to an earlier descriptor of that number."""
        self._heard.pop(fileno, None)
        super().mark_as_reopened(fileno)

    def switch(self) -> Any:
        """Let the others run until somebody switches back here; return what for."""
        green = self.greenlet
        if greenlet.getcurrent().parent is green and not green.dead:
            return green.switch()
        return super().switch()

    def run(self, *_: Any, **__: Any) -> None:
        """Go round until told to stop: what is ready, what is due, what has happened."""
        assert not self.running
        self.running: bool = True
        self.stopping: bool = False
        ready, heard, clock, poll = self._ready, self._heard, self.clock, self.poll.poll
        try:
            while not self.stopping:
                while self.closed:
                    self.close_one()
                if ready:
                    self._call_ready()
                if self.next_timers:
                    self.prepare_timers()
                seconds = self.timers[0][0] - clock() if self.timers else self.default_sleep()
                if seconds <= 0:
                    self.fire_timers(clock())
                if ready or seconds < 0 or self.stopping:
                    seconds = 0
                # All are looked up before the first is called: it may close a descriptor and open another
                # of the same number, which this turn's events do not concern.
                calls = [
                    (heard.get(descriptor) or self._listeners(descriptor), events)
                    for descriptor, events in poll(seconds, EVENTS_PER_TURN_MAX)
                ]
                for call, events in calls:
                    try:
                        call(events)
                    except self.SYSTEM_EXCEPTIONS:
                        raise
                    except BaseException:  # noqa: BLE001 - what ended a green thread must not end the loop
                        self.squelch_generic_exception(sys.exc_info())
            self.timers_canceled = 0
            self.timers.clear()
            self.next_timers.clear()
            ready.clear()
        finally:
            self.running = self.stopping = False

    def _call_ready(self) -> None:
        """Call what was ready when this turn began."""
        ready = self._ready
        for _ in range(len(ready)):
            try:
                ready.popleft()()
            except self.SYSTEM_EXCEPTIONS:
                raise
            except BaseException:  # noqa: BLE001 - what ended a green thread must not end the loop
                self.squelch_generic_exception(sys.exc_info())

    def _listeners(self, descriptor: int) -> Heard:
        """Return how to call those who listen to it now in eventlet's way."""
        reader = self.listeners[self.READ].get(descriptor)
        writer = self.listeners[self.WRITE].get(descriptor)

        def call(events: int) -> None:
            for listener, mask in ((reader, self.READ_MASK), (writer, self.WRITE_MASK)):
                if listener is not None and events & (mask | self.EXC_MASK):
                    try:
                        listener.cb(descriptor)
                    except self.SYSTEM_EXCEPTIONS:
                        raise
                    except BaseException:  # noqa: BLE001 - as above
                        self.squelch_exception(descriptor, sys.exc_info())

        return call
