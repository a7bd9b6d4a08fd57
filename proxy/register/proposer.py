"""How a conditional change of an object is decided among its primaries.

    Proposal.steps() ──Prepare(ballot)──────────▶ all primaries ──▶ promises ──┐
                     ◀─────────────────────────────────────────────────────────┘
                     ──Accept(ballot, version)──▶ all primaries ──▶ promises
                     ──Commit(ballot, version)──▶ all primaries ──▶ who shows it
                     ──Look()───────────────────▶ all primaries, before a further ballot ──▶ what they have
                     ──▶ Outcome: DONE, REFUSED (a condition), CONFLICT (too many others), UNSETTLED (503)

CASPaxos: a majority promises a ballot and tells what it has; the newest of that is the object's state; the
condition is judged on it; the next state, or the same one, is accepted by a majority, and so chosen. Only
what was chosen is made visible. Whoever drives this sends what is asked for and reports what is heard; a
silent device is left out. No socket, no clock and no dice here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ...common.register import ABSENT, NEWCOMER_TICKS, NO_BALLOT, Promise, Version, ballot_after
from ...common.timestamp import TICKS_PER_SECOND, Timestamp

ATTEMPTS_MAX = 12
"""How often a change that others overtake begins again before its client is told to."""


FOUNDING_TICKS = 60 * TICKS_PER_SECOND
"""Devices that are asked of a partition for the first time within this long are equally new."""


def majority(replicas: int) -> int:
    """Return how many of the primaries decide: any two such sets share a device, also where they are even."""
    assert replicas > 0
    return replicas // 2 + 1


@dataclass(frozen=True, slots=True)
class Prepare:
    """Ask every primary for a promise; the answers are `Promise`s."""

    ballot: str


@dataclass(frozen=True, slots=True)
class Look:
    """Ask every primary what it has, but for no promise: nobody is overtaken. The answers are `Promise`s."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Ask every primary to accept a version; the answers are `Promise`s."""

    ballot: str
    version: Version


@dataclass(frozen=True, slots=True)
class Commit:
    """Tell every primary what was chosen; the answers are booleans, whether the device shows it now."""

    ballot: str
    version: Version


@dataclass(frozen=True, slots=True)
class Pause:
    """Let the others finish: wait a random while, the longer the more attempts there were. No answers."""

    attempts: int


Ask = Look | Prepare | Accept | Commit | Pause
Heard = Sequence[Promise | bool]
Steps = Generator[Ask, Heard, "Outcome"]


