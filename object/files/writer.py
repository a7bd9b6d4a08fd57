"""Writing one file of an object so that no crash leaves half of it, or a name without its bytes.

    open() ─▶ write()… ─▶ commit():  attributes ─▶ all durable ─▶ linked to its name ─▶ name durable ─▶ tidied
         └─▶ room(), received()… ─▶ complete() ─┘   large bodies, past the page cache (inflow.py)

Until it is linked the file has no name (O_TMPFILE), so a crash or a disconnected client leaves nothing.
Where the file system lacks that, a file in the device's tmp folder is renamed instead. Both waits for the
device are rounds that the device's group committer makes for many writers at once.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from posix import open as open_file  # The hub library replaces these by ones that cost twice as much.
from posix import write as write_file
from types import TracebackType
from typing import NamedTuple, Self

from ...common.body_sums import BodySums
from ...common.durability import GroupCommitter
from ...common.errors import Corrupt, OutOfSpace, Refused
from ...common.timestamp import Timestamp
from . import hashes, metadata, names
from .blocks import ATTRIBUTE, KEY, ONE_BLOCK_BYTES, BlockSums, encode_small
from .device import NO_SPACE, Reserve, require_space, translate
from .inflow import Inflow
from .invalidation import invalidate
from .locks import locked
from .metadata import Metadata

log = logging.getLogger(__name__)

LARGE_BYTES_MIN = 1 << 20  # Below this the file system places the blocks well by itself, and soon enough.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_KEEP_SIZE = 1
_ATTEMPTS = 5
_libc = ctypes.CDLL(None, use_errno=True)


class Writer:
    """One file on its way; use it as a context manager, so that what is not committed is dropped."""

    def __init__(
        self,
        hash_directory: str,
        tmp_directory: str,
        committer: GroupCommitter,
        *,
        extension: str = names.DATA,
        is_new: bool = False,
    ) -> None:
        self._hash_directory = hash_directory
        self._tmp_directory = tmp_directory
        self._committer = committer
        self._extension = extension
        self._descriptor = -1
        self._temporary: str | None = None
        self._ticket = 0
        self._written = 0
        self._inflow: Inflow | None = None
        self._is_new = is_new  # Nothing old can be in a folder that we made.
        self._sums: _Sums | None = None
        self._etag = ""
        self._encoded_sums = b""

    @property
    def bytes_written(self) -> int:
        """The length of the body so far."""
        return self._written

    @property
    def etag(self) -> str:
        """The MD5 of the body so far; of one whose sums were to be told, what was told."""
        return self._etag or self._running_sums().digest.hexdigest()

    def open(self, size: int | None, reserve: Reserve | None) -> Self:
        """Make the nameless file, with room for `size` bytes above the reserve (None: whatever is left).

        Raises:
            OutOfSpace: when there is no room.
            Unavailable: when the device fails.
        """
        try:
            self._ticket = self._committer.begin()
            self._descriptor = self._open_nameless()
            if reserve is not None:
                require_space(self._descriptor, size or 0, reserve)
            if size and size >= LARGE_BYTES_MIN:
                preallocate(self._descriptor, size)
            if self._extension == names.DATA and (size is None or size >= LARGE_BYTES_MIN):
                sums = self._running_sums()
                self._inflow = Inflow(self._descriptor, sums.digest, sums.blocks)
        except OSError as problem:
            self.close()
            self._refuse(problem)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def is_large(self) -> bool:
        """Whether the body may, and had better, be put into `room()`."""
        return self._inflow is not None

    def room(self) -> memoryview:
        """Return where the next bytes of a large body are to be put; tell `received()` how many were."""
        assert self._inflow is not None
        return self._inflow.room()

    def received(self, count: int) -> None:
        """Append what was put into the room."""
        assert self._inflow is not None
        try:
            self._inflow.received(count)
        except OSError as problem:
            self._refuse(problem)
        self._written += count

    def leave_digest(self) -> None:
        """Take no MD5 of a large body: its sums will be told behind it."""
        assert self._inflow is not None
        self._inflow.leave_digest()

    def believe(self, sums: BodySums) -> None:
        """Take the ETag that was told behind a complete body, if that is the body which was meant.

        Raises:
            Corrupt: when it changed on its way.
        """
        found = self._running_sums().blocks.whole()
        if found != sums.crc32c:
            raise Corrupt(f"the body came with CRC32C {found:08x}, {sums.crc32c:08x} was sent")
        self._etag = sums.md5

    def complete(self) -> None:
        """Return when the whole body is written and summed: its ETag is known, and it may be committed."""
        if self._inflow is not None:
            try:
                self._inflow.finish()
            except OSError as problem:
                self._refuse(problem)

    def write(self, data: bytes) -> None:
        """Append to the body."""
        if self._inflow is not None:
            rest = memoryview(data)
            while rest:
                room = self.room()[: len(rest)]
                room[:] = rest[: len(room)]
                self.received(len(room))
                rest = rest[len(room) :]
            return
        sums = self._running_sums()
        sums.digest.update(data)
        sums.blocks.update(data)
        self._append(data)

    def write_whole(self, data: bytes) -> None:
        """Write a body of one block at most: what sums its pieces would cost a third of what it is to sum."""
        assert not self._written
        self._etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self._encoded_sums = encode_small(data)
        self._append(data)

    def _append(self, data: bytes) -> None:
        try:
            write_all(self._descriptor, data)
        except OSError as problem:
            self._refuse(problem)
        self._written += len(data)

    def _running_sums(self) -> _Sums:
        """Return what sums the body piece by piece."""
        if self._sums is None:
            self._sums = _Sums(hashlib.md5(usedforsecurity=False), BlockSums())
        return self._sums

    def commit(
        self,
        content: Metadata,
        moment: Timestamp,
        content_type: Timestamp | None = None,
        *,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """Make the file durable, give it its name and make that durable; then tidy the object's folder.

        What `guard` raises prevents the name; nobody else with a guard can give one meanwhile.

        Raises:
            OutOfSpace: when there is no room for the metadata.
            Unavailable: when the device fails; the write may or may not survive, and was not acknowledged.
        """
        assert self._descriptor >= 0
        self.complete()
        if self._extension == names.META:
            name = names.file_name(moment, names.META, content_type)
        else:
            name = content["X-Timestamp"] + self._extension  # The moment, as text already.
        target = f"{self._hash_directory}/{name}"
        suffix_directory = self._hash_directory.rpartition("/")[0]
        try:
            if self._extension == names.DATA:
                self._write_with_sums(content)
            else:
                metadata.write(self._descriptor, content)
            if self._extension != names.TOMBSTONE:
                # A tombstone is all in its name; the others must not be found before what they hold.
                self._committer.sync(self._ticket)
            if guard is None:
                self._link(target)
            else:
                with locked(suffix_directory.rpartition("/")[0]):
                    guard()
                    self._link(target)
            invalidate(suffix_directory)
            self._committer.sync(self._ticket)
        except OSError as problem:
            self._refuse(problem)
        if self._is_new:
            return
        try:
            hashes.remove_replaced(self._hash_directory, names.FileName(name, moment, self._extension))
        except OSError as problem:
            log.warning("left-over files stay", extra={"path": self._hash_directory, "problem": str(problem)})

    def stage(self, content: Metadata, name: str) -> None:
        """Make the file durable under a name that says nothing of an object: it is to wait there."""
        assert self._descriptor >= 0
        self.complete()
        try:
            self._write_with_sums(content)
            self._committer.sync(self._ticket)
            self._link(f"{self._hash_directory}/{name}")
            self._committer.sync(self._ticket)
        except OSError as problem:
            self._refuse(problem)

    def _write_with_sums(self, content: Metadata) -> None:
        """Write metadata and block checksums: few ones into the metadata, many beside it.

        A second attribute for few of them would cost as much as the metadata. And ext4 lets files share the
        block that their attributes fill if it holds the same, as it does for replicas on one file system;
        it finds out after the last attribute, and giving the spare block back waits for the device.
        """
        sums = self._encoded_sums or self._running_sums().blocks.encode()
        if len(sums) <= ONE_BLOCK_BYTES:
            try:
                metadata.write(self._descriptor, {**content, KEY: sums.hex()})
            except Refused:  # It fills what the file system allows; the ETag still guards the body.
                metadata.write(self._descriptor, content)
            return
        metadata.write(self._descriptor, content)
        add_sums(self._descriptor, sums)

    def _open_nameless(self) -> int:
        for _ in range(_ATTEMPTS):
            try:
                return open_file(self._hash_directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                # Nothing was ever there, or somebody tidied the folder away before it had anything in it.
                self._is_new |= make_directory(self._hash_directory)
            except OSError as problem:
                if problem.errno not in _NO_TMPFILE:
                    raise
                os.makedirs(self._tmp_directory, exist_ok=True)
                descriptor, self._temporary = tempfile.mkstemp(dir=self._tmp_directory)
                return descriptor
        raise FileNotFoundError(errno.ENOENT, "the folder vanishes again and again", self._hash_directory)

    def _link(self, target: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                if self._temporary is not None:
                    os.rename(self._temporary, target)
                    self._temporary = None
                else:
                    source = f"/proc/self/fd/{self._descriptor}"
                    # With a folder's descriptor given, the link in /proc is followed (linkat(2)).
                    os.link(source, target, src_dir_fd=self._descriptor, follow_symlinks=True)
            except FileExistsError:
                return  # The same change arrived twice; its first copy is as good.
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
                make_directory(self._hash_directory)
            else:
                return

    def _refuse(self, problem: OSError) -> None:
        """Raise what a system call's failure means to the caller."""
        meaning = translate(problem)
        if meaning is None:
            raise problem
        log.error("write failed", extra={"path": self._hash_directory, "problem": str(problem)})
        raise meaning from problem

    def close(self) -> None:
        """Let go of the file; without a commit nothing of it stays."""
        if self._descriptor < 0:
            return
        if self._inflow is not None:
            self._inflow.close()
        os.close(self._descriptor)
        self._descriptor = -1
        self._committer.finish()
        if self._temporary is not None:
            try:
                os.unlink(self._temporary)
            except OSError as problem:
                log.warning("temporary file stays", extra={"path": self._temporary, "problem": str(problem)})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Sums(NamedTuple):
    """What sums a body that comes in pieces."""

    digest: hashlib._Hash
    blocks: BlockSums


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it; the kernel may take less at a time."""
    written = write_file(descriptor, data)
    while written < len(data):
        written += write_file(descriptor, data[written:])


def add_sums(descriptor: int, sums: bytes) -> None:
    """Give a file its block checksums as an attribute.

    Where its metadata fills what the file system allows it goes without: the ETag still guards the body.
    """
    try:
        os.setxattr(descriptor, ATTRIBUTE, sums)
    except OSError as problem:
        if problem.errno not in (*NO_SPACE, errno.E2BIG, errno.ERANGE, errno.ENOTSUP):
            raise


def make_directory(path: str) -> bool:
    """Make a folder and those above it; return whether it is new. One system call where it is not."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        make_directory(path.rpartition("/")[0])
        return make_directory(path)
    return True


def preallocate(descriptor: int, size: int) -> None:
    """Reserve room for a body; file systems that cannot are forgiven, full ones are not."""
    call = getattr(_libc, "fallocate", None)
    if call is None:
        return
    if call(descriptor, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)):
        code = ctypes.get_errno()
        if code in NO_SPACE:
            raise OutOfSpace("no room for the body on the device")
        if code not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code))
