"""The local files of an attached disk: its bytes, and which of its blocks are here or changed, past any kill.

    <folder>/disk.json   which disk this is, what map it rests on, its size: replaced as a whole
             data        bytes of the blocks that are here, sparse, as long as the disk
             states      a byte for each block: absent, here, changed; as fresh as memory
             synced      a byte for each block: changed when `data` was last made durable
             frozen      blocks as they were when a commit began, changed since then

A process may be killed anywhere: the kernel has what was written, and `states` is written before a change is
acknowledged. A machine may lose what was not made durable; then (the boot id tells) only `synced` is
believed, which is what a guest that has flushed may rely on, and everything else is fetched again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import orjson

from ...common.errors import Corrupt

ABSENT, HERE, CHANGED = 0, 1, 2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
COPY_BYTES = 1 << 20
UNFINISHED = "disk.json.new"
IDENTITY_BYTES = 4096
"""More than a `disk.json` has."""
KEEP_SIZE, PUNCH_HOLE = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which disk a folder holds."""

    project_id: str
    map_id: str
    """The map that blocks which aren't here come from."""
    size: int
    """Bytes of the disk now; its map may be of a smaller one."""
    block_size: int
    is_writable: bool
    boot_id: str = ""

    def written(self) -> bytes:
        """Return the document that stands in the folder."""
        return orjson.dumps({"version": 1, **{name: getattr(self, name) for name in self.__slots__}})


def read_identity(folder: Path) -> Identity:
    """Return which disk the folder holds.

    Raises:
        Corrupt: it holds none that this version knows.
    """
    try:
        document = orjson.loads((folder / "disk.json").read_bytes())
        if document.pop("version") != 1:
            raise ValueError("another version")
        return Identity(**document)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise Corrupt(f"{folder} holds no disk: {problem}") from problem


def boot_id() -> str:
    """Return what changes whenever the machine starts."""
    return BOOT_ID.read_text(encoding="ascii").strip()


