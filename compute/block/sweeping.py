"""Removing blocks that no map has, beside writers and after any crash.

    Sweeper.step() ──▶ Progress      one transition of `sweep_state`, or the reason why not yet
    Sweeper.run()  ──▶ Progress      steps until nothing is left to do

    IDLE       blocks listed and not marked ──▶ written down as condemned
    CONDEMNED  until the grace is over and nobody writes who began before
    DELETING   marked anew; what is condemned, still not marked and not reprieved goes, then IDLE

Each step may die anywhere and be made again by anybody. doc/decisions/sweeping.md has the argument.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import orjson

from ...common.errors import Missing, Unavailable
from .maps import MapStore
from .naming import CONDEMNED, REPRIEVES, SWEEP, WRITERS, block_name, digest_in
from .sweep_lock import SweepLock
from .sweep_state import Phase, SweepState, read_condemned, read_state

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step found or did."""

    phase: Phase
    """The phase that it left the sweep in."""
    is_waiting: bool = False
    """Whether time must pass, or writers end, before the next step can do anything."""
    garbage: int = 0
    """Blocks found that no map has: condemned now, or being condemned."""
    deleted: int = 0
    """Blocks removed."""
    bytes_kept: int = 0
    """Bytes of all blocks of the project, where they were listed."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing that no map has."""
        return self.phase is Phase.IDLE and not self.is_waiting and not self.garbage and not self.deleted


