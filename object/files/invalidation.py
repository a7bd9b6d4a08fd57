"""Noting that something under a suffix changed, so that its hash is computed again.

    PUT, POST, DELETE, quarantine ──invalidate()──▶ one line in PARTITION/hashes.invalid

Cheap, because each write pays for it; `hashes` folds the lines into hashes.pkl when a replicator asks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from posix import open as open_file  # The hub library replaces these by ones that cost twice as much.
from posix import write as write_file

from .locks import locked

INVALID_FILE = "hashes.invalid"
_HOW = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def invalidate(suffix_directory: str) -> None:
    """Note that something under this suffix changed; silent when the partition is gone."""
    partition_directory, _, suffix = suffix_directory.rpartition("/")
    _note(partition_directory, f"{suffix}\n".encode("ascii"))


def invalidate_all(partition_directory: str, suffixes: Iterable[str]) -> None:
    """Note that something under each of these suffixes changed; silent when the partition is gone."""
    _note(partition_directory, "".join(f"{suffix}\n" for suffix in suffixes).encode("ascii"))


def _note(partition_directory: str, lines: bytes) -> None:
    try:
        with locked(partition_directory):
            descriptor = open_file(f"{partition_directory}/{INVALID_FILE}", _HOW, 0o644)
            try:
                write_file(descriptor, lines)
            finally:
                os.close(descriptor)
    except FileNotFoundError:
        return
