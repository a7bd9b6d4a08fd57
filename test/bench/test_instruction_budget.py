"""What an operation costs each server in instructions stays within the recorded budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_an_operation_stays_within_its_budget() -> None:
    """Each kind of request executes no more instructions than bench/budget.json grants, slack for noise included."""
    command = [sys.executable, "-m", "bench.instructions", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
