"""Many new objects written with two waits for the device, where each alone would need two of its own.

    [Arrival, …] ──▶ nameless files ─▶ all durable ─▶ all linked ─▶ names durable ──▶ [Fate, …]

Only what the device has nothing of is written here. A folder that is there already is judged by its names:
what holds the same or newer needs nothing; all else is left to the ordinary PUT, which knows how to replace.
The order of steps is the writer's: no name before its bytes, no answer before the name.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ...common import concurrency
from ...common.durability import committer_for
from ...common.timestamp import Timestamp
from . import metadata, names
from .blocks import ATTRIBUTE, BlockSums
from .device import NO_SPACE, Reserve, require_space
from .invalidation import invalidate_all
from .metadata import Metadata

TURN = 16
"""Files written before other requests of the server get their turn: about two milliseconds."""
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


class Fate(enum.Enum):
    """What became of an arrival."""

    STORED = "durable, under its name"
    HELD = "the same or newer was there"
    LEFT = "something older is there, or this file system cannot do it: to be sent on its own"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object for a partition: hash, moment, what is stored with it, and its body."""

    digest: str
    moment: Timestamp
    content: Metadata
    body: bytes


def store_all(
    device_path: str, partition_directory: str, arrivals: Sequence[Arrival], reserve: Reserve
) -> list[Fate]:
    """Write the arrivals and return the fate of each.

    Raises:
        OutOfSpace: when there is no room.
        OSError: when the device fails; nothing was acknowledged.
    """
    os.makedirs(partition_directory, exist_ok=True)
    suffixes = set(os.listdir(partition_directory))
    committer = committer_for(device_path)
    ticket = committer.begin()
    written: dict[int, tuple[int, Arrival]] = {}
    fates: list[Fate] = []
    try:
        for index, arrival in enumerate(arrivals):
            if index % TURN == TURN - 1:
                concurrency.sleep()
            fate = _prepare(partition_directory, suffixes, arrival)
            if fate is Fate.STORED:
                descriptor = _open_nameless(partition_directory, arrival)
                if descriptor < 0:
                    fate = Fate.LEFT
                else:
                    written[index] = (descriptor, arrival)
                    _write(descriptor, arrival, reserve)
            fates.append(fate)
        if written:
            committer.sync(ticket)
            for descriptor, arrival in written.values():
                _link(descriptor, _directory(partition_directory, arrival), arrival.moment)
            invalidate_all(partition_directory, {arrival.digest[-3:] for _, arrival in written.values()})
            committer.sync(ticket)
    finally:
        for descriptor, _ in written.values():
            os.close(descriptor)
        committer.finish()
    return fates


def _directory(partition_directory: str, arrival: Arrival) -> str:
    return f"{partition_directory}/{arrival.digest[-3:]}/{arrival.digest}"


def _prepare(partition_directory: str, suffixes: set[str], arrival: Arrival) -> Fate:
    """Make the object's folder; STORED means that nothing is in it yet, and the object may be."""
    suffix = arrival.digest[-3:]
    if suffix not in suffixes:
        suffixes.add(suffix)
        _make(f"{partition_directory}/{suffix}")
    directory = _directory(partition_directory, arrival)
    if _make(directory):
        return Fate.STORED
    try:
        files = os.listdir(directory)
    except FileNotFoundError:
        return Fate.LEFT
    if not files:  # Another node is bringing the same just now: either copy is as good.
        return Fate.STORED
    found = names.select(files)
    newest = found.data or found.tombstone
    return Fate.HELD if newest is not None and newest.timestamp >= arrival.moment else Fate.LEFT


def _make(directory: str) -> bool:
    try:
        os.mkdir(directory)
    except FileExistsError:
        return False
    except FileNotFoundError:  # Whoever tidied the suffix away took it for empty.
        os.makedirs(directory, exist_ok=True)
    return True


def _open_nameless(partition_directory: str, arrival: Arrival) -> int:
    """Return the open file, or -1 where that has to be left to the ordinary PUT."""
    try:
        return os.open(
            _directory(partition_directory, arrival), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600
        )
    except OSError as problem:
        if problem.errno not in (errno.ENOENT, *_NO_TMPFILE):
            raise
        return -1


def _write(descriptor: int, arrival: Arrival, reserve: Reserve) -> None:
    require_space(descriptor, len(arrival.body), reserve)
    written = os.write(descriptor, arrival.body)
    while written < len(arrival.body):
        written += os.write(descriptor, arrival.body[written:])
    metadata.write(descriptor, arrival.content)
    sums = BlockSums()
    sums.update(arrival.body)
    try:
        os.setxattr(descriptor, ATTRIBUTE, sums.encode())
    except OSError as problem:
        # As in the writer: metadata may fill what the file system allows; the ETag still guards the body.
        if problem.errno not in (*NO_SPACE, errno.E2BIG, errno.ERANGE, errno.ENOTSUP):
            raise


def _link(descriptor: int, directory: str, moment: Timestamp) -> None:
    source, target = f"/proc/self/fd/{descriptor}", f"{directory}/{names.file_name(moment, names.DATA)}"
    try:
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        return  # The same object arrived by another way meanwhile; its copy is as good.
    except FileNotFoundError:  # A hasher that came by took the empty folder away.
        os.makedirs(directory, exist_ok=True)
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)
