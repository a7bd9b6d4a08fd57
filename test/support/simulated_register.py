"""One object, its primaries, some proxies and their clients, under one seed; decided by the real rules.

seed ──▶ RegisterWorld.live() ──▶ conditional changes in foul weather: messages lost, doubled and late,
                                  partitions, devices down and paused, proxies that die, damaged copies,
                                  a disk replaced by an empty one, or a ring that moves a replica and
                                  reaches each proxy at another time; a replicator that spreads whatever
                                  is visible
    ──▶ .history ──▶ linearizability.explained()
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from linearizability import ABSENT as MUST_BE_ABSENT
from linearizability import Operation, Told
from simulated_network import SECOND, Clock, Network, Weather

from apus.common.register import NEWCOMER_TICKS, NO_BALLOT, Promise, Record, Version, Visible, ballot_after
from apus.common.timestamp import TICKS_PER_SECOND, Timestamp
from apus.object.register import acceptor
from apus.proxy.register.proposer import (
    Accept,
    Ask,
    Change,
    Commit,
    Look,
    Outcome,
    Pause,
    Prepare,
    Proposal,
    Verdict,
    majority,
)

BEGIN = 1_700_000_000 * TICKS_PER_SECOND
LONG_AGO = Timestamp(BEGIN - 10 * NEWCOMER_TICKS)
ANSWER_TICKS_MAX = SECOND // 2
"""How long a proxy waits for the slowest device."""
TOLD = {
    Verdict.DONE: Told.DONE,
    Verdict.REFUSED: Told.REFUSED,
    Verdict.CONFLICT: Told.NOT_DONE,
    Verdict.UNSETTLED: Told.NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides, as functions, so that a test can break one of them on purpose."""

    quorum: Callable[[int], int] = majority
    promised: Callable[[Record, str], Record | None] = acceptor.promised
    accepted: Callable[[Record, str, Version], Record | None] = acceptor.accepted
    learned: Callable[[Record, str, Version], Record] = acceptor.learned


@dataclass(slots=True)
class Device:
    """One primary of the object."""

    number: int
    up: bool = True
    record: Record = field(default_factory=Record)
    visible: Visible = field(default_factory=Visible)
    staged: dict[str, str] = field(default_factory=dict)
    since: Timestamp | None = LONG_AGO
    """When it was asked first; None of one that is new."""

    def asked(self, moment: Timestamp) -> Timestamp:
        """Return since when it has been asked."""
        self.since = self.since or moment
        return self.since

    def wipe(self) -> None:
        """Lose everything."""
        self.record, self.visible, self.staged, self.since = Record(), Visible(), {}, None

    def show(self, version: Version) -> bool:
        """Make a chosen version visible, if its body is here; tell whether it is, or has been."""
        if version.moment <= self.visible.moment:
            return True
        if version.exists and self.staged.get(version.change) != version.etag:
            return False
        self.visible = Visible(version.moment, version.etag, version.exists, version.moment)
        return True


@dataclass(slots=True)
class Client:
    """Somebody who changes the object, one request after the other."""

    proxy: int
    left: int
    knows: str | None = None
    """The ETag that it takes for the current one."""


def draw_weather(chance: random.Random) -> Weather:
    """Return anything between a good and a terrible network."""
    return Weather(
        lost=chance.choice((0.0, 0.02, 0.1)),
        doubled=chance.choice((0.0, 0.05, 0.2)),
        late=chance.choice((0.0, 0.03, 0.1)),
        late_ticks_max=20 * SECOND,
    )


