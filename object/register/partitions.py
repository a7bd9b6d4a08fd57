"""Since when a device has been asked of a partition's registers: a newcomer does not know what was decided.

    DEVICE/registers[-POLICY]/partitions/PARTITION   two moments: since when, and when last
    since(folder, partition, moment) ──▶ Timestamp

A replaced disk has forgotten what it promised, and one to which the ring has moved a partition was never
asked; either begins anew. So does who has not been asked for as long as a newcomer has no vote: the ring may
have moved the partition away and back. Moments are those of requests, the same for all who are asked.
"""

from __future__ import annotations

import os

from ...common.register import NEWCOMER_TICKS
from ...common.timestamp import TICKS_PER_SECOND, Timestamp

FOLDER = "partitions"
_NOTED_EVERY_TICKS = NEWCOMER_TICKS // 24
assert _NOTED_EVERY_TICKS > TICKS_PER_SECOND


def since(folder: str, partition: str, moment: Timestamp) -> Timestamp:
    """Return since when this device has been asked without a long pause; it is asked now."""
    path = f"{folder}/{partition}"
    known = _read(path)
    if known is None or moment.ticks - known[1].ticks > NEWCOMER_TICKS:
        _write(path, moment, moment)
        return moment
    begin, last = known
    if moment.ticks - last.ticks > _NOTED_EVERY_TICKS:
        _write(path, begin, moment)
    return begin


def tidy(folder: str, silent_before: float) -> int:
    """Remove the notes of partitions of which nobody has asked since; return how many that were."""
    silent = [entry.path for entry in os.scandir(folder) if entry.stat().st_mtime < silent_before]
    for path in silent:
        os.unlink(path)
    return len(silent)


def _read(path: str) -> tuple[Timestamp, Timestamp] | None:
    """Return what is noted; None where nothing is, or a crash has left half of it."""
    try:
        with open(path, encoding="ascii") as file:
            begin, last = file.read().split()
            return Timestamp.parse(begin), Timestamp.parse(last)
    except (FileNotFoundError, ValueError):
        return None


def _write(path: str, begin: Timestamp, last: Timestamp) -> None:
    """Note it. Who loses it in a crash is a newcomer once more, so nobody waits for the disk."""
    draft = f"{path}.{os.getpid()}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(draft, "w", encoding="ascii") as file:
        file.write(f"{begin.internal} {last.internal}")
    os.rename(draft, path)
