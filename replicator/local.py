"""Our own devices: what lies on them, as the replicator reads and removes it.

    device, policy ──▶ LocalDevice.partitions(), .hashes(), .copies()
    Copy ──▶ .open() ──▶ OpenCopy: metadata, and the body in pieces, each checked before it leaves
    Copy ──▶ .remove() ──▶ just the files that were seen are gone

A body is checked by the checksums of its blocks, or where there are none (stock Swift wrote it) by its MD5
before the last piece is given out, so that nobody can have taken a corrupt one for whole. Whoever finds
one calls `quarantine`. It does not know peers, nor which copies may go.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from posix import open as open_file  # The hub library replaces these by ones that cost twice as much.
from posix import read as read_file
from types import TracebackType
from typing import Self

from ..common.concurrency import in_native_thread, sleep
from ..common.errors import Corrupt, Missing, Unavailable
from ..common.policies import Policy
from ..common.timestamp import Timestamp
from ..object.files import blocks, hashes, metadata, names
from ..object.files.blocks import Blocks
from ..object.files.invalidation import INVALID_FILE, invalidate
from ..object.files.quarantine import quarantine
from ..object.files.store import block_sums
from ..object.parcel import BODY_BYTES_MAX, Piece
from .inventory import version_of
from .plan import Version

log = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
TURN = 16
"""Suffixes listed, or objects read, before others get their turn: milliseconds from a disk, so that no
timeout of a connection passes meanwhile."""
UNREADABLE = (errno.EIO, errno.EUCLEAN, errno.ENODATA)
CONTENT_TYPE = ("Content-Type", "Content-Type-Timestamp")
Metadata = dict[str, str]


@dataclass(frozen=True, slots=True)
class Copy:
    """One object's folder as it was found."""

    directory: str
    version: Version
    selection: names.Selection
    files: tuple[str, ...]

    def data_metadata(self) -> Metadata:
        """Return the metadata of the data file or the tombstone."""
        file = self.selection.data or self.selection.tombstone
        assert file is not None
        return self._metadata(file)

    def meta_metadata(self) -> Metadata:
        """Return what the newest POST left: its metadata, and the newest content type of any POST."""
        meta, content_type = self.selection.meta, self.selection.content_type
        assert meta is not None
        merged = self._metadata(meta)
        if content_type is not None and content_type.name != meta.name:
            older = self._metadata(content_type)
            merged |= {
                name: older[name] for name in ("Content-Type", "Content-Type-Timestamp") if name in older
            }
        return merged

    def piece(self) -> Piece | None:
        """Return it for a parcel, or None when it is too large, gone, or not readable as it was written.

        The body is not checked: whoever takes a parcel checks each ETag before anything is stored.
        """
        assert self.selection.data is not None
        try:
            descriptor = open_file(f"{self.directory}/{self.selection.data.name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            body = read_file(descriptor, BODY_BYTES_MAX + 1)
            if len(body) > BODY_BYTES_MAX:
                return None
            return Piece(metadata.read_encoded(descriptor), body)
        except (Corrupt, OSError, Unavailable):
            return None
        finally:
            os.close(descriptor)

    def open(self) -> OpenCopy:
        """Open the data; Missing when it is gone meanwhile, Corrupt when it is not what was written."""
        assert self.selection.data is not None
        try:
            return OpenCopy(f"{self.directory}/{self.selection.data.name}")
        except FileNotFoundError as problem:
            raise Missing(f"{self.directory} has changed") from problem

    def quarantine(self, reason: str) -> None:
        """Move the folder out of the way, so that it is never pushed and a good copy takes its place."""
        try:
            quarantine(self.directory, reason)
        except FileNotFoundError:
            log.info("corrupt copy was replaced meanwhile", extra={"path": self.directory})

    def remove(self) -> None:
        """Remove exactly what was seen; what has come since stays."""
        for name in self.files:
            _unlink(f"{self.directory}/{name}")
        suffix = os.path.dirname(self.directory)
        if _remove_empty(self.directory):
            invalidate(suffix)
            _remove_empty(suffix)

    def _metadata(self, file: names.FileName) -> Metadata:
        try:
            return metadata.read(f"{self.directory}/{file.name}")
        except FileNotFoundError as problem:
            raise Missing(f"{self.directory} has changed") from problem
        except OSError as problem:
            raise _unreadable(problem) from problem


class OpenCopy:
    """An open data file; use it as a context manager."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.length = os.fstat(self._descriptor).st_size
            self.metadata = metadata.read(self._descriptor)
            if self.metadata.get("Content-Length") != str(self.length):
                raise Corrupt(
                    f"{self.length} bytes where the metadata says {self.metadata.get('Content-Length')}"
                )
            self._blocks = self._read_blocks()
        except BaseException:
            os.close(self._descriptor)
            raise

    def pieces(self) -> Iterator[bytes]:
        """Yield the body; raise Corrupt instead of the piece that is wrong."""
        try:
            yield from self._checked_blocks(self._blocks) if self._blocks else self._checked_whole()
        except OSError as problem:
            raise _unreadable(problem) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def _read_blocks(self) -> Blocks | None:
        value = block_sums(self._descriptor, self.metadata)
        return None if value is None else blocks.decode(value, self.length)

    def _checked_blocks(self, sums: Blocks) -> Iterator[bytes]:
        for index in sums.cover(0, self.length):
            start = index * sums.block_bytes
            block = self._read(start, min(sums.block_bytes, self.length - start))
            if not sums.check(index, block):
                raise Corrupt(f"block {index} does not match its checksum")
            yield block

    def _checked_whole(self) -> Iterator[bytes]:
        digest = hashlib.md5(usedforsecurity=False)
        held = b""
        for start in range(0, self.length, PIECE_BYTES):
            if held:
                yield held
            held = self._read(start, min(PIECE_BYTES, self.length - start))
            digest.update(held)
        if digest.hexdigest() != self.metadata.get("ETag", "").strip('"'):
            raise Corrupt("the body does not match its ETag")
        if held:
            yield held

    def _read(self, start: int, length: int) -> bytes:
        piece = os.pread(self._descriptor, length, start)
        while len(piece) < length:
            more = os.pread(self._descriptor, length - len(piece), start + len(piece))
            if not more:
                raise Corrupt("the file became shorter")
            piece += more
        return piece


@dataclass(frozen=True, slots=True)
class LocalDevice:
    """One policy's objects on one of our devices."""

    path: str
    policy: Policy
    reclaim_age_seconds: float

    @property
    def objects_path(self) -> str:
        """The folder of all partitions."""
        return f"{self.path}/{self.policy.data_directory}"

    def partition_path(self, partition: int) -> str:
        """The folder of one partition."""
        return f"{self.objects_path}/{partition}"

    def partitions(self) -> list[int]:
        """Return the partitions that lie here; a file in a partition's place is removed."""
        try:
            found = [entry for entry in os.scandir(self.objects_path) if entry.name.isdecimal()]
        except FileNotFoundError:
            return []
        for entry in found:
            if entry.is_file(follow_symlinks=False):
                log.warning("file in place of a partition is removed", extra={"path": entry.path})
                _unlink(entry.path)
        return sorted(int(entry.name) for entry in found if entry.is_dir(follow_symlinks=False))

    def hashes(self, partition: int, recalculate: Collection[str] = ()) -> dict[str, str]:
        """Return the suffix hashes; tombstones past their age are forgotten on the way."""
        return in_native_thread(
            hashes.suffix_hashes,
            self.path,
            self.policy.index,
            partition,
            recalculate=recalculate,
            reclaim_age_seconds=self.reclaim_age_seconds,
            now=time.time(),
        )

    def copies(self, partition: int, suffixes: Collection[str]) -> dict[str, Copy]:
        """Return hash → what lies there, of these suffixes."""
        found: dict[str, Copy] = {}
        for index, suffix in enumerate(suffixes, 1):
            if not index % TURN:
                sleep()
            directory = f"{self.partition_path(partition)}/{suffix}"
            for digest, files in hashes.hash_dirs(directory):
                selection = names.select(files)
                version = version_of(selection)
                if version is not None:
                    found[digest] = Copy(f"{directory}/{digest}", version, selection, tuple(files))
        return found

    def suffixes(self, partition: int) -> list[str]:
        """Return the suffixes that lie in the partition."""
        try:
            return [name for name in os.listdir(self.partition_path(partition)) if hashes.is_suffix(name)]
        except FileNotFoundError:
            return []

    def is_empty(self, partition: int) -> bool:
        """Whether no suffix is left in the partition."""
        return not self.suffixes(partition)

    def remove_partition(self, partition: int) -> bool:
        """Remove the folder of an empty partition; say whether it is gone."""
        path = self.partition_path(partition)
        try:
            for name in os.listdir(path):
                if name in (hashes.HASH_FILE, INVALID_FILE) or name.startswith(".lock"):
                    _unlink(f"{path}/{name}")
        except FileNotFoundError:
            return True
        return _remove_empty(path)

    def sweep_temporaries(self, now: Timestamp) -> None:
        """Remove what crashed writers left in the folder of temporary files a reclaim age ago."""
        folder = f"{self.path}/{self.policy.tmp_directory}"
        try:
            for entry in os.scandir(folder):
                if entry.stat(follow_symlinks=False).st_mtime >= float(now) - self.reclaim_age_seconds:
                    continue
                if entry.is_dir(follow_symlinks=False):  # A partition that was being founded.
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    _unlink(entry.path)
        except FileNotFoundError:
            return


def _unreadable(problem: OSError) -> Exception:
    return Corrupt(f"it cannot be read: {problem.strerror}") if problem.errno in UNREADABLE else problem


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remove_empty(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True
