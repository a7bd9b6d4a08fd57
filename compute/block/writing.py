"""Writing beside a sweep: what is put here, or found here, stays until it is part of a saved map.

    begin ──▶ put(bytes) … ──▶ save(map) ──▶ end        a note in `writers/` tells the sweep that we are there

The sweep removes nothing that was not condemned before we began, until we are gone; what was condemned before
and is needed now is reprieved, or written again once the removal is over. doc/decisions/sweeping.md has the
whole argument. A writer that was silent for longer than its lease looks at all its blocks again before it
saves.
"""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import orjson

from ...common.errors import ApusError, Missing, Unavailable
from ..store.errors import Exists, Undecidable
from . import root
from .map import DiskMap
from .naming import REPRIEVES, ROOTS, SWEEP, WRITERS, block_name, checked_id, digest_of
from .sweep_lock import SweepLock
from .sweep_state import Phase, SweepState, read_condemned, read_state

if TYPE_CHECKING:
    from .blocks import BlockStore
    from .maps import MapStore

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
KNOWN_MAX = 1 << 20
"""Digests of blocks remembered as present: 32 MiB and their table at most."""


class Writing:
    """One writer of a project; threads may share it."""

    def __init__(self, maps: MapStore) -> None:
        self._maps = maps
        self._store, self._container = maps.store, maps.container
        self._lock = threading.RLock()
        self._name = ""
        self._renewed = 0.0
        self._state = SweepState()
        self._condemned: frozenset[bytes] = frozenset()
        self._known: set[bytes] = set()
        self._must_look_again = False

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._store.delete(self._container, self._name)
        except (
            ApusError
        ) as problem:  # What was saved is saved; the note holds up a sweep until its lease is over.
            log.warning("writer's note not removed", extra={"note": self._name, "why": str(problem)})

    def put(self, data: bytes) -> bytes | None:
        """Keep a block, or nothing when all of it is zero, and return what stands for it in a map."""
        if data == bytes(len(data)):
            return None
        digest = digest_of(data)
        self._stay()
        if digest in self._known:
            return digest
        if digest in self._condemned:
            self._reprieve(digest)
        self._maps.blocks.keep(data, digest)
        if len(self._known) < KNOWN_MAX:
            self._known.add(digest)
        return digest

    def adopt(self, digest: bytes, source: BlockStore) -> None:
        """Take over a block of another project of the account, by the store's own copying.

        Raises:
            Missing: the other project hasn't got it.
        """
        self._stay()
        if digest in self._known:
            return
        if digest in self._condemned:
            self._reprieve(digest)
        blocks = self._maps.blocks
        if not blocks.has(digest):
            self._store.copy(source.container, block_name(digest), blocks.container, block_name(digest))
        if len(self._known) < KNOWN_MAX:
            self._known.add(digest)

    def save(self, disk: DiskMap, map_id: str = "") -> DiskMap:
        """Keep a map under its id (a new one, when none is given) and return it as it is kept.

        The same map under the same id twice is kept once.

        Raises:
            Exists: another map has that id.
            Missing: the map rests on blocks that are gone, with the map they came from.
        """
        map_id = checked_id(map_id or str(uuid.uuid4()))
        ground = disk.map_id or disk.parent
        parent = disk.parent if disk.map_id in ("", map_id) else disk.map_id
        disk = replace(disk, map_id=map_id, parent=parent, created=self._maps.clock())
        self._stay()
        for page in disk.pages:
            if page.is_new:
                self.put(page.entries)
        self._look_at(disk, ground)
        self._put_root(disk)
        if self._has_lapsed():
            # Slower than its lease: what the root names may have gone before the root was seen.
            try:
                self._stay()
                self._look_at(disk, ground)
            except Missing:
                self._maps.delete(disk.map_id)
                raise
        return disk

    def _look_at(self, disk: DiskMap, ground: str) -> None:
        """Make sure that everything the map names is there and stays; `ground` is what it was made from."""
        wanted: set[bytes] = set()
        if self._condemned:
            wanted = (disk.digests() & self._condemned) - self._known
            for digest in wanted:
                self._reprieve(digest)
        if self._must_look_again or (ground and not self._maps.exists(ground)):
            wanted = disk.digests() - self._known
        gone = self._maps.blocks.missing(wanted)
        if gone:
            raise Missing(f"{len(gone)} blocks of the map are gone, {gone[0].hex()} among them")
        self._must_look_again = False

    def _put_root(self, disk: DiskMap) -> None:
        name = f"{ROOTS}{disk.map_id}"
        try:
            self._store.put(self._container, name, root.written(disk), only_new=True)
        except Exists:
            if not self._is_kept(disk):
                raise
        except Undecidable:
            # Looking before and after is no lock, but neither is what stock stores make of the condition; and
            # whoever shares an id with others is saving the same map once more.
            if not self._maps.exists(disk.map_id):
                self._store.put(self._container, name, root.written(disk))
            if not self._is_kept(disk):
                raise Exists(f"there is another map {disk.map_id}") from None

    def _is_kept(self, disk: DiskMap) -> bool:
        """Whether the map that has the id is the same one."""
        other = self._maps.load(disk.map_id)
        ours, theirs = ((m.size, m.block_size, [p.digest for p in m.pages]) for m in (disk, other))
        return ours == theirs

    def _begin(self) -> None:
        """Announce ourselves, and learn what a sweep that is going on means to remove."""
        self._name = f"{WRITERS}{uuid.uuid4().hex}"
        self._known = set()
        knows = -1
        while True:
            self._announce(knows)
            self._state = read_state(self._store, self._container)
            if self._state.phase is Phase.IDLE or self._state.generation == knows:
                break
            knows = self._state.generation
        idle = self._state.phase is Phase.IDLE
        self._condemned = (
            frozenset() if idle else read_condemned(self._store, self._container, self._state.generation)
        )
        self._knows = knows

    def _announce(self, knows: int) -> None:
        now = self._maps.clock()
        self._store.put(self._container, self._name, orjson.dumps({"knows": knows, "at": now}))
        self._renewed = now

    def _has_lapsed(self) -> bool:
        return self._maps.clock() - self._renewed > self._maps.config.block_lease_seconds * 3 / 4

    def _stay(self) -> None:
        """Renew the note before it is too old; begin anew when it is."""
        with self._lock:
            if self._has_lapsed():
                log.warning("writer was silent for too long: it looks at its blocks again")
                self._begin()
                self._must_look_again = True
            elif self._maps.clock() - self._renewed > self._maps.config.block_lease_seconds / 4:
                self._announce(self._knows)

    def _reprieve(self, digest: bytes) -> None:
        """Return when a condemned block is safe from its sweep, or that sweep is over."""
        name = f"{REPRIEVES}{self._state.generation}/{digest.hex()}"
        self._store.put(self._container, name, b"")
        give_up = self._maps.clock() + 2 * self._maps.config.sweep_lock_seconds
        while True:
            state = read_state(self._store, self._container)
            if state.generation != self._state.generation or state.phase is not Phase.DELETING:
                return
            if self._end_dead_sweep(state):
                return
            if self._maps.clock() > give_up:
                raise Unavailable("a sweep of the project doesn't end; try again later")
            self._maps.sleep(POLL_SECONDS)
            self._stay()

    def _end_dead_sweep(self, state: SweepState) -> bool:
        """End a sweep whose sweeper has died while it removed blocks; False when it lives."""
        config = self._maps.config
        lock = SweepLock(
            self._store, self._container, seconds=config.sweep_lock_seconds, clock=self._maps.clock
        )
        if not lock.take():
            return False
        if read_state(self._store, self._container) == state:
            ended = state.moved(Phase.IDLE, self._maps.clock())
            self._store.put(self._container, SWEEP, ended.written())
        lock.release()
        return True
