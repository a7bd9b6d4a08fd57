"""Rows for one container server, sent together while each of their writers waits for his own.

    tell() ──▶ those of a hub's turn ──▶ one request ──▶ a status for each writer
                 those that come while as many as may be are under way ──▶ the next one

Nobody is held up in order to gather: a round of syncfs wakes several writers in one turn of the hub, and
what comes during a request goes with the next. Only a server that has shown that it takes such requests
(`heed`) is sent them; when it answers otherwise it is not any longer, and each of those rows goes alone.
So do, for a while, the rows of a device that failed: what it delays must not delay the others'.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..common import gathered_rows
from ..common.concurrency import Countdown, Waiter, current_hub, spawn
from ..common.errors import Unavailable
from ..common.gathered_rows import ALONE, ROWS_MAX
from ..common.http.client import Address, Asked, Pool, Response
from ..common.http.errors import PeerTimeout

UNDER_WAY_MAX = 2
"""Requests to one server at a time: one waits for its round there while the next one gathers."""
SERVERS_MAX = 4096  # Container servers of which it is known that they take gathered rows.
REST_SECONDS = 5.0  # For so long the rows of a device go alone after it failed with one.
FAILED = 500  # The first status that blames the server.


class Entry(Waiter):
    """One row, and whoever waits for what becomes of it."""

    __slots__ = ("line", "problem", "status")

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line = line
        self.status: int | None = None
        self.problem: Unavailable | None = None


class GatheredUpdates:
    """The rows of one object server on their way to container servers."""

    def __init__(self, pool: Pool, *, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout_seconds = timeout_seconds
        self._countdown = Countdown(timeout_seconds)
        self._servers: dict[Address, _Server] = {}

    def heed(self, address: Address, device: str, response: Response) -> None:
        """Note what the answer to a row that went alone says about going together."""
        server = self._servers.get(address)
        if response.status >= FAILED:
            if server is not None:
                server.rest(device)
        elif response.status // 100 == 2:  # Other answers say nothing of it, whoever gave them.
            if response.headers.get(gathered_rows.TAKEN_HEADER) != gathered_rows.TAKEN:
                self._servers.pop(address, None)
            elif server is None and len(self._servers) < SERVERS_MAX:
                self._servers[address] = _Server(self._pool, address, self._timeout_seconds)

    def tell(self, address: Address, device: str, line: bytes) -> int:
        """Send a row with others and return its status, or ALONE where it has to go by itself.

        Raises:
            Unavailable: when the server did not answer in time, or broke off.
        """
        server = self._servers.get(address)
        if server is None or not server.may_take(device):
            return ALONE
        entry = Entry(line)
        self._countdown.start(entry)
        server.take(entry)
        entry.wait()
        if entry.problem is not None:
            raise Unavailable(str(entry.problem)) from entry.problem
        if entry.status is None:
            raise PeerTimeout("the peer did not answer in time")
        if entry.status >= FAILED:
            server.rest(device)
        if server.is_strange and self._servers.get(address) is server:
            del self._servers[address]
        return entry.status


class _Server:
    """What is on its way to one server; what sends and hears runs in the hub, where nothing waits."""

    __slots__ = (
        "_address",
        "_is_due",
        "_pool",
        "_resting",
        "_timeout_seconds",
        "_under_way",
        "_waiting",
        "is_strange",
    )

    def __init__(self, pool: Pool, address: Address, timeout_seconds: float) -> None:
        self._pool = pool
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._waiting: list[Entry] = []
        self._under_way = 0
        self._is_due = False
        self._resting: dict[str, float] = {}
        self.is_strange = False  # It gave an answer that one who takes such requests would not give.

    def rest(self, device: str) -> None:
        """Let the rows of a device go alone for a while."""
        self._resting[device] = time.monotonic() + REST_SECONDS

    def may_take(self, device: str) -> bool:
        """Whether the rows of a device may go together with others."""
        if device in self._resting:
            if self._resting[device] > time.monotonic():
                return False
            del self._resting[device]
        return not self.is_strange

    def take(self, entry: Entry) -> None:
        """Let a row go with the next request."""
        self._waiting.append(entry)
        if not self._is_due and self._under_way < UNDER_WAY_MAX:
            self._is_due = True
            current_hub().soon(self._dispatch)

    def _dispatch(self) -> None:
        """Send what waits, now that everybody who was ready to run has had his turn."""
        self._is_due = False
        waiting = [entry for entry in self._waiting if not entry.is_woken]  # Others' time was up.
        while waiting and self._under_way < UNDER_WAY_MAX:
            self._send(waiting[:ROWS_MAX])
            waiting = waiting[ROWS_MAX:]
        self._waiting = waiting

    def _send(self, entries: Sequence[Entry]) -> None:
        self._under_way += 1
        body = gathered_rows.message([entry.line for entry in entries])

        def hear(asked: Asked) -> None:
            if asked.stale:
                spawn(self._ask, entries, body)
            else:
                self._end(entries, asked.response, asked.problem)

        method, path, patience = gathered_rows.METHOD, gathered_rows.PATH, self._timeout_seconds
        if not self._pool.begin(self._address, method, path, {}, body, timeout_seconds=patience, heard=hear):
            spawn(self._ask, entries, body)

    def _ask(self, entries: Sequence[Entry], body: bytes) -> None:
        """Send a request that needs a new connection (in a green thread of its own)."""
        response = problem = None
        method, path, patience = gathered_rows.METHOD, gathered_rows.PATH, self._timeout_seconds
        try:
            response = self._pool.request(self._address, method, path, {}, body, timeout_seconds=patience)
        except Unavailable as failure:
            problem = failure
        finally:
            self._end(entries, response, problem)

    def _end(self, entries: Sequence[Entry], response: Response | None, problem: Unavailable | None) -> None:
        """Tell each writer what became of his row; meanwhile the next ones are on their way."""
        self._under_way -= 1
        statuses = None
        if response is not None:
            statuses = gathered_rows.statuses_in(response.headers.get(gathered_rows.STATUSES), len(entries))
            self.is_strange = self.is_strange or statuses is None
            response.close()
        for entry, status in zip(entries, statuses or [ALONE] * len(entries), strict=True):
            entry.status, entry.problem = status, problem
        if self._waiting and not self._is_due:
            self._dispatch()
        for entry in entries:
            entry.wake()
