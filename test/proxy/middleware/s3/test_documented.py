"""The manual has what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from apus.proxy.middleware.s3.operations import OPERATIONS

MANUAL = Path(__file__).resolve().parents[4] / "doc" / "s3.md"
_row = re.compile(r"^\| (service|bucket|object) `(\w+)(?: \?([\w-]+))?` \|", re.MULTILINE)


def test_each_operation_has_its_row() -> None:
    """Level, method and subresource."""
    rows = _row.findall(MANUAL.read_text())
    assert len(rows) == len(set(rows))
    assert set(rows) == set(OPERATIONS)
