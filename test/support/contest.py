"""Clients that fight over one object by conditional requests, and the history of what they were told.

    Contest(store, container, name, seed) ──▶ start() … threads of PUT and DELETE under conditions … finish()
        ──▶ .history ──▶ linearizability.explained()

Every body is another one, so an ETag tells which write a state comes from. A client that was refused goes on
from what the refusal named; one that heard nothing certain looks, and goes on from that.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from dataclasses import dataclass, field

from linearizability import ABSENT, Operation, Told
from store import Client, Reply, Store

CLIENTS = 6
_FAILURES = (OSError, http.client.HTTPException)
_SIZES = (0, 100, 4096, 300_000)
_THINKING_SECONDS = 0.2  # Long enough for several faults to fall into one schedule.
_RECOVERY_SECONDS = 0.2  # A killed proxy must not use up the requests of a whole schedule.


@dataclass(slots=True)
class Contest:
    """Some clients and one object."""

    stores: list[Store]
    container: str
    name: str
    seed: int
    operations: int
    history: list[Operation] = field(default_factory=list)
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._left = self.operations
        for number in range(CLIENTS):
            rng = random.Random(f"{self.seed}-{number}")
            client = self.stores[number % len(self.stores)].client()
            self._threads.append(threading.Thread(target=self._work, args=(client, rng), daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nobody has anything left to ask."""
        return self._left <= 0

    def finish(self) -> list[Operation]:
        """Return the history when all have been answered."""
        for thread in self._threads:
            thread.join(timeout=360)
            assert not thread.is_alive(), "a request has not been answered for six minutes"
        return self.history

    def _work(self, client: Client, rng: random.Random) -> None:
        known: str | None = None
        while self._takes_one():
            operation = self._asked(client, rng, known)
            with self._lock:
                self.history.append(operation)
            if operation.told is Told.DONE:
                known = operation.makes
            elif operation.told is Told.REFUSED:
                known = operation.seen
            elif operation.told is Told.NOTHING:
                time.sleep(_RECOVERY_SECONDS)
                known = self._looked(client)
            time.sleep(rng.random() * _THINKING_SECONDS)

    def _takes_one(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _asked(self, client: Client, rng: random.Random, known: str | None) -> Operation:
        """Make one request; return what came of it."""
        condition = known or ABSENT
        body: bytes | None = None
        headers = {"If-None-Match": "*"} if known is None else {"If-Match": f'"{known}"'}
        if known is None or rng.random() < 0.7:
            body = rng.randbytes(16) + bytes(rng.choice(_SIZES))
        makes = None if body is None else hashlib.md5(body).hexdigest()
        called = time.monotonic()
        try:
            if body is None:
                reply = client.delete(self.container, self.name, headers=headers)
            else:
                reply = client.put(self.container, self.name, body=body, headers=headers)
        except _FAILURES:
            return Operation(called, time.monotonic(), condition, makes, Told.NOTHING)
        told, seen = heard(reply)
        return Operation(called, time.monotonic(), condition, makes, told, seen)

    def _looked(self, client: Client) -> str | None:
        try:
            reply = client.head(self.container, self.name)
        except _FAILURES:
            return None
        return reply.headers["etag"].strip('"') if reply.status == 200 else None


def heard(reply: Reply) -> tuple[Told, str | None]:
    """Return what an answer says, and the ETag that it names."""
    if reply.status in (201, 204):
        return Told.DONE, None
    if reply.status == 412:
        etag = reply.headers.get("etag")
        return Told.REFUSED, etag.strip('"') if etag else None
    if reply.status == 409:
        return Told.NOT_DONE, None
    assert reply.status >= 500 or reply.status in (408, 499), reply
    return Told.NOTHING, None
