"""A mixed load that remembers what it was promised, and finds out whether the promises were kept.

    Workload(store, container, seed) ──▶ start() … threads of PUT, POST, DELETE, GET … stop()
        each answer ──▶ Memory: what the object may be now ──▶ verify(): is it one of those?

An acknowledged write leaves one possible state. A request that failed may or may not have happened, and
leaves both. Every name belongs to one thread, so that its history has one order. What is in doubt is made
certain before listings are judged, as a client would: by asking again. Until then an object that nobody was
promised may be there and not be listed, when what held it lost its power between the two.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from store import Client, Reply, Store

ABSENT = "absent"
THREADS = 6
NAMES_PER_THREAD = 20
_SIZES = (0, 1, 100, 4096, 4096, 4096, 20_000, 65_536, 300_000, 1_500_000)
_FAILURES = (OSError, http.client.HTTPException)


@dataclass(slots=True)
class Memory:
    """What one object may be: the digests (or ABSENT) that the answers so far allow."""

    possible: set[str] = field(default_factory=lambda: {ABSENT})
    history: list[str] = field(default_factory=list)

    def acknowledged(self, what: str, state: str) -> None:
        """The store promised it: nothing else is possible from now on."""
        self.possible = {state}
        self.history.append(f"{what} acknowledged: {state}")

    def in_doubt(self, what: str, state: str) -> None:
        """No answer, or no promise: it may have happened."""
        self.possible.add(state)
        self.history.append(f"{what} in doubt: {state}")


@dataclass(slots=True)
class Workload:
    """Threads that change objects of one container until they are told to stop."""

    store: Store
    container: str
    seed: int
    thinking_seconds: float = 0.01
    """How long each thread rests between two requests; leaves processor time for what is started again."""
    memories: dict[str, Memory] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    operations: int = 0
    failures: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        for number in range(THREADS):
            names = [f"{number}/object {each}" for each in range(NAMES_PER_THREAD)]
            self.memories.update({name: Memory() for name in names})
            rng = random.Random(f"{self.seed}-{number}")
            self._threads.append(threading.Thread(target=self._work, args=(names, rng), daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the load and wait for requests under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=360)
            assert not thread.is_alive(), "a request has not been answered for six minutes"

    def verify(self, client: Client) -> list[str]:
        """Every broken promise, in words; empty where all were kept."""
        broken = [problem for name in self.memories for problem in self._judge(client, name)]
        broken += [problem for name in self.memories for problem in self._ask_again(client, name)]
        listed = set(self._listed(client))
        broken += [problem for name in self.memories for problem in self._judge_listing(client, name, listed)]
        return [*self.wrong, *broken]

    def _listed(self, client: Client) -> Iterator[str]:
        marker = ""
        while page := client.names_in(self.container, marker=marker, limit="1000"):
            yield from page
            marker = page[-1]

    def _judge(self, client: Client, name: str) -> Iterator[str]:
        memory = self.memories[name]
        for headers in ({"X-Newest": "true"}, {}):
            found = state_of(client.get(self.container, name, headers=headers))
            if found not in memory.possible:
                last = "; ".join(memory.history[-4:])
                yield f"{name} is {found}, which nobody wrote last ({headers or 'plain GET'}): {last}"

    def _ask_again(self, client: Client, name: str) -> Iterator[str]:
        """Repeat what was in doubt; a store that is whole again must promise it now."""
        memory = self.memories[name]
        if len(memory.possible) == 1:
            return
        if ABSENT in memory.possible:
            reply = client.request("DELETE", self.container, name)
            state = ABSENT
            promised: tuple[int, ...] = (204, 404)
        else:
            reply = client.request("PUT", self.container, name, body=name.encode())
            state, promised = hashlib.md5(name.encode()).hexdigest(), (201,)
        if reply.status in promised:
            memory.acknowledged("asked again", state)
        else:
            yield f"{name}: asked again, the answer was {reply.status}"

    def _judge_listing(self, client: Client, name: str, listed: set[str]) -> Iterator[str]:
        found = state_of(client.get(self.container, name, headers={"X-Newest": "true"}))
        last = "; ".join(self.memories[name].history[-4:])
        if found not in self.memories[name].possible:
            yield f"{name} is {found} after asking again: {last}"
        if (name in listed) != (found != ABSENT):
            yield f"{name} is {found}, and the listing {'has' if name in listed else 'lacks'} it: {last}"

    def _work(self, names: list[str], rng: random.Random) -> None:
        client: Client | None = None
        while not self._stop.is_set():
            try:
                client = client or self.store.client()
            except (*_FAILURES, AssertionError):
                self._stop.wait(0.05)  # The proxy is down; it will be back.
                continue
            name = rng.choice(names)
            {0: self._delete, 1: self._delete, 2: self._read, 3: self._read, 4: self._post}.get(
                rng.randrange(10), self._put
            )(client, name, rng)
            self.operations += 1
            self._stop.wait(self.thinking_seconds)

    def _put(self, client: Client, name: str, rng: random.Random) -> None:
        content = rng.randbytes(rng.choice(_SIZES))
        state = hashlib.md5(content).hexdigest()
        self._note(name, "PUT", state, self._send(client, "PUT", name, content), (201,))

    def _delete(self, client: Client, name: str, rng: random.Random) -> None:
        self._note(name, "DELETE", ABSENT, self._send(client, "DELETE", name), (204,))

    def _note(self, name: str, what: str, state: str, reply: Reply | None, promised: tuple[int, ...]) -> None:
        memory = self.memories[name]
        if reply is not None and reply.status in promised:
            memory.acknowledged(what, state)
        else:
            memory.in_doubt(f"{what} {reply.status if reply else 'without answer'}", state)

    def _post(self, client: Client, name: str, rng: random.Random) -> None:
        self._send(client, "POST", name, headers={"X-Object-Meta-Number": str(rng.random())})

    def _read(self, client: Client, name: str, rng: random.Random) -> None:
        reply = self._send(client, "GET", name, headers={"X-Newest": "true"})
        if reply is None or reply.status not in (200, 404):
            return
        found = state_of(reply)
        if found not in self.memories[name].possible:
            last = "; ".join(self.memories[name].history[-4:])
            self.wrong.append(
                f"{name} was {found} when it was read ({reply.headers.get('x-trans-id')}): {last}"
            )

    def _send(
        self, client: Client, method: str, name: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply | None:
        try:
            reply = client.request(method, self.container, name, body=body, headers=headers)
        except _FAILURES:
            self.failures += 1
            return None
        if reply.status >= 500:
            self.failures += 1
        return reply


def state_of(reply: Reply) -> str:
    """The digest of the body of a 200, ABSENT for a 404, else the status."""
    if reply.status == 200:
        return hashlib.md5(reply.body).hexdigest()
    return ABSENT if reply.status == 404 else f"status {reply.status}"
