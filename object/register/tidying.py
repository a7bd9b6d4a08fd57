"""What of a device's registers may be forgotten.

    DEVICE/registers*/ ──tidy()──▶ bodies that were given up are gone, and registers as old as tombstones

A body waits for its decision for seconds, or for who finishes what a dead proxy began: after two days
nobody asks for it. A register that was silent for the reclaim age has no ballot under way, and what
was chosen in it has long been replicated.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ...common.errors import Refused
from ...common.register import decode_record
from ..files.locks import locked
from . import partitions
from .memory import FOLDER, RECORD, STAGED


def tidy(device_path: str, *, now: float, staged_seconds_max: float, reclaim_seconds: float) -> int:
    """Remove what may go from all registers of a device; return how many files that were."""
    removed = 0
    for top in sorted(name for name in os.listdir(device_path) if name.partition("-")[0] == FOLDER):
        for suffix in _folders(f"{device_path}/{top}"):
            if suffix.endswith(f"/{partitions.FOLDER}"):
                removed += partitions.tidy(suffix, now - reclaim_seconds)
                continue
            for register in _folders(suffix):
                with locked(suffix):
                    removed += _tidy_one(register, now - staged_seconds_max, now - reclaim_seconds)
    return removed


def _folders(path: str) -> Iterator[str]:
    for name in sorted(os.listdir(path)):
        if os.path.isdir(f"{path}/{name}"):
            yield f"{path}/{name}"


def _tidy_one(register: str, staged_before: float, silent_before: float) -> int:
    """Remove what may go of one register, and its folder if nothing is left."""
    gone = [
        path
        for path, moment in _files(register)
        if moment < silent_before
        or (moment < staged_before and path.endswith(STAGED) and not _is_accepted(register, path))
    ]
    for path in gone:
        os.unlink(path)
    with suppress(OSError):
        os.rmdir(register)  # Not empty, nearly always.
    return len(gone)


def _files(register: str) -> list[tuple[str, float]]:
    return [(entry.path, entry.stat().st_mtime) for entry in os.scandir(register)]


def _is_accepted(register: str, path: str) -> bool:
    """Tell whether this body may yet be chosen."""
    try:
        with open(f"{register}/{RECORD}", "rb") as file:
            accepted = decode_record(file.read()).accepted
    except FileNotFoundError:
        return False
    except Refused:
        return True
    return accepted is not None and os.path.basename(path) == f"{accepted.change}{STAGED}"