class Sweeper:
    """Sweeps one project."""

    def __init__(self, maps: MapStore) -> None:
        self._maps = maps
        self._store, self._container = maps.store, maps.container
        self._lock = SweepLock(
            self._store, self._container, seconds=maps.config.sweep_lock_seconds, clock=maps.clock
        )

    def run(self, give_up_seconds: float) -> Progress:
        """Step until nothing is left, waiting where that is needed, at most so long.

        Raises:
            Unavailable: it isn't done when the time is up; the next run goes on from there.
        """
        deleted = 0
        give_up = self._maps.clock() + give_up_seconds
        while True:
            progress = self.step()
            deleted += progress.deleted
            if progress.is_done:
                return replace(progress, deleted=deleted)
            if self._maps.clock() > give_up:
                raise Unavailable(f"the sweep is still {progress.phase.value}: writers or its grace hold it")
            if progress.is_waiting:
                self._maps.sleep(POLL_SECONDS)

    def step(self) -> Progress:
        """Bring the sweep one transition further, if that is possible now.

        Raises:
            Corrupt, Missing: a map can't be read, so what it has can't be known; nothing is removed.
        """
        if not self._lock.take():
            return Progress(read_state(self._store, self._container).phase, is_waiting=True)
        try:
            state = read_state(self._store, self._container)
            if state.phase is Phase.IDLE:
                return self._condemn(state)
            if state.phase is Phase.CONDEMNED:
                return self._wait_for_writers(state)
            return self._delete(state)
        finally:
            self._lock.release()

    def _condemn(self, state: SweepState) -> Progress:
        """Write down what no map has."""
        self._forget_ended(state)
        listed = {}
        for row in self._store.names(self._maps.blocks.container):
            digest = digest_in(row.name)
            if digest is not None:
                listed[digest] = row.size
        garbage = sorted(listed.keys() - self._marked())
        kept = sum(listed.values())
        if not garbage:
            return Progress(Phase.IDLE, bytes_kept=kept)
        condemned = state.moved(Phase.CONDEMNED, self._maps.clock())
        self._lock.renew()
        self._store.put(self._container, f"{CONDEMNED}{condemned.generation}", b"".join(garbage))
        self._put_state(condemned)
        return Progress(Phase.CONDEMNED, garbage=len(garbage), bytes_kept=kept)

    def _wait_for_writers(self, state: SweepState) -> Progress:
        """Go on to removing when nobody can be writing who doesn't know what is condemned."""
        now = self._maps.clock()
        config = self._maps.config
        waiting = Progress(Phase.CONDEMNED, is_waiting=True)
        # A listing can be late. It shows every writer of before once the condemning is longer ago than that,
        # and every map that they saved once the moment when none of them was left is.
        if now - state.since < max(config.sweep_grace_seconds, config.sweep_settle_seconds):
            return waiting
        if self._has_writers(state.generation):
            if state.quiet_since:
                self._put_state(replace(state, quiet_since=0.0))
            return waiting
        if not state.quiet_since and config.sweep_settle_seconds:
            self._put_state(replace(state, quiet_since=now))
            return waiting
        if now - state.quiet_since < config.sweep_settle_seconds:
            return waiting
        self._lock.renew()
        self._put_state(state.moved(Phase.DELETING, now))
        return Progress(Phase.DELETING)

    def _delete(self, state: SweepState) -> Progress:
        """Remove what is condemned and still without a map."""
        condemned = read_condemned(self._store, self._container, state.generation)
        marked = self._marked()
        deleted = self._remove(state.generation, sorted(condemned - marked))
        self._lock.renew()
        ended = state.moved(Phase.IDLE, self._maps.clock())
        self._put_state(ended)
        self._forget_ended(ended)
        log.info("blocks swept", extra={"container": self._maps.blocks.container, "deleted": deleted})
        return Progress(Phase.IDLE, deleted=deleted)

    def _remove(self, generation: int, digests: list[bytes]) -> int:
        """Remove blocks, several at a time, unless they are reprieved; return how many were there."""

        def remove(digest: bytes) -> bool:
            if self._is_reprieved(generation, digest):
                return False
            return self._store.delete(self._maps.blocks.container, block_name(digest))

        at_once = self._maps.config.sweep_removals
        deleted = 0
        with ThreadPoolExecutor(at_once, "block-sweep") as pool:
            # One alone is removed by this very thread: what a simulation steps through.
            each = pool.map if at_once > 1 else map
            for at in range(0, len(digests), at_once):
                self._lock.renew()
                deleted += sum(each(remove, digests[at : at + at_once]))
        return deleted

    def _marked(self) -> set[bytes]:
        """Return every digest that a map has; pages that maps share are read once."""
        marked: set[bytes] = set()
        read: set[bytes] = set()  # Not `marked`: a block may have the bytes, and so the name, of a page.
        for map_id in self._maps.list():
            self._lock.renew()
            try:
                disk = self._maps.load(map_id)
            except Missing:
                continue  # Removed since it was listed.
            for page in disk.pages:
                if page.digest is None or page.digest in read:
                    continue
                try:
                    entries = page.entries
                except Missing:
                    if self._maps.exists(map_id):
                        raise
                    break
                read.add(page.digest)
                marked.add(page.digest)
                marked.update(entries[at : at + 32] for at in range(0, len(entries), 32))
        return marked

    def _has_writers(self, generation: int) -> bool:
        """Whether somebody may be writing who began before the generation was condemned."""
        lease = self._maps.config.block_lease_seconds
        now = self._maps.clock()
        for row in self._store.names(self._container, prefix=WRITERS):
            try:
                note = orjson.loads(self._store.read(self._container, row.name, newest=True))
            except Missing:
                continue
            if int(note["knows"]) < generation and now - float(note["at"]) <= lease:
                return True
        return False

    def _is_reprieved(self, generation: int, digest: bytes) -> bool:
        try:
            self._store.head(self._container, f"{REPRIEVES}{generation}/{digest.hex()}", newest=True)
        except Missing:
            return False
        return True

    def _forget_ended(self, state: SweepState) -> None:
        """Remove the notes of sweeps that are over, and of writers that died long ago."""
        assert state.phase is Phase.IDLE
        for row in list(self._store.names(self._container, prefix=CONDEMNED)):
            if int(row.name.removeprefix(CONDEMNED)) <= state.generation:
                self._store.delete(self._container, row.name)
        for row in list(self._store.names(self._container, prefix=REPRIEVES)):
            if int(row.name.removeprefix(REPRIEVES).partition("/")[0]) <= state.generation:
                self._store.delete(self._container, row.name)
        dead = self._maps.clock() - 2 * self._maps.config.block_lease_seconds
        for row in list(self._store.names(self._container, prefix=WRITERS)):
            if row.modified < dead:
                self._store.delete(self._container, row.name)

    def _put_state(self, state: SweepState) -> None:
        self._store.put(self._container, SWEEP, state.written())
