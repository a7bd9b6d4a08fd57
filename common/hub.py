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

IDLE_SECONDS = 60.0
EVENTS_PER_TURN_MAX = 40  # The kernel keeps the others for the next turn; room for more is dear to take.


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
        self._heard_next: dict[int, Heard] = {}  # From the next turn on: see `_call_listeners`.
        self._turn = 0

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
        self.poll.register(descriptor, events)
        self._heard_next[descriptor] = heard

    def hear_also(self, descriptor: int, events: int) -> None:
        """Hear of these events instead."""
        self.poll.modify(descriptor, events)

    def ignore(self, descriptor: int, heard: Heard) -> None:
        """Hear no more of it; its owner closes it now."""
        for table in (self._heard, self._heard_next):
            if table.get(descriptor) == heard:
                del table[descriptor]

    def mark_as_reopened(self, fileno: int) -> None:
        """Forget who listened to an earlier descriptor of that number."""
        self._heard.pop(fileno, None)
        self._heard_next.pop(fileno, None)
        super().mark_as_reopened(fileno)

    def switch(self) -> Any:
        """Let the others run until somebody switches back here; return what for."""
        green = self.greenlet
        if self.running and greenlet.getcurrent().parent is green:
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
                for _place in range(len(ready)) if ready else ():  # Not those who come in this turn.
                    try:
                        ready.popleft()()
                    except self.SYSTEM_EXCEPTIONS:
                        raise
                    except BaseException:  # noqa: BLE001 - what ended a green thread must not end the loop
                        self.squelch_generic_exception(sys.exc_info())
                if self.next_timers:
                    self.prepare_timers()
                seconds = self.timers[0][0] - clock() if self.timers else IDLE_SECONDS
                if seconds <= 0:
                    self.fire_timers(clock())
                if ready or seconds < 0 or self.closed or self.stopping:
                    seconds = 0
                self._turn += 1
                if self._heard_next:
                    heard.update(self._heard_next)
                    self._heard_next.clear()
                for descriptor, events in poll(seconds, EVENTS_PER_TURN_MAX):
                    try:
                        call = heard.get(descriptor)
                        if call is not None:
                            call(events)
                        else:
                            self._call_listeners(descriptor, events)
                    except self.SYSTEM_EXCEPTIONS:
                        raise
                    except BaseException:  # noqa: BLE001 - as above
                        self.squelch_generic_exception(sys.exc_info())
            self.timers_canceled = 0
            self.timers.clear()
            self.next_timers.clear()
            ready.clear()
        finally:
            self.running = self.stopping = False

    def _call_listeners(self, descriptor: int, events: int) -> None:
        """Call those who listen in eventlet's way.

        Not those who have come in this turn: the event may be of an earlier descriptor of the same number,
        closed by somebody else who was called. If it is theirs, the next turn has it again.
        """
        for evtype, mask in ((self.READ, self.READ_MASK), (self.WRITE, self.WRITE_MASK)):
            listener = self.listeners[evtype].get(descriptor)
            if listener is not None and events & (mask | self.EXC_MASK) and listener.turn != self._turn:
                try:
                    listener.cb(descriptor)
                except self.SYSTEM_EXCEPTIONS:
                    raise
                except BaseException:  # noqa: BLE001 - as above
                    self.squelch_exception(descriptor, sys.exc_info())

    def add(self, evtype: str, fileno: int, cb: Any, tb: Any, mac: Any) -> Any:
        """Call `cb` for as long as the descriptor is ready, until `remove`."""
        listener = super().add(evtype, fileno, cb, tb, mac)
        listener.turn = self._turn
        return listener
