"""A disk attached here: read lazily from its map, written to local files, committed while in use.

    ensure / write / write_zeros / trim / flush ◀── NBD          commit() ──▶ DiskMap of the moment it began

A block is fetched when its first byte is asked for. A change stays here until a commit sends it: only changed
blocks are read, hashed and sent. What a guest changes meanwhile belongs to the next commit; the block is set
aside first as it was. The map that a disk rests on must not be deleted while it is attached; a commit moves
the disk onto the map that it makes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import Refused, Unavailable
from .gate import Gate
from .local import ABSENT, CHANGED, HERE, Identity, LocalFile, read_identity, write_identity
from .map import DiskMap, blocks_in
from .maps import MapStore
from .reading import read_block
from .writing import Writing

log = logging.getLogger(__name__)

STRIPES = 64
"""Locks of blocks: block i has lock i modulo this."""
AHEAD = 2
"""Blocks fetched beyond one that follows another which is here: a guest that reads in order waits less."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did."""

    map: DiskMap
    changed: int
    """Blocks that had been changed since the last one."""
    bytes_read: int


class Disk:
    """One attached disk; its methods may be called from any thread."""

    def __init__(self, maps: MapStore, folder: Path) -> None:
        self._maps = maps
        identity = read_identity(folder)
        disk = maps.load(identity.map_id)
        self._base = disk if disk.size == identity.size else disk.with_changes({}, size=identity.size)
        self._local = LocalFile(folder, identity, block_count=self._base.block_count)
        self._gate = Gate()
        self._stripes = [threading.Lock() for _ in range(STRIPES)]
        self._committing = threading.Lock()
        self._changed = set(self._local.changed())
        self._under_way: frozenset[int] = frozenset()
        """Blocks of the commit under way."""
        self._going: set[int] = set()
        """Those of them that have not been read for it."""
        self._frozen: set[int] = set()
        self._ahead = ThreadPoolExecutor(AHEAD, "block-ahead")
        self._is_closing = False
        self.fetched = 0
        """Blocks that came from the store."""

    @classmethod
    def attach(cls, maps: MapStore, folder: Path, map_id: str, *, is_writable: bool) -> Disk:
        """Make the folder hold a map's disk, all of it still in the store.

        Raises:
            Missing: there is no such map.
        """
        disk = maps.load(map_id)
        folder.mkdir(mode=0o700, parents=True)
        identity = Identity(
            project_id=maps.blocks.project_id,
            map_id=map_id,
            size=disk.size,
            block_size=disk.block_size,
            is_writable=is_writable,
        )
        write_identity(folder, identity)
        return cls(maps, folder)

    def close(self) -> None:
        """Let go of the local files; opened again, the disk is as it was. A commit under way fails."""
        self._is_closing = True
        self._ahead.shutdown(wait=True, cancel_futures=True)
        with self._committing:  # Descriptors must not be another file's while somebody reads from them.
            self._local.close()

    def settle(self) -> None:
        """Return when no commit is under way."""
        with self._committing:
            pass

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self._local.identity.size

    @property
    def is_writable(self) -> bool:
        """Whether it may be changed."""
        return self._local.identity.is_writable

    @property
    def map_id(self) -> str:
        """The map that it rests on."""
        return self._local.identity.map_id

    @property
    def project_id(self) -> str:
        """Whose it is."""
        return self._local.identity.project_id

    @property
    def descriptor(self) -> int:
        """The file of its bytes, of which those are right that `ensure` was asked for."""
        return self._local.descriptor

    @property
    def changed_blocks(self) -> int:
        """How many blocks a commit would look at."""
        return len(self._changed | self._under_way)

    @property
    def bytes_used(self) -> int:
        """Room that it takes on this machine."""
        return self._local.bytes_used

    def is_here(self, offset: int, length: int) -> bool:
        """Whether the range can be read and written without the store."""
        size = self._base.block_size
        first, last = offset // size, (offset + length - 1) // size
        return ABSENT not in self._local.states[first : last + 1]

    def ensure(self, offset: int, length: int) -> None:
        """Have the range here.

        Raises:
            Unavailable, Corrupt, Missing: the store has not got it, or doesn't answer.
        """
        for index, _, _ in self._spans(offset, length):
            if self._local.states[index] == ABSENT:
                with self._stripe(index):
                    self._fetch(index)
                self._fetch_ahead(index)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk."""
        self.ensure(offset, length)
        return self._local.read(offset, length)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Change bytes of the disk."""
        view = memoryview(data)
        with self._gate.shared():
            for index, begin, end in self._spans(offset, len(data)):
                piece = view[begin - offset : end - offset]
                with self._stripe(index):
                    if self._local.states[index] == ABSENT and end - begin == self._base.length_of(index):
                        self._local.write(begin, piece)  # First: until it is marked nobody reads it.
                        self._mark_changed(index)
                    else:
                        self._prepare(index)
                        self._local.write(begin, piece)

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range zero."""
        with self._gate.shared():
            for index, begin, end in self._spans(offset, length):
                with self._stripe(index):
                    if self._local.states[index] == ABSENT and end - begin == self._base.length_of(index):
                        if self._base.digest(index) is not None:  # Else nothing changes.
                            self._local.clear(begin, end - begin)
                            self._mark_changed(index)
                    else:
                        self._prepare(index)
                        self._local.clear(begin, end - begin)

    def trim(self, offset: int, length: int) -> None:
        """Forget the contents of whole blocks; parts of blocks are left as they are."""
        size = self._base.block_size
        begin, end = -(-offset // size) * size, offset + length
        end = end if end == self.size else end // size * size
        if begin < end:
            self.write_zeros(begin, end - begin)

    def flush(self) -> None:
        """Make durable what has been acknowledged."""
        self._local.sync()

    def resize(self, size: int) -> None:
        """Make the disk larger; clients see it when they connect again.

        Raises:
            Refused: it would become smaller, or it is read-only.
        """
        if not self.is_writable:
            raise Refused("the disk is read-only", 409)
        with self._committing, self._gate.alone():
            if size < self.size:
                raise Refused(f"an attached disk can't shrink: it has {self.size} bytes", 409)
            # The last block has grown too: let it come anew, unless it is changed.
            self._local.grow(size, blocks_in(size, self._base.block_size))
            self._base = self._base.with_changes({}, size=size)

    def commit(self, map_id: str = "") -> Committed:
        """Save what the disk is at this moment as a map, and rest on that from then on.

        The guest goes on reading and writing. After a failure everything is as before, and what has been sent
        need not be sent again.

        Raises:
            OutOfSpace, Unavailable: the store is full, or doesn't answer.
            Exists: another map has that id.
        """
        with self._committing, self._maps.writing() as writing:
            self._refuse_when_closing()
            with self._gate.alone():
                going = sorted(self._changed)
                self._under_way, self._changed, self._going = frozenset(going), set(), set(going)
                base = self._base
            try:
                digests = self._send(writing, going)
                saved = writing.save(base.with_changes(digests), map_id)
            except BaseException:
                with self._gate.alone():
                    self._changed.update(going)
                    self._end_commit()
                raise
            with self._gate.alone():
                # First the map, then that its blocks are unchanged: a kill in between would lose them else.
                self._local.remember(map_id=saved.map_id)
                self._base = saved
                self._local.mark_committed([index for index in going if index not in self._changed])
                self._end_commit()
            return Committed(saved, len(going), sum(base.length_of(index) for index in going))

    def _end_commit(self) -> None:
        self._under_way, self._going, self._frozen = frozenset(), set(), set()
        self._local.forget_frozen()

    def _send(self, writing: Writing, going: list[int]) -> dict[int, bytes | None]:
        """Send blocks as they were when the commit began, and return their digests."""
        with ThreadPoolExecutor(self._maps.config.block_uploads, "block-commit") as pool:
            try:
                sent = pool.map(lambda index: writing.put(self._as_it_was(index)), going)
                return dict(zip(going, sent, strict=True))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _as_it_was(self, index: int) -> bytes:
        length = self._base.length_of(index)
        self._refuse_when_closing()
        with self._stripe(index):
            self._going.discard(index)
            if index in self._frozen:
                return self._local.frozen(index, length)
            return self._local.read(index * self._base.block_size, length)

    def _refuse_when_closing(self) -> None:
        if self._is_closing:
            raise Unavailable("the disk is being closed; its changes stay here")

    def _prepare(self, index: int) -> None:
        """Make a block ready for a change; its lock is held, and we are inside the gate."""
        if index in self._going and index not in self._frozen:
            self._local.freeze(index, self._base.length_of(index))
            self._frozen.add(index)
        if index not in self._changed:
            self._fetch(index)
            self._mark_changed(index)

    def _mark_changed(self, index: int) -> None:
        self._local.mark(index, CHANGED)
        self._changed.add(index)

    def _fetch(self, index: int) -> None:
        """Bring a block here, if it isn't; its lock is held."""
        if self._local.states[index] != ABSENT:
            return
        base = self._base
        begin, length = index * base.block_size, base.length_of(index)
        if base.digest(index) is None:
            self._local.clear(begin, length)
        else:
            self._local.write(begin, read_block(self._maps, base, index))
            self.fetched += 1
        self._local.mark(index, HERE)

    def _fetch_ahead(self, index: int) -> None:
        if index and self._local.states[index - 1] != ABSENT:
            for later in range(index + 1, min(index + 1 + AHEAD, self._base.block_count)):
                if self._local.states[later] == ABSENT and self._base.digest(later) is not None:
                    self._ahead.submit(self._fetch_quietly, later)

    def _fetch_quietly(self, index: int) -> None:
        try:
            with self._stripe(index):
                self._fetch(index)
        except Exception:  # noqa: BLE001 - nobody has asked for it yet; who does will hear of it
            log.info("a block was not fetched ahead", extra={"block": index}, exc_info=True)

    def _stripe(self, index: int) -> threading.Lock:
        return self._stripes[index % STRIPES]

    def _spans(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Yield for each block of a range its index, and where the range begins and ends in it."""
        assert 0 <= offset <= offset + length <= self.size
        size, end = self._base.block_size, offset + length
        while offset < end:
            until = min(end, (offset // size + 1) * size)
            yield offset // size, offset, until
            offset = until