class LocalFile:
    """The files of one disk, open."""

    def __init__(self, folder: Path, identity: Identity, *, block_count: int) -> None:
        self.folder = folder
        self._block_size = identity.block_size
        self._lock = threading.Lock()
        self._believing = threading.Lock()
        self._is_closed = False
        self._open_files: list[int] = []
        try:
            self.descriptor = self._open("data")
            self._states_descriptor = self._open("states")
            self._synced_descriptor = self._open("synced")
            self._frozen_descriptor = self._open("frozen")
            self._read(identity, block_count)
        except BaseException:  # Whoever has no room here tries again and again.
            self.close()
            raise

    def _read(self, identity: Identity, block_count: int) -> None:
        """Learn how the disk was left, and take the room of what is written about it."""
        os.ftruncate(self._frozen_descriptor, 0)
        same_boot = identity.boot_id == boot_id()
        believed = self._states_descriptor if same_boot else self._synced_descriptor
        self.states = bytearray(os.pread(believed, block_count, 0).ljust(block_count, b"\0"))
        self._reserve(block_count)
        os.pwrite(self._states_descriptor, self.states, 0)
        os.ftruncate(self.descriptor, identity.size)
        self.identity = identity
        if not same_boot:
            self.adopt(self.prepared(boot_id=boot_id()))
        self._reserve_identity()
        changed = set(self.changed())
        os.fdatasync(self._synced_descriptor)
        synced = os.pread(self._synced_descriptor, block_count, 0)
        self._not_synced = {index for index in changed if synced[index] != CHANGED}
        self._believed = {index for index, state in enumerate(synced) if state == CHANGED}
        """Blocks that `synced` may say were changed, on the medium."""

    def _reserve(self, block_count: int) -> None:
        """Take the room of the states now: saying how a block is must never fail for want of it."""
        for descriptor in (self._synced_descriptor, self._states_descriptor):
            os.ftruncate(descriptor, block_count)
            if block_count:
                os.posix_fallocate(descriptor, 0, block_count)

    def _open(self, name: str) -> int:
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._open_files.append(descriptor)
        return descriptor

    def close(self) -> None:
        """Close the files; what they hold stays."""
        self._is_closed = True
        for descriptor in self._open_files:
            os.close(descriptor)

    def changed(self) -> list[int]:
        """Return the indexes of changed blocks."""
        return [index for index, state in enumerate(self.states) if state == CHANGED]

    def prepared(self, *, map_id: str | None = None, size: int | None = None, boot_id: str = "") -> Identity:
        """Write down what `disk.json` is going to say, so that `adopt` needs no room for it."""
        old = self.identity
        identity = Identity(
            project_id=old.project_id,
            map_id=old.map_id if map_id is None else map_id,
            size=old.size if size is None else size,
            block_size=old.block_size,
            is_writable=old.is_writable,
            boot_id=boot_id or old.boot_id,
        )
        prepare_identity(self.folder, identity)
        return identity

    def adopt(self, identity: Identity) -> None:
        """Have `disk.json` say what was prepared last, durably."""
        adopt_identity(self.folder)
        self.identity = identity
        self._reserve_identity()

    def _reserve_identity(self) -> None:
        with contextlib.suppress(OSError):  # The old one's room has gone to somebody else: next time, then.
            reserve_identity(self.folder)

    def mark(self, index: int, state: int) -> None:
        """Say how a block is, before anybody is told of it."""
        os.pwrite(self._states_descriptor, bytes((state,)), index)
        self.states[index] = state
        if state == CHANGED:
            with self._lock:
                self._not_synced.add(index)

    def mark_committed(self, indexes: list[int]) -> None:
        """Say that blocks are in the map that `disk.json` names by now."""
        with self._lock:
            self._not_synced.difference_update(indexes)
        for index in indexes:
            os.pwrite(self._states_descriptor, bytes((HERE,)), index)
            os.pwrite(self._synced_descriptor, bytes((ABSENT,)), index)
            self.states[index] = HERE

    def sync(self) -> None:
        """Make durable what has been written, and that it was."""
        with self._lock:
            indexes, self._not_synced = self._not_synced, set()
        try:
            os.fdatasync(self.descriptor)
            if indexes:
                with self._believing:
                    self._believed |= indexes
                    for index in indexes:
                        if self.states[index] == CHANGED:  # Else it was committed meanwhile.
                            os.pwrite(self._synced_descriptor, bytes((CHANGED,)), index)
                    os.fdatasync(self._synced_descriptor)
        except OSError:
            with self._lock:
                self._not_synced |= indexes
            raise

    def give_back(self, index: int, offset: int, length: int) -> None:
        """Give back the room of a block that is marked absent.

        First a crash of the machine must not believe it changed any more: its bytes would be zeros.
        """
        with self._believing:
            if index in self._believed:
                stale = [each for each in self._believed if self.states[each] != CHANGED]
                for each in stale:
                    os.pwrite(self._synced_descriptor, bytes((ABSENT,)), each)
                os.fdatasync(self._synced_descriptor)
                self._believed.difference_update(stale)
        self.clear(offset, length)

    def grow(self, size: int, block_count: int) -> None:
        """Make the disk larger; what is new is absent."""
        identity = self.prepared(size=size)
        self._reserve(block_count)
        os.ftruncate(self.descriptor, size)
        self.states.extend(bytes(block_count - len(self.states)))
        self.adopt(identity)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes of the disk."""
        _write(self.descriptor, offset, data)

    def clear(self, offset: int, length: int) -> None:
        """Make bytes of the disk zero, and give back the room that they took."""
        if _libc.fallocate(self.descriptor, PUNCH_HOLE | KEEP_SIZE, offset, length):
            number = ctypes.get_errno()
            if number not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise OSError(number, os.strerror(number))
            for at in range(offset, offset + length, COPY_BYTES):
                self.write(at, bytes(min(COPY_BYTES, offset + length - at)))

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the disk that are here."""
        return _read(self.descriptor, offset, length)

    def freeze(self, index: int, length: int) -> None:
        """Keep a block as it is now, for the commit that is under way."""
        _write(self._frozen_descriptor, index * self._block_size, self.read(index * self._block_size, length))

    def frozen(self, index: int, length: int) -> bytes:
        """Return a block as it was when it was frozen."""
        return _read(self._frozen_descriptor, index * self._block_size, length)

    def forget_frozen(self) -> None:
        """Give back the room of frozen blocks."""
        os.ftruncate(self._frozen_descriptor, 0)

    @property
    def bytes_used(self) -> int:
        """Room that the disk takes here; none is told of one that was closed."""
        if self._is_closed:  # Who counts the room of all disks may come too late.
            return 0
        return sum(
            os.fstat(descriptor).st_blocks * 512 for descriptor in (self.descriptor, self._frozen_descriptor)
        )


def write_identity(folder: Path, identity: Identity) -> None:
    """Put `disk.json` in place, durably and as a whole."""
    prepare_identity(folder, identity)
    adopt_identity(folder)


def reserve_identity(folder: Path) -> None:
    """Take the room of the next `disk.json` now: on a host without room a commit is the way out."""
    descriptor = os.open(folder / UNFINISHED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, IDENTITY_BYTES)
    finally:
        os.close(descriptor)


def prepare_identity(folder: Path, identity: Identity) -> None:
    """Write what `disk.json` is to be beside it, durably, into the room that was taken for it."""
    descriptor = os.open(folder / UNFINISHED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        written = identity.written()
        _write(descriptor, 0, written)
        os.ftruncate(descriptor, len(written))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def adopt_identity(folder: Path) -> None:
    """Make what was prepared `disk.json`."""
    os.rename(folder / UNFINISHED, folder / "disk.json")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, offset: int, data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read(descriptor: int, offset: int, length: int) -> bytes:
    pieces = []
    while length:
        piece = os.pread(descriptor, length, offset)
        if not piece:
            raise OSError(errno.EIO, "the file is shorter than the disk")
        pieces.append(piece)
        offset, length = offset + len(piece), length - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
