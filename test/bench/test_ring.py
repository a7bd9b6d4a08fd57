"""The laws of the figures of a rebalance."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

from bench.ring import LARGE, OURS, SMALL, TIMED, Size, readings


def test_figures_have_stable_names() -> None:
    """History is searched by them."""
    assert (SMALL.figure, LARGE.figure) == ("rebalance-2^16-1000", "rebalance-2^20-10000")
    told = list(readings(SMALL, "apus", [{"seconds": 1.0}, {"seconds": 2.0}]))
    assert [each.figure for each in told] == ["rebalance-2^16-1000", "rebalance-2^16-1000-grown"]


def test_our_builder_is_timed_over_two_steps() -> None:
    """The first table, and one after a hundredth more devices."""
    size = json.dumps(asdict(Size(8, 100, zones=5)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OURS + TIMED, size], check=True, capture_output=True
    )
    steps = json.loads(done.stdout)
    assert len(steps) == 2
    assert all(step["dispersion"] == 0 and step["memory_mb"] > 0 for step in steps)
