"""What replicas compare: a hash per suffix of a partition, kept up to date as objects change.

    PUT, POST, DELETE ──invalidate()──▶ hashes.invalid      (append only, cheap)
    replicator ──suffix_hashes()──▶ what hashes.invalid notes is computed again and put into hashes.pkl

File names, formats, locks and the hash itself are stock Swift's, so either kind of process may keep the
partition of the other, and their REPLICATE answers compare equal. Hashing also tidies: left-over files are
removed, and tombstones once they are older than the reclaim age.

It does not know the ring or the network.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from ...common import restricted_pickle
from ...common.durability import write_beside
from ...common.errors import Corrupt
from . import names, removal, remover
from .invalidation import INVALID_FILE
from .invalidation import invalidate as invalidate
from .locks import locked
from .names import Selection
from .quarantine import quarantine

log = logging.getLogger(__name__)

HASH_FILE = "hashes.pkl"
UNREADABLE = (errno.ENODATA, errno.EUCLEAN, errno.EIO)
_DIGITS = frozenset("0123456789abcdef")
_MARKS = ("valid", "updated")
_RACES_MAX = 50
Stored = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaim:
    """When tombstones may be forgotten: `now` comes from the caller's clock."""

    age_seconds: float
    now: float

    def is_due(self, file: names.FileName) -> bool:
        """Whether a tombstone, or a .meta without data, is old enough to go."""
        return self.now - float(file.timestamp) > self.age_seconds


def is_suffix(name: object) -> bool:
    """Whether this is three lower-case hex digits."""
    return isinstance(name, str) and len(name) == 3 and _DIGITS.issuperset(name)


def suffix_hashes(
    device_path: str,
    policy_index: int,
    partition: int | str,
    *,
    recalculate: Collection[str] = (),
    reclaim_age_seconds: float,
    now: float,
) -> dict[str, str]:
    """Return {suffix: hash} of a partition, computing what changed since the last time, and `recalculate`.

    Call it in a native thread where the hub must not wait for a disk.
    """
    datadir = f"objects-{policy_index}" if policy_index else "objects"
    directory = f"{device_path}/{datadir}/{partition}"
    if not os.path.isdir(directory):
        return {}
    reclaim = Reclaim(age_seconds=reclaim_age_seconds, now=now)
    for _ in range(_RACES_MAX):
        stored = _brought_up_to_date(directory, recalculate, reclaim)
        if stored is not None:
            return {suffix: str(value) for suffix, value in stored.items() if suffix not in _MARKS and value}
    log.warning("partition changes faster than it can be hashed", extra={"path": directory})
    return {}


def _brought_up_to_date(directory: str, recalculate: Collection[str], reclaim: Reclaim) -> Stored | None:
    """Return the hashes after one attempt, or None when somebody else wrote them meanwhile."""
    with locked(directory):
        before, noted = read(directory), _noted(directory)
    after: Stored = {**before, **dict.fromkeys(filter(is_suffix, map(str.strip, noted.split("\n"))))}
    modified = bool(noted)
    if not before["valid"]:
        after = {"valid": True}
        after.update((name, None) for name in os.listdir(directory) if is_suffix(name))
        modified = True
    after.update((suffix, None) for suffix in recalculate if is_suffix(suffix))
    for suffix in [name for name, value in after.items() if name not in _MARKS and not value]:
        modified = True
        value = _hash_or_keep_stale(f"{directory}/{suffix}", reclaim)
        if value is None:
            del after[suffix]
        else:
            after[suffix] = value or None
    if modified and not _replace(directory, before, after, noted):
        return None
    return after


def _replace(directory: str, before: Stored, after: Stored, noted: str) -> bool:
    """Write the hashes and forget what they take account of; return False when others wrote meanwhile.

    The bytes are durable before they get their name, and nobody waits at the lock for that. The name lasts
    from the journal's next commit, as does the emptying of hashes.invalid, which comes after it and so
    never outlives a crash without it.
    """
    after.setdefault("valid", False)
    after["updated"] = time.time()
    path = f"{directory}/{HASH_FILE}"
    temporary = write_beside(path, restricted_pickle.dumps(after))
    try:
        with locked(directory):
            noted_now = _noted(directory)
            if read(directory) != before or not noted_now.startswith(noted):
                os.unlink(temporary)
                return False
            os.rename(temporary, path)
            if noted and noted_now == noted:  # Else all of it is looked at again the next time.
                os.truncate(f"{directory}/{INVALID_FILE}", 0)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return True


def _hash_or_keep_stale(suffix_directory: str, reclaim: Reclaim) -> str | None:
    """Return the hash, None when there is no such suffix, "" when it cannot be read (to be tried again)."""
    try:
        return hash_suffix(suffix_directory, reclaim)
    except OSError as problem:
        log.error("suffix cannot be hashed", extra={"path": suffix_directory, "problem": str(problem)})
        return ""


