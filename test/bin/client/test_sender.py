"""Files that change on their way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apus.bin.client.sender import _refuse_changed
from apus.common.errors import Corrupt


def test_a_file_that_changed_is_not_sent_as_one(tmp_path: Path) -> None:
    """Written to, or replaced by another of the same size and time."""
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    facts = path.stat()
    _refuse_changed(path, facts)
    (tmp_path / "other").write_bytes(b"xyz")
    os.utime(tmp_path / "other", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (tmp_path / "other").replace(path)
    with pytest.raises(Corrupt):
        _refuse_changed(path, facts)
    facts = path.stat()
    os.utime(path, ns=(1, 1))
    with pytest.raises(Corrupt):
        _refuse_changed(path, facts)