class RegisterWorld:
    """One seed's world."""

    def __init__(
        self,
        seed: int,
        *,
        rules: Rules | None = None,
        replicas: int = 3,
        operations: int = 200,
        clients: int = 6,
        weather: Weather | None = None,
        faults: bool = True,
    ) -> None:
        self._has_faults = faults
        self.rules = rules or Rules()
        self.chance = random.Random(seed)
        self.clock = Clock(BEGIN)
        self.network = Network(self.clock, self.chance, weather or draw_weather(self.chance))
        self.devices = [Device(number) for number in range(replicas)]
        """All that ever were primaries."""
        self.rings = [list(self.devices) for _ in range(3)]
        """Which of them each proxy takes for the primaries."""
        self.skews = [self.chance.randint(-2 * SECOND, 2 * SECOND) for _ in range(3)]
        self.cut: set[tuple[int, int]] = set()
        """Proxies and devices that do not reach each other."""
        self.dead: set[int] = set()
        """Lives of proxies that are over; a proxy that comes back has a new one."""
        self.lives = [0, 1, 2]
        self.clients = [Client(number % 3, operations // clients) for number in range(clients)]
        self.history: list[Operation] = []
        self.initial: str | None = None
        self._tokens = 0

    def live(self) -> None:
        """Let everything happen."""
        if self._has_faults and self.chance.random() < 0.5:
            self._written_without_register()
        for client in self.clients:
            self.clock.after(self.chance.randrange(SECOND), functools.partial(self._act, client))
        span = max(client.left for client in self.clients) * SECOND
        for _ in range(span // SECOND // 2 if self._has_faults else 0):
            fault = self.chance.choice((self._outage, self._partition, self._death, self._damage))
            self.clock.after(self.chance.randrange(span), fault)
        if self._has_faults and len(self.devices) > 1:
            self.clock.after(self.chance.randrange(span), self.chance.choice((self._wipe, self._move)))
        for _ in range(span // SECOND):
            self.clock.after(self.chance.randrange(span), self._replicate)
        self.clock.run()

    def _written_without_register(self) -> None:
        """An unconditional PUT was acknowledged before: a majority has it."""
        self.initial = "plain"
        moment = Timestamp(BEGIN + self.chance.randint(-SECOND, SECOND))
        for device in self.chance.sample(self.devices, majority(len(self.devices))):
            device.visible = Visible(moment, "plain", exists=True, newest=moment)
        for client in self.clients:
            client.knows = self.chance.choice((None, "plain"))

    def token(self) -> str:
        """Return a token that nobody else has."""
        self._tokens += 1
        return f"t{self._tokens:05d}"

    def _act(self, client: Client) -> None:
        if not client.left:
            return
        client.left -= 1
        Attempt(self, client).begin()

    def again(self, client: Client) -> None:
        """Let a client make its next request a little later."""
        self.clock.after(self.chance.randrange(1, SECOND), functools.partial(self._act, client))

    def now_ticks(self, proxy: int) -> int:
        """Return what a proxy takes for now."""
        return self.clock.now + self.skews[proxy]

    def _outage(self) -> None:
        """A device is down, or paused: what was sent to it meanwhile is lost."""
        device = self.chance.choice(self.devices)
        device.up = False
        length = self.chance.choice((SECOND // 5, 3 * SECOND, 10 * SECOND))
        self.clock.after(length, functools.partial(setattr, device, "up", True))

    def _partition(self) -> None:
        pairs = {(self.chance.randrange(3), self.chance.choice(self.devices).number) for _ in range(3)}
        self.cut |= pairs
        self.clock.after(self.chance.randrange(8 * SECOND), lambda: self.cut.difference_update(pairs))

    def _death(self) -> None:
        """A proxy dies in the middle of whatever it does; its successor knows nothing."""
        proxy = self.chance.randrange(3)
        self.dead.add(self.lives[proxy])
        self.lives[proxy] = max(self.lives) + 1

    def _wipe(self) -> None:
        """A disk is replaced by an empty one, whatever the others have."""
        self.chance.choice(self.devices).wipe()

    def _move(self) -> None:
        """The ring moves a replica to a device that has nothing; each proxy hears of it in its own time."""
        place = self.chance.randrange(len(self.devices))
        new = Device(len(self.devices), since=None)
        self.devices.append(new)
        for ring in self.rings:
            self.clock.after(
                self.chance.randrange(20 * SECOND), functools.partial(ring.__setitem__, place, new)
            )

    def _damage(self) -> None:
        """A visible copy goes to quarantine, if the others are whole; the record stays."""
        if len(self.devices) == 1:
            return  # What it shows may be all there is of the object, and no register ever heard of it.
        newest = max(device.visible.moment for device in self.devices)
        if all(device.visible.moment == newest for device in self.devices):
            self.chance.choice(self.devices).visible = Visible()

    def _replicate(self) -> None:
        """Everybody who is up gets the newest that one of them shows."""
        source = self.chance.choice(self.devices)
        for device in self.devices:
            if source.up and device.up and source.visible.moment > device.visible.moment:
                device.visible = source.visible


class Attempt:
    """One request of a client, as a proxy carries it out."""

    def __init__(self, world: RegisterWorld, client: Client) -> None:
        self.world = world
        self.client = client
        self.life = world.lives[client.proxy]
        self.token = world.token()
        self.called = world.clock.now
        self.devices = list(world.rings[client.proxy])
        self.condition, self.makes = self._wish()
        change = Change(self.token, self._holds, self.makes)
        self.proposal = Proposal(
            change,
            replicas=len(self.devices),
            now_ticks=functools.partial(world.now_ticks, client.proxy),
            quorum=world.rules.quorum,
        )
        self.is_over = False

    def _wish(self) -> tuple[str, str | None]:
        known = self.client.knows
        if known is None:
            return MUST_BE_ABSENT, f"e{self.token}"
        return known, None if self.world.chance.random() < 0.3 else f"e{self.token}"

    def _holds(self, version: Version) -> bool:
        if self.condition == MUST_BE_ABSENT:
            return not version.exists
        return version.exists and version.etag == self.condition

    def begin(self) -> None:
        """Upload the body, and ask for the first promise with it; or just begin."""
        patience = 30 * SECOND
        self.world.clock.after(patience, lambda: self._end(None))
        if self.makes is None:
            self._go_on(self.proposal.steps(), None)
            return
        ballot = ballot_after(NO_BALLOT, self.world.now_ticks(self.client.proxy), self.token)

        def stage(device: Device) -> Promise:
            assert self.makes is not None
            device.staged[self.token] = self.makes
            return self._promise(device, ballot)

        def staged(heard: list[Any]) -> None:
            if len(heard) < self.world.rules.quorum(len(self.devices)):
                self._end(Outcome(Verdict.CONFLICT))  # Nobody can have accepted it.
            else:
                self._go_on(self.proposal.steps((ballot, heard)), None)

        self._ask_all(stage, staged)

    def _go_on(self, steps: Any, heard: list[Any] | None) -> None:
        if self.is_over or self.life in self.world.dead:
            self._end(None)
            return
        try:
            ask = steps.send(heard)
        except StopIteration as end:
            self._end(end.value)
            return
        go_on = functools.partial(self._go_on, steps)
        if isinstance(ask, Pause):
            ticks = self.world.chance.randrange(1, SECOND // 20 * 2**ask.attempts)
            self.world.clock.after(min(ticks, 2 * SECOND), lambda: go_on([]))
        else:
            self._ask_all(functools.partial(self._serve, ask), go_on)

    def _serve(self, ask: Ask, device: Device) -> Promise | bool:
        """Do what a device does when it is asked."""
        rules = self.world.rules
        if isinstance(ask, Look):
            return self._told(device, granted=False)
        if isinstance(ask, Prepare):
            return self._promise(device, ask.ballot)
        assert isinstance(ask, (Accept, Commit))
        if isinstance(ask, Commit):
            device.record = rules.learned(device.record, ask.ballot, ask.version)
            return device.show(ask.version)
        record = rules.accepted(device.record, ask.ballot, ask.version)
        device.record = record or device.record
        return self._told(device, granted=record is not None)

    def _promise(self, device: Device, ballot: str) -> Promise:
        record = self.world.rules.promised(device.record, ballot)
        device.record = record or device.record
        return self._told(device, granted=record is not None)

    def _told(self, device: Device, *, granted: bool) -> Promise:
        return Promise(granted, device.record, device.visible, device.asked(Timestamp(self.world.clock.now)))

    def _ask_all(self, serve: Callable[[Device], Any], then: Callable[[list[Any]], None]) -> None:
        """Send it to every device; go on when all have answered, or the time is up."""
        world = self.world
        heard: list[Any] = []
        answered: set[int] = set()
        is_settled: list[bool] = []

        def settle() -> None:
            if not is_settled:
                is_settled.append(True)
                then(list(heard))

        def arrive(device: Device) -> None:
            if device.up and (self.client.proxy, device.number) not in world.cut:
                answer = serve(device)
                world.network.send(functools.partial(come_back, device, answer))

        def come_back(device: Device, answer: Any) -> None:
            if device.number in answered or (self.client.proxy, device.number) in world.cut:
                return
            answered.add(device.number)
            heard.append(answer)
            if len(heard) == len(self.devices):
                settle()

        for device in self.devices:
            world.network.send(functools.partial(arrive, device))
        world.clock.after(ANSWER_TICKS_MAX, settle)

    def _end(self, outcome: Outcome | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        told = Told.NOTHING if outcome is None else TOLD[outcome.verdict]
        seen = None
        if outcome is not None and told is Told.REFUSED:
            seen = outcome.version.etag if outcome.version.exists else None
            self.client.knows = seen
        elif told is Told.DONE:
            self.client.knows = self.makes
        world = self.world
        world.history.append(Operation(self.called, world.clock.now, self.condition, self.makes, told, seen))
        world.again(self.client)