def _noted(directory: str) -> str:
    """Return what hashes.invalid holds."""
    try:
        with open(f"{directory}/{INVALID_FILE}", encoding="ascii", errors="replace") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def read(directory: str) -> Stored:
    """Return hashes.pkl as it is; `valid` is False when it must be rebuilt."""
    try:
        with open(f"{directory}/{HASH_FILE}", "rb") as handle:
            stored = restricted_pickle.loads(handle.read())
    except FileNotFoundError:
        stored = None
    except (Corrupt, OSError) as problem:
        log.warning(
            "hashes cannot be read and are rebuilt", extra={"path": directory, "problem": str(problem)}
        )
        stored = None
    if not isinstance(stored, dict) or not all(is_suffix(key) or key in _MARKS for key in stored):
        return {"valid": False, "updated": -1}
    stored.setdefault("valid", True)
    stored.setdefault("updated", -1)
    return stored


def hash_suffix(suffix_directory: str, reclaim: Reclaim) -> str | None:
    """Tidy a suffix and return its hash; None when it is no folder, or was empty and is gone now."""
    digest = hashlib.md5(usedforsecurity=False)
    is_empty = True
    for _, selection, files in walk(suffix_directory, reclaim):
        if files:
            is_empty = False
            digest.update("".join(selection.hashed).encode("ascii"))
    if not is_empty:
        return digest.hexdigest()
    try:
        os.rmdir(suffix_directory)
    except OSError as problem:
        if problem.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        return digest.hexdigest()
    return None


def walk(suffix_directory: str, reclaim: Reclaim) -> Iterator[tuple[str, Selection, list[str]]]:
    """Yield (hash, what it holds, file names left) of each object, tidied; damaged ones are moved away."""
    try:
        folders = sorted(os.listdir(suffix_directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in folders:
        path = f"{suffix_directory}/{name}"
        try:
            selection, files = tidy(path, reclaim)
        except NotADirectoryError:
            quarantine(path, "it is no folder")
            continue
        except OSError as problem:
            if problem.errno not in UNREADABLE:
                raise
            quarantine(path, f"it cannot be listed: {problem.strerror}")
            continue
        yield name, selection, files


def tidy(hash_directory: str, reclaim: Reclaim | None) -> tuple[Selection, list[str]]:
    """Remove what is obsolete from an object's folder; return what it holds and the names left.

    An empty folder is removed. Without `reclaim` tombstones stay, whatever their age.
    """
    try:
        files = os.listdir(hash_directory)
    except FileNotFoundError:
        return names.NOTHING, []
    selection = names.select(files)
    doomed = list(selection.obsolete)
    if reclaim is not None:
        doomed += [file for file in selection.stray_metas if reclaim.is_due(file)]
        if selection.tombstone is not None and reclaim.is_due(selection.tombstone):
            doomed.append(selection.tombstone)
            selection = names.Selection(unexpected=selection.unexpected)
    for file in doomed:
        remover.remove(f"{hash_directory}/{file.name}")
        files.remove(file.name)
    if not files:
        try:
            os.rmdir(hash_directory)
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
    return selection, files


def remove_replaced(hash_directory: str, newest: names.FileName) -> None:
    """Remove what became obsolete when this file got its name, now or soon."""
    for name in names.replaced(os.listdir(hash_directory), newest):
        removal.remove(f"{hash_directory}/{name}")


def hash_dirs(suffix_path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (hash, file names) of a suffix's objects, as they lie there."""
    try:
        folders = sorted(os.listdir(suffix_path))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in folders:
        try:
            yield name, sorted(os.listdir(f"{suffix_path}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            continue


def inventory(
    device_path: str, policy_index: int, partition: int | str, suffixes: Collection[str]
) -> dict[str, dict[str, dict[str, str]]]:
    """Return {suffix: {hash: {"data": …, "meta": …, "ctype": …} or {"ts": …}}} of a partition."""
    datadir = f"objects-{policy_index}" if policy_index else "objects"
    directory = f"{device_path}/{datadir}/{partition}"
    return {
        suffix: {
            name: described
            for name, files in hash_dirs(f"{directory}/{suffix}")
            if (described := describe(names.select(files)))
        }
        for suffix in suffixes
        if is_suffix(suffix)
    }


def describe(selection: Selection) -> dict[str, str]:
    """Return the moments that make an object's state; empty when there is none."""
    if selection.tombstone is not None:
        return {"ts": selection.tombstone.timestamp.internal}
    if selection.data is None:
        return {}
    described = {"data": selection.data.timestamp.internal}
    if selection.meta is not None:
        described["meta"] = selection.meta.timestamp.internal
    if selection.content_type is not None:
        assert selection.content_type.content_type is not None
        described["ctype"] = selection.content_type.content_type.internal
    return described