class Verdict(Enum):
    """What became of a change."""

    DONE = "done"
    REFUSED = "refused"
    """Its condition did not hold. Nothing was changed."""
    CONFLICT = "conflict"
    """Others were faster, again and again. Nothing was changed."""
    UNSETTLED = "unsettled"
    """No majority could be had, or not to the end: it may or may not have been done, or be done yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client is to be told, and the state on which that stands."""

    verdict: Verdict
    version: Version = ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted: under which condition, and what comes of it."""

    token: str
    holds: Callable[[Version], bool]
    etag: str | None
    """Of the new object; None where it is to be deleted."""
    is_look: bool = False
    """Nothing is to change: the state is wanted, and that it is chosen."""


class Proposal:
    """One change on its way."""

    def __init__(
        self,
        change: Change,
        *,
        replicas: int,
        now_ticks: Callable[[], int],
        quorum: Callable[[int], int] = majority,
    ) -> None:
        self._change = change
        self._quorum = quorum(replicas)
        self._quorum_beside_newcomer = quorum(max(1, replicas - 1))
        self._now_ticks = now_ticks
        self._highest = NO_BALLOT
        self._oldest: Timestamp | None = None
        """Since when the device that was asked of the partition first has been asked."""
        self._latest = ABSENT.moment
        self._first_base: str | None = None
        """The change on which this one was first tried; None while no device can have accepted it."""

    def steps(self, staged: tuple[str, Heard] | None = None) -> Steps:
        """Yield what is to be asked; return what came of it. `staged` is an answered first ballot."""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                yield Pause(attempt)
            if attempt or self._change.is_look:
                outcome = yield from self._glance()
                if outcome is not None:
                    return outcome
            if staged is None:
                ballot = self._next_ballot()
                heard = yield Prepare(ballot)
            else:
                ballot, heard = staged
                self._highest, staged = ballot, None
            promises = self._noted(heard)
            if not self._is_majority(promises):
                return Outcome(Verdict.UNSETTLED)
            granted = [promise for promise in promises if promise.granted]
            if not self._is_majority(granted):
                continue
            outcome = yield from self._decide(ballot, granted)
            if outcome is not None:
                return outcome
        return Outcome(Verdict.CONFLICT if self._first_base is None else Verdict.UNSETTLED)

    def _next_ballot(self) -> str:
        self._highest = ballot_after(self._highest, self._now_ticks(), self._change.token)
        return self._highest

    def _noted(self, heard: Heard) -> list[Promise]:
        """Return the promises; remember the highest ballot and the latest moment in them."""
        promises = [each for each in heard if isinstance(each, Promise)]
        for promise in promises:
            record = promise.record
            if self._oldest is None or promise.since < self._oldest:
                self._oldest = promise.since
            self._highest = max(self._highest, record.promised, record.ballot)
            self._latest = max(self._latest, promise.visible.moment, promise.visible.newest)
            if record.accepted is not None:
                self._latest = max(self._latest, record.accepted.moment)
        return promises

    def _voters(self, promises: Sequence[Promise]) -> list[Promise]:
        """Return those that count: newcomers do not, beside who was here before them."""
        assert self._oldest is not None or not promises
        now = self._now_ticks()
        return [promise for promise in promises if not is_newcomer(promise.since, self._oldest, now)]

    def _is_majority(self, promises: Sequence[Promise]) -> bool:
        voters = self._voters(promises)
        return len(voters) >= self._needed(promises, voters)

    def _is_chosen(self, state: Version, promises: Sequence[Promise]) -> bool:
        voters = self._voters(promises)
        return is_chosen(state, voters, quorum=self._needed(promises, voters))

    def _needed(self, promises: Sequence[Promise], voters: Sequence[Promise]) -> int:
        """Return how many decide: beside one that has no vote, a majority of the others.

        Where replicas are even that is one fewer, and still some of any majority that there was before it.
        """
        return self._quorum if len(voters) == len(promises) else self._quorum_beside_newcomer

    def _glance(self) -> Generator[Ask, Heard, Outcome | None]:
        """Return the refusal that a state which is chosen already means; None where there is more to do.

        Whoever has to be refused overtakes nobody so, and of many who race most have to be.
        """
        promises = self._noted((yield Look()))
        if not self._is_majority(promises):
            return None
        state, change = state_of(promises), self._change
        if not self._is_chosen(state, promises) or change.token in state.lineage:
            return None
        if self._first_base is not None and self._first_base not in state.lineage:
            return None
        if change.holds(state) and not change.is_look:
            return None
        ballot = max(promise.record.ballot for promise in promises)
        return (yield from self._refused(ballot, state, promises))

    def _decide(self, ballot: str, granted: list[Promise]) -> Generator[Ask, Heard, Outcome | None]:
        """Go on from a majority's promises; None when the next ballot must be tried."""
        state, change = state_of(granted), self._change
        if change.token in state.lineage:
            return (yield from self._finish(ballot, state, granted))
        if self._first_base is not None and self._first_base not in state.lineage:
            # What is here may or may not have been made of ours, and nobody knows any more.
            return Outcome(Verdict.UNSETTLED)
        if change.is_look or not change.holds(state):
            if not (yield from self._choose(ballot, state, granted)):
                return None
            return (yield from self._refused(ballot, state, granted))
        if self._first_base is None:
            self._first_base = state.change
        moment = Timestamp(max(self._now_ticks(), self._latest.ticks + 1))
        version = state.followed_by(change.token, moment, change.etag)
        self._latest = moment
        if not (yield from self._accept(ballot, version)):
            return None
        return (yield from self._shown(ballot, version))

    def _finish(
        self, ballot: str, state: Version, granted: list[Promise]
    ) -> Generator[Ask, Heard, Outcome | None]:
        """Bring to its end a change of ours that somebody has accepted already, or built upon."""
        if not (yield from self._choose(ballot, state, granted)):
            return None
        return (yield from self._shown(ballot, state))

    def _choose(self, ballot: str, state: Version, granted: list[Promise]) -> Generator[Ask, Heard, bool]:
        """Make sure that nobody can go on from an older state; tell whether that worked out."""
        if self._is_chosen(state, granted):
            return True
        return (yield from self._accept(ballot, state))

    def _accept(self, ballot: str, version: Version) -> Generator[Ask, Heard, bool]:
        promises = self._noted((yield Accept(ballot, version)))
        return self._is_majority([promise for promise in promises if promise.granted])

    def _refused(
        self, ballot: str, state: Version, promises: list[Promise]
    ) -> Generator[Ask, Heard, Outcome]:
        """Have everybody see what was chosen, where its proposer may have died before that, and refuse.

        What nobody shows replication cannot keep, and who is refused must be able to read why.
        """
        if not is_shown(state, promises, quorum=self._quorum) and not state.change.startswith("@"):
            heard = yield Commit(ballot, state)
            if True not in heard:
                return Outcome(Verdict.UNSETTLED)
        return Outcome(Verdict.REFUSED, state)

    def _shown(self, ballot: str, version: Version) -> Generator[Ask, Heard, Outcome]:
        """Make a chosen version visible; only a majority of disks that show it make it done."""
        heard = yield Commit(ballot, version)
        if sum(each is True for each in heard) < self._quorum:
            return Outcome(Verdict.UNSETTLED)
        return Outcome(Verdict.DONE, version)


def is_newcomer(since: Timestamp, oldest: Timestamp | None, now_ticks: int) -> bool:
    """Tell whether a device has come to a partition too lately to know what the oldest of the others knows.

    Where all come at about the same time it is the partition that is new to registers, and nobody has
    decided anything yet.
    """
    if oldest is None or since.ticks - oldest.ticks <= FOUNDING_TICKS:
        return False
    return now_ticks - since.ticks < NEWCOMER_TICKS


def state_of(promises: Sequence[Promise]) -> Version:
    """Return the object's state as a majority that has promised knows it.

    The version of the highest ballot may have been chosen, so nothing older counts; a change that used no
    register counts by its moment, as everywhere.
    """
    accepted = max((promise.record for promise in promises), key=lambda record: record.ballot).accepted
    visible = max((promise.visible for promise in promises), key=lambda visible: visible.moment)
    if accepted is None or visible.moment > accepted.moment:
        return visible.version
    if visible.moment == accepted.moment:
        # It may have expired since, and another filter may ask for another ETag than it was accepted with.
        return replace(accepted, etag=visible.etag, exists=visible.exists)
    return accepted


def is_chosen(state: Version, promises: Sequence[Promise], *, quorum: int) -> bool:
    """Tell whether a majority has accepted this state at one ballot."""
    ballots = [promise.record.ballot for promise in promises if promise.record.accepted == state]
    return len(ballots) >= quorum and max(map(ballots.count, ballots)) >= quorum


def is_shown(state: Version, promises: Sequence[Promise], *, quorum: int) -> bool:
    """Tell whether a majority shows this state, or what came after it."""
    return sum(promise.visible.moment >= state.moment for promise in promises) >= quorum
