"""A partition that a device has nothing of, built out of sight and given its name in one step.

    [Arrival, …] ──▶ tmp/7.founding/SUF/HASH/…data, hashes.pkl ─▶ durable ─▶ objects/7 ─▶ durable

So a wiped device comes back. Nobody sees the folder before all in it is durable, thus its files get their
names at once, and the suffix hashes are known without a look at the disk. Whoever builds holds a lock on the
folder, which goes with its process: what a crash left there is cleared away by the next one. Should the
partition come up by another way meanwhile, the objects join it one by one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from posix import open as open_file  # The hub library replaces os.open by one that costs twice as much.

from ...common import concurrency, restricted_pickle
from ...common.durability import committer_for
from .arrival import TURN, Arrival, Fate, Place, fill
from .device import Reserve, require_space
from .hashes import HASH_FILE
from .invalidation import invalidate_all
from .locks import LockTimeout, try_lock

ENDING = ".founding"
PATIENCE_SECONDS = 30.0  # A parcel's two rounds on a busy disk; the peer waits for its answer for a minute.
_POLL_SECONDS = 0.02
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_IS_THERE = (errno.ENOTEMPTY, errno.EEXIST)


def found_partition(place: Place, arrivals: Sequence[Arrival], reserve: Reserve) -> list[Fate]:
    """Make the partition of these arrivals and return the fate of each; nothing when it is there already.

    Raises:
        OutOfSpace: when there is no room.
        LockTimeout: when somebody else is at it for very long.
        OSError: when the device fails; nothing was acknowledged.
    """
    site = f"{place.device_path}/{place.tmp_directory}/{place.partition}{ENDING}"
    claim = _claim(site, place.directory) if arrivals else -1
    if claim < 0:
        return []
    committer = committer_for(place.device_path)
    ticket = committer.begin()
    try:
        require_space(claim, sum(len(arrival.body) for arrival in arrivals), reserve)
        _build(site, arrivals)
        committer.sync(ticket)
        fates = _move(site, place.directory, arrivals)
        committer.sync(ticket)
    finally:
        committer.finish()
        _let_go(claim, site)
    return fates


def _claim(site: str, directory: str) -> int:
    """Return the open and locked folder to build in, which is empty, or -1 when the partition is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not os.path.isdir(directory):
        os.makedirs(site, exist_ok=True)
        try:
            claim = os.open(site, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # Whoever held it is ready in this moment.
        if not try_lock(claim):
            os.close(claim)
            if time.monotonic() > deadline:
                raise LockTimeout(f"{site} stayed locked for {PATIENCE_SECONDS} seconds")
            concurrency.sleep(_POLL_SECONDS)
        elif _is_at(claim, site) and not os.path.isdir(directory) and not os.listdir(site):
            return claim
        else:
            _let_go(claim, site)
    return -1


def _is_at(claim: int, site: str) -> bool:
    """Whether the folder is still where it was opened: it becomes the partition, or is cleared away."""
    try:
        return os.path.samestat(os.fstat(claim), os.stat(site))
    except FileNotFoundError:
        return False


def _build(site: str, arrivals: Sequence[Arrival]) -> None:
    """Write the objects and the hashes of their suffixes, as `hashes` would find them."""
    suffixes: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        suffixes.setdefault(arrival.suffix, []).append(arrival)
    stored: dict[str, object] = {"valid": True, "updated": time.time()}
    written = 0
    for suffix, members in suffixes.items():
        os.mkdir(f"{site}/{suffix}")
        digest = hashlib.md5(usedforsecurity=False)
        for arrival in sorted(members):
            name = arrival.name
            digest.update(name.encode("ascii"))
            _write(f"{site}/{suffix}/{arrival.digest}", name, arrival)
            written += 1
            if not written % TURN:
                concurrency.sleep()
        stored[suffix] = digest.hexdigest()
    descriptor = open_file(f"{site}/{HASH_FILE}", _NEW_FILE, 0o600)
    try:
        os.write(descriptor, restricted_pickle.dumps(stored))
    finally:
        os.close(descriptor)


def _write(folder: str, name: str, arrival: Arrival) -> None:
    os.mkdir(folder)
    descriptor = open_file(f"{folder}/{name}", _NEW_FILE, 0o600)
    try:
        fill(descriptor, arrival)
    finally:
        os.close(descriptor)


def _move(site: str, directory: str, arrivals: Sequence[Arrival]) -> list[Fate]:
    """Give the partition its name; where it has come up meanwhile, its objects join it."""
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    try:
        os.rename(site, directory)
    except OSError as problem:
        if problem.errno not in _IS_THERE:
            raise
        return _join(site, directory, arrivals)
    return [Fate.STORED] * len(arrivals)


def _join(site: str, directory: str, arrivals: Sequence[Arrival]) -> list[Fate]:
    """Move object by object; who has a folder there is left to an ordinary PUT, which knows what is newer."""
    try:
        return [_joined(site, directory, arrival) for arrival in arrivals]
    finally:  # Whatever stopped us, the hashes are to tell of those that were moved.
        invalidate_all(directory, {arrival.suffix for arrival in arrivals})


def _joined(site: str, directory: str, arrival: Arrival) -> Fate:
    """Move one object's folder to its suffix; a hasher that comes by may take an empty suffix away once."""
    place = f"{arrival.suffix}/{arrival.digest}"
    for is_last in (False, True):
        os.makedirs(f"{directory}/{arrival.suffix}", exist_ok=True)
        try:
            os.rename(f"{site}/{place}", f"{directory}/{place}")
        except FileNotFoundError:
            if is_last:
                raise
        except OSError as problem:
            if problem.errno not in _IS_THERE:
                raise
            return Fate.LEFT
        else:
            break
    return Fate.STORED


def _let_go(claim: int, site: str) -> None:
    """Unlock the folder, and remove it unless it became the partition."""
    if _is_at(claim, site):
        shutil.rmtree(site, ignore_errors=True)
    os.close(claim)
