"""A disk attached here: read lazily from its map, written to local files, committed while in use.

    ensure / write / write_zeros / trim / flush ◀── NBD          commit() ──▶ DiskMap of the moment it began

A block is fetched when its first byte is asked for; while the store doesn't answer whoever asks waits, for a
time. A change stays here until a commit sends it: only changed blocks are read, hashed and sent. What a guest
changes meanwhile belongs to the next commit; the block is set aside first as it was. What the store has too
may be evicted, and comes again. The map that a disk rests on must not be deleted while it is attached; a
commit moves the disk onto the map that it makes.
"""

from __future__ import annotations

import errno
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...common.errors import Refused, Unavailable
from .fetching import Fetching, Patience
from .gate import Gate
from .local import ABSENT, CHANGED, HERE, Identity, LocalFile, read_identity, write_identity
from .map import DiskMap, blocks_in
from .maps import MapStore
from .reading import read_block
from .uses import Use, Uses
from .writing import Writing

log = logging.getLogger(__name__)

T = TypeVar("T")
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

STRIPES = 64
"""Locks of blocks: block i has lock i modulo this."""
AHEAD = 2
"""Blocks fetched beyond one that follows another which is here: a guest that reads in order waits less."""
EVICTED_FOR_ONE = 16
"""Blocks whose room is given back when there is none left for another one."""


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
        self._evicting = threading.Lock()
        self._changed = set(self._local.changed())
        self._under_way: frozenset[int] = frozenset()
        """Blocks of the commit under way."""
        self._going: set[int] = set()
        """Those of them that have not been read for it."""
        self._frozen: set[int] = set()
        self._uses = Uses(self._base.block_count)
        self._fetching = Fetching(self._fetch)
        self._patience = Patience(maps.config.block_patience_seconds)
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
        self.be_short()
        self._ahead.shutdown(wait=True, cancel_futures=True)
        # Descriptors must not be another file's while somebody works with them.
        with self._committing, self._evicting:
            self._local.close()

    def be_patient(self) -> None:
        """Wait for a store that doesn't answer: somebody is being served."""
        self._patience.begin()

    def be_short(self) -> None:
        """Wait for it no more, and let those go who do: they hear that it is Unavailable."""
        self._patience.end()

    def settle(self) -> None:
        """Return when no commit is under way."""
        with self._committing:
            pass

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self._local.identity.size

    @property
    def block_size(self) -> int:
        """Bytes of a block."""
        return self._base.block_size

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
        """Whether the range can be read without the store."""
        size = self._base.block_size
        first, last = offset // size, (offset + length - 1) // size
        return ABSENT not in self._local.states[first : last + 1]

    def is_writable_here(self, offset: int, length: int) -> bool:
        """Whether the range can be written without the store: whole blocks need nothing of it."""
        if self.is_here(offset, length):
            return True
        return not any(self._is_lacking(*span) for span in self._spans(offset, length))

    def using(self, offset: int, length: int) -> Use:
        """Return a context in which nothing of the range is evicted."""
        size = self._base.block_size
        return self._uses.of(offset // size, (offset + length - 1) // size)

    def ensure(self, offset: int, length: int) -> None:
        """Have the range here; it stays while the caller is `using` it.

        Raises:
            Unavailable, Corrupt, Missing: the store has not got it, or doesn't answer for too long.
        """
        for index, _, _ in self._spans(offset, length):
            if self._local.states[index] == ABSENT:
                self._bring(index)
                self._fetch_ahead(index)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk."""
        if not length:
            return b""
        with self.using(offset, length):
            self.ensure(offset, length)
            return self._local.read(offset, length)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Change bytes of the disk."""
        view = memoryview(data)

        def change(begin: int, end: int, *, is_absent: bool) -> bool:
            del is_absent
            piece = view[begin - offset : end - offset]
            try:
                self._local.write(begin, piece)
            except OSError as problem:
                self._make_room(problem)
                self._local.write(begin, piece)
            return True

        self._change(offset, len(data), change)

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range zero."""

        def clear(begin: int, end: int, *, is_absent: bool) -> bool:
            if is_absent and self._base.digest(begin // self._base.block_size) is None:
                return False
            self._with_room(lambda: self._local.clear(begin, end - begin))
            return True

        for index, _, _ in self._spans(offset, length):
            if (
                self._local.states[index] == ABSENT
            ):  # Its page may have to come; not while others wait for us.
                self._patience.try_again(lambda index=index: self._base.digest(index))  # type: ignore[misc]
        self._change(offset, length, clear)

    def _change(self, offset: int, length: int, change: Callable[..., bool]) -> None:
        """Have `change` called for the part of each block in a range, all within one moment of the disk.

        `change(begin, end, is_absent=…)` says whether it has changed anything; a block that isn't here is
        handed to it as a whole.
        """
        if not length:
            return
        spans = list(self._spans(offset, length))
        with self.using(offset, length):
            while True:
                with self._gate.shared():
                    lacking = next((span[0] for span in spans if self._is_lacking(*span)), None)
                    if lacking is None:
                        for index, begin, end in spans:
                            self._change_block(index, begin, end, change)
                        return
                self._bring(lacking)  # Outside of everything: the store may let us wait.

    def _is_lacking(self, index: int, begin: int, end: int) -> bool:
        """Whether a block must be here before the part is changed."""
        return self._local.states[index] == ABSENT and end - begin < self._base.length_of(index)

    def _change_block(self, index: int, begin: int, end: int, change: Callable[..., bool]) -> None:
        with self._stripe(index):
            if self._local.states[index] == ABSENT:
                if change(begin, end, is_absent=True):  # First: until it is marked nobody reads it.
                    self._mark_changed(index)
            else:
                self._prepare(index)
                change(begin, end, is_absent=False)

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
            block_count = blocks_in(size, self._base.block_size)
            self._local.grow(size, block_count)
            self._uses.grow(block_count)  # Last: who evicts goes by it, and meets no block without a state.
            self._base = self._base.with_changes({}, size=size)

    def commit(self, map_id: str = "") -> Committed:
        """Save what the disk is at this moment as a map, and rest on that from then on.

        The guest goes on reading and writing. After a failure everything is as before, and what has been sent
        need not be sent again.

        Raises:
            OutOfSpace, Unavailable: the store is full, or doesn't answer.
            Exists: another map has that id.
        """
        map_id = map_id or str(uuid.uuid4())
        with self._committing, self._maps.writing() as writing:
            self._refuse_when_closing()
            # Before anything is sent: a local disk without room for a line fails the commit here.
            identity = self._with_room(lambda: self._local.prepared(map_id=map_id))
            with self._gate.alone():
                going = sorted(self._changed)
                self._under_way, self._changed, self._going = frozenset(going), set(), set(going)
                base = self._base
            try:
                digests = self._send(writing, going)
                saved = writing.save(base.with_changes(digests), map_id)
                # First the map, then that its blocks are unchanged: a kill in between would lose them else.
                self._local.adopt(identity)
            except BaseException:
                with self._gate.alone():
                    self._changed.update(going)
                    self._end_commit()
                raise
            with self._gate.alone():
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
        """Make a block that is here ready for a change; its lock is held, and we are inside the gate."""
        if index in self._going and index not in self._frozen:
            self._with_room(lambda: self._local.freeze(index, self._base.length_of(index)))
            self._frozen.add(index)
        if index not in self._changed:
            self._mark_changed(index)

    def _mark_changed(self, index: int) -> None:
        self._local.mark(index, CHANGED)
        self._changed.add(index)

    def _bring(self, index: int) -> None:
        """Have a block here; no lock may be held, as the store may let us wait."""
        while self._local.states[index] == ABSENT:
            self._patience.try_again(lambda: self._fetching.once(index))

    def _fetch(self, index: int) -> None:
        """Fetch a block, unless it has come meanwhile."""
        if self._local.states[index] != ABSENT:
            return
        base = self._base
        digest, length = base.digest(index), base.length_of(index)
        data = None if digest is None else read_block(self._maps, base, index)
        begin = index * base.block_size
        with self._stripe(index):
            if self._local.states[index] != ABSENT or self._base.length_of(index) != length:
                return  # Written as a whole meanwhile; or the disk has grown.
            if self._base is not base and self._base.digest(index) != digest:
                return  # Written, committed and evicted meanwhile.
            if data is None:
                self._with_room(lambda: self._local.clear(begin, length))
            else:
                self._with_room(lambda: self._local.write(begin, data))
                self.fetched += 1
            self._local.mark(index, HERE)

    def _fetch_ahead(self, index: int) -> None:
        if index and self._local.states[index - 1] != ABSENT:
            for later in range(index + 1, min(index + 1 + AHEAD, self._base.block_count)):
                if self._local.states[later] == ABSENT:
                    self._ahead.submit(self._fetch_quietly, later)

    def _fetch_quietly(self, index: int) -> None:
        try:
            if self._local.states[index] == ABSENT and self._base.digest(index) is not None:
                self._fetching.once(index)
        except Exception:  # noqa: BLE001 - nobody has asked for it yet; who does will hear of it
            log.info("a block was not fetched ahead", extra={"block": index}, exc_info=True)

    def evict(self, wanted: int) -> int:
        """Give back so much room of blocks that the store has too, those not used for longest first.

        Returns the bytes given back; fewer than wanted, when all else is changed or in use.
        """
        with self._evicting:
            if self._is_closing:
                return 0
            before, given_back = self.bytes_used, 0
            for index in self._uses.stale_first():
                if given_back >= wanted:
                    break
                if self._local.states[index] == HERE and self._evict_block(index):
                    given_back = before - self.bytes_used
            return max(given_back, 0)

    def _evict_block(self, index: int) -> bool:
        stripe = self._stripe(index)
        if not stripe.acquire(blocking=False):  # Somebody works there; perhaps ourselves, in want of room.
            return False
        try:
            if self._local.states[index] != HERE:
                return False
            if not self._uses.take(index, lambda: self._local.mark(index, ABSENT)):
                return False
            self._local.give_back(index, index * self._base.block_size, self._base.length_of(index))
            return True
        finally:
            stripe.release()

    def _with_room(self, work: Callable[[], T]) -> T:
        """Do what may need room on the local disk; where there is none, make some and do it again."""
        try:
            return work()
        except OSError as problem:
            self._make_room(problem)
            return work()

    def _make_room(self, problem: OSError) -> None:
        """Make room on the local disk, if that is what the problem is; else raise it."""
        if problem.errno not in FULL or not self.evict(EVICTED_FOR_ONE * self._base.block_size):
            raise problem

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
