"""Container updates that could not be delivered, kept on the object's device until the updater can.

    update ──save()──▶ DEVICE/async_pending[-N]/SUF/HASH-TIMESTAMP    a pickle, as stock Swift's updater reads
                                            ──pending()──▶ the newest per object; older ones are removed

The file is durable, name and all, before the PUT it belongs to is answered. One that cannot be read is
moved to quarantine: it must not stop the others.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..common import restricted_pickle
from ..common.durability import committer_for
from ..common.errors import Corrupt
from ..common.timestamp import Timestamp
from .files.quarantine import quarantine_file
from .files.writer import make_directory

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f]{32})-([0-9]+\.[0-9]+(?:_[0-9a-f]+)?)")
_FOLDER = re.compile(r"async_pending(?:-(\d+))?")


class _Headers(dict[str, str]):
    """What stands for stock Swift's header dictionary when one of its updates is read."""

    def __init__(self, *_: object) -> None:
        super().__init__()


def _reconstructed(_kind: object, _base: object, state: Mapping[str, str] | None) -> dict[str, str]:
    return dict(state or {})


_STOCK_HEADERS: dict[tuple[str, str], Any] = {
    ("swift.common.header_key_dict", "HeaderKeyDict"): _Headers,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
    ("builtins", "dict"): dict,
    ("__builtin__", "dict"): dict,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the updates of one policy wait on one device."""

    folder: str
    tmp_folder: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An update that waits."""

    path: str
    policy_index: int
    timestamp: Timestamp
    update: dict[str, Any]


def save(place: Place, path_hash: str, moment: Timestamp, update: Mapping[str, Any]) -> None:
    """Keep an update, durably; a newer one of the same object outlives it."""
    folder = f"{place.folder}/{path_hash[-3:]}"
    write(f"{folder}/{path_hash}-{moment.internal}", place.tmp_folder, update)


def write(path: str, tmp_folder: str, update: Mapping[str, Any]) -> None:
    """Write, or replace, the file of an update."""
    folder = os.path.dirname(path)
    make_directory(folder)
    make_directory(tmp_folder)
    committer = committer_for(folder)
    descriptor, temporary = tempfile.mkstemp(dir=tmp_folder, suffix=".tmp")
    try:
        try:
            os.write(descriptor, restricted_pickle.dumps(dict(update)))
        finally:
            os.close(descriptor)
        committer.sync()
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            make_directory(folder)  # The updater removed it when its last file went.
            os.rename(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    committer.sync()


def pending(device_path: str) -> Iterator[Pending]:
    """Yield the newest update of each object; unreadable ones are quarantined, outdated ones removed."""
    for folder in sorted(os.listdir(device_path)):
        match = _FOLDER.fullmatch(folder)
        if match is None:
            continue
        for prefix in _listed(f"{device_path}/{folder}"):
            yield from _pending_of(device_path, f"{device_path}/{folder}/{prefix}", int(match[1] or 0))


def _pending_of(device_path: str, folder: str, policy_index: int) -> Iterator[Pending]:
    newest = ""
    for name in sorted(_listed(folder), reverse=True):
        match = _NAME.fullmatch(name)
        path = f"{folder}/{name}"
        if match is None:
            log.warning("unexpected file among updates", extra={"path": path})
            continue
        if match[1] == newest:
            remove(path)
            continue
        newest = match[1]
        update = _load(device_path, path)
        if update is not None:
            yield Pending(path, policy_index, Timestamp.parse(match[2]), update)


def _load(device_path: str, path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as handle:
            update = restricted_pickle.loads(handle.read(), allowed=_STOCK_HEADERS)
        if (
            not isinstance(update, dict)
            or not {"op", "account", "container", "obj", "headers"} <= update.keys()
        ):
            raise Corrupt("it lacks what an update has")
    except FileNotFoundError:
        return None
    except (Corrupt, OSError) as problem:
        goal = quarantine_file(path, device_path)
        log.error("update quarantined", extra={"path": path, "now": goal, "problem": str(problem)})
        return None
    return update


def remove(path: str) -> None:
    """Remove an update that is done or outdated."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def remove_folder_if_empty(path: str) -> None:
    """Remove the folder an update was in, unless others wait there."""
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
