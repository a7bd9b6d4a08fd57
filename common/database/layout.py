"""Where databases lie on the devices of a node, and a walk through all of them.

    devices/DEVICE/accounts|containers/PARTITION/SUFFIX/HASH/HASH.db ──▶ databases() ──▶ Location, one by one

Partitions come in random order, so that a pass that is cut short has not always seen the same ones. Empty
folders are removed on the way.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from .. import concurrency

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Location:
    """One database file and where it was found."""

    device: str
    partition: int
    path: str


def usable_devices(root: str, *, mount_check: bool) -> list[str]:
    """Return the names of the devices that are there, and mounted where that is asked."""
    try:
        names = sorted(os.listdir(root))
    except OSError as problem:
        log.error("devices cannot be listed", extra={"path": root, "problem": str(problem)})
        return []
    is_usable = os.path.ismount if mount_check else os.path.isdir
    usable = [name for name in names if is_usable(os.path.join(root, name))]
    skipped = [name for name in names if name not in usable]
    if skipped:
        log.warning("devices not mounted", extra={"devices": ",".join(skipped)})
    return usable


def databases(root: str, device: str, datadir: str) -> Iterator[Location]:
    """Yield the databases of one device."""
    top = os.path.join(root, device, datadir)
    partitions = [name for name in _listed(top) if name.isdigit()]
    random.shuffle(partitions)
    for partition in partitions:
        for path in partition_databases(os.path.join(top, partition)):
            yield Location(device, int(partition), path)


def partition_databases(folder: str) -> Iterator[str]:
    """Yield the paths of the databases in a partition's folder."""
    for suffix in _children(folder):
        for name in _children(os.path.join(folder, suffix)):
            path = os.path.join(folder, suffix, name, f"{name}.db")
            if os.path.exists(path):
                yield path
            else:
                _children(os.path.dirname(path))


def paced(items: Iterable[T], per_second: float) -> Iterator[T]:
    """Yield the items no faster than so many a second; 0 for as fast as may be."""
    due = time.monotonic()
    for item in items:
        yield item
        if per_second > 0:
            due = max(due + 1 / per_second, time.monotonic() - 1)
            concurrency.sleep(max(0.0, due - time.monotonic()))


def _children(folder: str) -> list[str]:
    """List a folder; an empty one is removed unless somebody is about to fill it."""
    names = _listed(folder)
    if not names:
        try:
            os.rmdir(folder)
        except OSError:
            pass
    return names


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
