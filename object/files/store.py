"""The `files` engine: objects as files in stock Swift's layout, opened, written and deleted.

    Location ──open()──▶ StoredObject: metadata of .data and .meta merged, the open file, its checksums
                    └──▶ Absent (with the tombstone's moment), Expired, Collision, or quarantined and Absent
    Location ──create()──▶ Writer

It knows the formats (through the modules beside it) and no HTTP.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from posix import open as open_file  # The hub library replaces os.open by one that costs twice as much.
from typing import NamedTuple

from ...common.durability import committer_for
from ...common.errors import Corrupt, Missing, Refused, Unavailable
from ...common.timestamp import TICKS_PER_SECOND, Timestamp
from . import blocks, metadata, names
from .blocks import Blocks
from .device import Reserve
from .metadata import Metadata
from .names import FileName, Selection
from .quarantine import quarantine
from .writer import Writer, make_directory

log = logging.getLogger(__name__)

_STAYING = frozenset(("content-length", "deleted", "etag", "x-static-large-object"))
_SYSMETA_PREFIX = "x-object-sysmeta-"
_LATER_VERSIONS = range(2, 16)  # Of the block checksums: not ours to call damaged, unlike what is beyond.
_UNREADABLE = (errno.ENODATA, errno.EUCLEAN, errno.EIO)
_RACES_MAX = 5
Clock = Callable[[], Timestamp | None]


class Absent(Missing):
    """There is no such object; `timestamp` is its tombstone's moment, where there is one."""

    def __init__(self, sentence: str, timestamp: Timestamp | None = None) -> None:
        super().__init__(sentence)
        self.timestamp = timestamp


class Expired(Absent):
    """The object is past its X-Delete-At; `metadata` is what it was."""

    def __init__(self, content: Metadata) -> None:
        super().__init__("the object has expired", Timestamp.parse(content["X-Timestamp"]))
        self.metadata = content


class Collision(Refused):
    """Another name with the same hash lives there."""


class Location(NamedTuple):
    """Where an object lives, the name that its files must carry, and the file system's number, if known."""

    device_path: str
    hash_directory: str
    tmp_directory: str
    name: str
    file_system: int | None = None


@dataclass(slots=True)
class StoredObject:
    """An object that is there; close it unless its file was handed on."""

    path: str
    descriptor: int
    length: int
    data_timestamp: Timestamp
    metadata: Metadata
    data_metadata: Metadata
    meta_metadata: Metadata | None = None

    @property
    def timestamp(self) -> Timestamp:
        """The moment of the last PUT or POST."""
        if self.meta_metadata is None:
            return self.data_timestamp
        return Timestamp.parse(self.metadata["X-Timestamp"])

    @property
    def content_type_timestamp(self) -> Timestamp:
        """The moment at which the content type was set."""
        text = self.metadata.get("Content-Type-Timestamp")
        return Timestamp.parse(text) if text else self.data_timestamp

    @property
    def delete_at(self) -> int:
        """The second at which the object expires; 0 for never."""
        return int(self.metadata.get("X-Delete-At") or 0)

    def blocks(self) -> Blocks | None:
        """Return the checksums of the blocks, None where another server wrote the object.

        Raises:
            Corrupt: when they are damaged.
        """
        value = self.block_attribute()
        return None if value is None else blocks.decode(value, self.length)

    def block_attribute(self) -> bytes | None:
        """Return them as they are stored."""
        return block_sums(self.descriptor, self.data_metadata)

    def take_descriptor(self) -> int:
        """Hand the open file on: who takes it closes it."""
        descriptor, self.descriptor = self.descriptor, -1
        return descriptor

    def close(self) -> None:
        """Close the file, if it is still ours."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class FileStore:
    """The engine for one node's devices."""

    def __init__(self, reserve: Reserve) -> None:
        self._reserve = reserve
        self._was_suffix_missing = False

    def open(self, location: Location, *, now: Clock) -> StoredObject:
        """Return the object as it is; where it may expire the clock is asked, and None opens it even so.

        Raises:
            Absent, Expired, Collision: as they say; what was damaged is in quarantine now.
            Unavailable: when it changed too often to be read.
        """
        for _ in range(_RACES_MAX):
            try:
                stored = self._open(location)
            except FileNotFoundError:
                continue  # A newer change replaced the file between listing and opening.
            try:
                self._verify(stored, location, now)
            except BaseException:
                stored.close()
                raise
            return stored
        raise Unavailable("the object changes faster than it can be read")

    def create(
        self, location: Location, size: int | None, extension: str = names.DATA, *, is_new: bool = False
    ) -> Writer:
        """Return an open writer of one file of the object; tombstones may use the reserve.

        `is_new` says that the object's folder was made for this.
        """
        committer = committer_for(location.device_path, location.file_system)
        writer = Writer(
            location.hash_directory,
            location.tmp_directory,
            committer,
            extension=extension,
            is_new=is_new,
        )
        return writer.open(size, None if extension == names.TOMBSTONE else self._reserve)

    def make_folder(self, location: Location) -> bool:
        """Make the object's folder and those above it; return whether it is new.

        Where objects are many the suffix's folder is nearly always there, where they are few it never is.
        What was so the last time is tried first: a call that finds nothing costs a twentieth of a PUT.
        """
        folder = location.hash_directory
        if self._was_suffix_missing:
            self._was_suffix_missing = make_directory(folder.rpartition("/")[0])
            return make_directory(folder)
        try:
            os.mkdir(folder)
        except FileExistsError:
            return False
        except FileNotFoundError:
            self._was_suffix_missing = True
            make_directory(folder.rpartition("/")[0])
            return make_directory(folder)
        return True

    def _open(self, location: Location) -> StoredObject:
        selection = self._select(location)
        if selection.data is None:
            moment = selection.tombstone.timestamp if selection.tombstone else None
            raise Absent("there is no such object", moment)
        path = f"{location.hash_directory}/{selection.data.name}"
        descriptor = -1
        try:
            descriptor = open_file(path, os.O_RDONLY | os.O_CLOEXEC)
            content = metadata.read(descriptor)
            stored = StoredObject(path, descriptor, 0, selection.data.timestamp, content, content)
            if selection.meta is not None:
                _merge(stored, selection.meta, selection.content_type, location.hash_directory)
            stored.length = os.lseek(descriptor, 0, os.SEEK_END)  # A third of what fstat takes.
        except (Corrupt, OSError) as problem:
            if descriptor >= 0:
                os.close(descriptor)
            if isinstance(problem, OSError) and problem.errno not in _UNREADABLE:
                raise
            raise quarantined(location.hash_directory, str(problem)) from problem
        return stored

    def _select(self, location: Location) -> Selection:
        try:
            return names.select(os.listdir(location.hash_directory))
        except FileNotFoundError:
            return names.NOTHING
        except OSError as problem:
            if problem.errno not in (errno.ENOTDIR, *_UNREADABLE):
                raise
            raise quarantined(location.hash_directory, f"cannot be listed: {problem.strerror}") from problem

    def _verify(self, stored: StoredObject, location: Location, now: Clock) -> None:
        content = stored.metadata
        try:
            name, length = content["name"], int(content["Content-Length"])
            delete_at = int(content.get("X-Delete-At") or 0)
        except (KeyError, ValueError) as problem:
            raise quarantined(location.hash_directory, f"bad or missing metadata: {problem}") from problem
        if location.name and name != location.name:
            raise Collision("the name in the metadata is another one", 403)
        if delete_at and (moment := now()) is not None and delete_at * TICKS_PER_SECOND <= moment.ticks:
            raise Expired(content)
        if length != stored.length:
            raise quarantined(
                location.hash_directory, f"Content-Length is {length}, the file has {stored.length}"
            )


