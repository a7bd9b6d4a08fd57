"""Many new objects written with two waits for the device, where each alone would need two of its own.

    [Arrival, …] ──▶ nameless files ─▶ all durable ─▶ all linked ─▶ names durable ──▶ [Fate, …]

Only what the device has nothing of is written here. A folder that is there already is judged by its names:
what holds the same or newer needs nothing; all else is left to the ordinary PUT, which knows how to replace.
The order of steps is the writer's: no name before its bytes, no answer before the name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from posix import open as open_file  # The hub library replaces os.open by one that costs twice as much.

from ...common import concurrency
from ...common.durability import committer_for
from . import names
from .arrival import TURN, Arrival, Fate, Place, fill
from .device import Reserve, require_space
from .invalidation import invalidate_all

OPEN_MAX = 128
"""Each holds a file open until the device has it."""
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


def store_all(place: Place, arrivals: Sequence[Arrival], reserve: Reserve) -> list[Fate]:
    """Write the arrivals and return the fate of each.

    Raises:
        OutOfSpace: when there is no room.
        OSError: when the device fails; nothing was acknowledged.
    """
    os.makedirs(place.directory, exist_ok=True)
    fates: list[Fate] = []
    for start in range(0, len(arrivals), OPEN_MAX):
        fates += _store_some(place, arrivals[start : start + OPEN_MAX], reserve)
    return fates


def _store_some(place: Place, arrivals: Sequence[Arrival], reserve: Reserve) -> list[Fate]:
    suffixes = set(os.listdir(place.directory))
    committer = committer_for(place.device_path)
    ticket = committer.begin()
    written: dict[int, Arrival] = {}
    fates: list[Fate] = []
    try:
        for index, arrival in enumerate(arrivals):
            if index % TURN == TURN - 1:
                concurrency.sleep()
            fate = _prepare(place.directory, suffixes, arrival)
            if fate is Fate.STORED:
                descriptor = _open_nameless(place.directory, arrival)
                if descriptor < 0:
                    fate = Fate.LEFT
                else:
                    written[descriptor] = arrival
                    require_space(descriptor, len(arrival.body), reserve)
                    fill(descriptor, arrival)
            fates.append(fate)
        if written:
            committer.sync(ticket)
            try:
                for descriptor, arrival in written.items():
                    _link(descriptor, _directory(place.directory, arrival), arrival.name)
            finally:  # Whatever stopped us, the hashes are to tell of those that have their names.
                invalidate_all(place.directory, {arrival.suffix for arrival in written.values()})
            committer.sync(ticket)
    finally:
        for descriptor in written:
            os.close(descriptor)
        committer.finish()
    return fates


def _directory(partition_directory: str, arrival: Arrival) -> str:
    return f"{partition_directory}/{arrival.suffix}/{arrival.digest}"


def _prepare(partition_directory: str, suffixes: set[str], arrival: Arrival) -> Fate:
    """Make the object's folder; STORED means that nothing is in it yet, and the object may be."""
    suffix = arrival.suffix
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
        return open_file(
            _directory(partition_directory, arrival), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600
        )
    except OSError as problem:
        if problem.errno not in (errno.ENOENT, *_NO_TMPFILE):
            raise
        return -1


def _link(descriptor: int, directory: str, name: str) -> None:
    source, target = f"/proc/self/fd/{descriptor}", f"{directory}/{name}"
    try:
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)
    except FileExistsError:
        return  # The same object arrived by another way meanwhile; its copy is as good.
    except FileNotFoundError:  # A hasher that came by took the empty folder away.
        os.makedirs(directory, exist_ok=True)
        os.link(source, target, src_dir_fd=descriptor, follow_symlinks=True)
