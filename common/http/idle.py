"""Connections to peers that wait for their next request.

    put(address, wire) ──▶ newest first ──▶ take(address) ──▶ a wire on which nothing has happened, or None

A connection on which anything happens while it is idle has ended, or its peer talks out of turn: it is not
given out again. The newest is taken first, so that the others grow old and are closed.
"""

from __future__ import annotations

from collections import deque

from .wire import Wire

Address = tuple[str, int]


class IdleWires:
    """The idle connections of a pool."""

    __slots__ = ("_count_max", "_seconds_max", "_wires")

    def __init__(self, *, count_max: int, seconds_max: float) -> None:
        self._count_max = count_max  # For each address.
        self._seconds_max = seconds_max
        self._wires: dict[Address, deque[tuple[float, Wire]]] = {}

    def put(self, address: Address, wire: Wire) -> None:
        """Keep the connection for later, unless something has come that nobody asked for."""
        if wire.stirred:
            # Perhaps that was the answer itself, still arriving; perhaps it was the end.
            if not wire.is_quiet():
                wire.close()
                return
            wire.stirred = False
        wires = self._wires.get(address)
        if wires is None:
            wires = self._wires[address] = deque()
        now = wire.hub.clock()
        wires.append((now, wire))
        if len(wires) > self._count_max or now - wires[0][0] > self._seconds_max:
            wires.popleft()[1].close()

    def take(self, address: Address) -> Wire | None:
        """Return a connection that seems usable."""
        wires = self._wires.get(address)
        while wires:
            since, wire = wires.pop()
            if not wire.stirred and wire.hub.clock() - since <= self._seconds_max:
                return wire
            wire.close()
        return None

    def close(self) -> None:
        """Close them all."""
        for wires in self._wires.values():
            while wires:
                wires.pop()[1].close()