def block_sums(descriptor: int, content: Metadata) -> bytes | None:
    """Return an open file's encoded block checksums, None where it has none that we know.

    Those of a later version say nothing to us.

    Raises:
        Corrupt: when the metadata holds something else in their place.
    """
    try:
        kept = content.get(blocks.KEY)
        value = os.getxattr(descriptor, blocks.ATTRIBUTE) if kept is None else bytes.fromhex(kept)
    except ValueError as problem:
        raise Corrupt("block checksums are not in hex") from problem
    except OSError as problem:
        if problem.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise
    return None if value and value[0] in _LATER_VERSIONS else value


def quarantined(hash_directory: str, reason: str) -> Absent:
    """Move the object's folder away and return what its reader is to be told."""
    try:
        quarantine(hash_directory, reason)
    except OSError as problem:
        if problem.errno in _UNREADABLE:
            # Bad sectors may hide the folder itself: then the whole suffix has to go.
            quarantine(os.path.dirname(hash_directory), reason)
        elif problem.errno != errno.ENOENT:
            log.error("cannot quarantine", extra={"path": hash_directory, "problem": str(problem)})
    return Absent(f"quarantined: {reason}")


def _merge(stored: StoredObject, last: FileName, newer: FileName | None, folder: str) -> None:
    """Put what the last .meta says over what the .data says, except what only a PUT may say."""
    data = stored.data_metadata
    meta = metadata.read(f"{folder}/{last.name}")
    if newer is not None and newer is not last:
        other = metadata.read(f"{folder}/{newer.name}")
        if other.get("Content-Type-Timestamp", "") > meta.get("Content-Type-Timestamp", ""):
            meta["Content-Type"] = other["Content-Type"]
            meta["Content-Type-Timestamp"] = other["Content-Type-Timestamp"]
    merged = {**meta, **{key: value for key, value in data.items() if stays(key)}}
    moment = meta.get("Content-Type-Timestamp")
    if moment is None or Timestamp.parse(moment) <= stored.data_timestamp:
        merged.pop("Content-Type-Timestamp", None)
        if "Content-Type" in data:
            merged["Content-Type"] = data["Content-Type"]
    meta.pop("name", None)
    stored.metadata, stored.meta_metadata = merged, meta


@lru_cache(maxsize=4096)  # Clients choose names, but the same ones again and again.
def stays(key: str) -> bool:
    """Whether this metadata belongs to the PUT and survives each POST."""
    lower = key.lower()
    return lower in _STAYING or lower.startswith(_SYSMETA_PREFIX)
