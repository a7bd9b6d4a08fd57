"""The tiny guest's disk, built of Debian's packages where that can be done."""

from __future__ import annotations

from pathlib import Path

import pytest

from apus.bin.guest.image import build
from apus.common.errors import ApusError


def guest_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the disk in a folder of its own; skip the test where it cannot be built."""
    path = tmp_path_factory.mktemp("guest") / "guest.img"
    try:
        build(path)
    except ApusError as problem:
        pytest.skip(f"the guest cannot be built here: {problem}")
    return path
