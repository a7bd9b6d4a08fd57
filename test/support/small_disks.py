"""Devices that fill up: small ext4 file systems on loop images, mounted where a node's device belongs.

small_disk(path, size) ──▶ mounted, until the block ends     (skips the test without the right to mount)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(mount_point: Path, size_bytes: int) -> Iterator[Path]:
    """Mount an empty file system of that size; unmount it afterwards."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount_point.mkdir(parents=True, exist_ok=True)
    image = mount_point.with_name(f"{mount_point.name}.image")
    with image.open("wb") as handle:
        handle.truncate(size_bytes)
    _must(["mkfs.ext4", "-q", "-m", "0", "-I", "512", str(image)])
    _must(["mount", "-o", "loop", str(image), str(mount_point)])
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=False, capture_output=True)
        image.unlink()


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system here: {' '.join(command)}: {done.stderr.strip()}")
