"""Devices of their own: small ext4 file systems on loop images, mounted where a node's device belongs.

    small_disk(path, size) ──▶ SmallDisk, mounted until the block ends
        .pull_plug() ──▶ what was not yet durable is gone      .replug() ──▶ mounted again, journal replayed

Tests that ask for one are skipped without the right to mount.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_LOG_FLUSH = 2


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """One mounted image."""

    mount_point: Path
    image: Path

    def pull_plug(self) -> None:
        """Stop the file system as a power cut would: nothing more is written, not even its journal."""
        folder = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_LOG_FLUSH))
        finally:
            os.close(folder)

    def replug(self) -> None:
        """Mount it again; whoever held files open must be gone."""
        _must(["umount", str(self.mount_point)])
        _must(["mount", "-o", "loop", str(self.image), str(self.mount_point)])


@contextmanager
def small_disk(mount_point: Path, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount an empty file system of that size; unmount it afterwards."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount_point.mkdir(parents=True, exist_ok=True)
    disk = SmallDisk(mount_point, mount_point.with_name(f"{mount_point.name}.image"))
    with disk.image.open("wb") as handle:
        handle.truncate(size_bytes)
    _must(["mkfs.ext4", "-q", "-m", "0", "-I", "512", str(disk.image)])
    _must(["mount", "-o", "loop", str(disk.image), str(mount_point)])
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=False, capture_output=True)
        disk.image.unlink()


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system here: {' '.join(command)}: {done.stderr.strip()}")
