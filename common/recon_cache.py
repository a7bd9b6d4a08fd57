"""Where daemons leave figures about their last pass for the server on the same node to show.

    auditor, replicator, updater … ──leave(directory, "object", {...})──▶ object.recon ──look()──▶ /recon/…

One JSON object a server type, as in OpenStack Swift, whose daemons may write into the same files. Several
daemons write to one file, so each writing takes a lock and replaces the file whole.
It does not know what the figures mean.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

DEFAULT_DIRECTORY = "/var/cache/swift"


def file_of(directory: str | Path, kind: str) -> Path:
    """Return the file of a server type (account, container, object) or of `drive`."""
    return Path(directory) / f"{kind}.recon"


def leave(directory: str | Path, kind: str, figures: Mapping[str, Any]) -> None:
    """Put figures into the file beside the ones that are there; a figure of None is taken out.

    A mapping is merged into an earlier mapping of the same name, so that the workers of one daemon
    can each tell of their own devices.

    Raises:
        OSError: when the directory is not there or not writable; a daemon's work does not hang on that.
    """
    path = file_of(directory, kind)
    lock = os.open(path.with_suffix(".recon.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        merged = merge(look(directory, kind), figures)
        fresh = path.with_suffix(f".recon.{os.getpid()}")
        fresh.write_bytes(orjson.dumps(merged, option=orjson.OPT_NON_STR_KEYS))
        fresh.rename(path)
    finally:
        os.close(lock)


def look(directory: str | Path, kind: str) -> dict[str, Any]:
    """Return all figures of a server type; none where nobody has left any, or what is there is spoilt."""
    try:
        figures = orjson.loads(file_of(directory, kind).read_bytes())
    except (OSError, ValueError):
        return {}
    return figures if isinstance(figures, dict) else {}


def chosen(figures: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the figures of these names, None for those that nobody has left."""
    return {name: figures.get(name) for name in names}


def merge(earlier: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the earlier figures with the new ones among them."""
    merged = dict(earlier)
    for name, value in figures.items():
        before = merged.get(name)
        if isinstance(value, Mapping):
            value = merge(before if isinstance(before, Mapping) else {}, value)
        if value is None or value == {}:
            merged.pop(name, None)
        else:
            merged[name] = value
    return merged
