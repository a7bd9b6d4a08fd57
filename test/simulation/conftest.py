"""How many lives of the simulated cluster a run lives.

`pytest test/simulation --seeds 1000 --first-seed 0`, or APUS_SIMULATION_SEEDS where options cannot be given.
"""

from __future__ import annotations

import os

import pytest

SEEDS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, help=f"seeds of the simulation (default {SEEDS})")
    parser.addoption("--first-seed", type=int, default=0, help="the first of them, to repeat a failure")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        # The options are known only when this folder was named on the command line.
        first = metafunc.config.getoption("--first-seed", 0)
        seeds = metafunc.config.getoption("--seeds", None) or int(
            os.environ.get("APUS_SIMULATION_SEEDS", SEEDS)
        )
        metafunc.parametrize("seed", range(first, first + seeds))
