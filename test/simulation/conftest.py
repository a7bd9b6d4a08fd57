"""How many lives of the simulated cluster a run lives: `pytest test/simulation --seeds 1000`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=20, help="seeds per simulated law")
    parser.addoption("--first-seed", type=int, default=0, help="the first of them, to repeat a failure")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("--first-seed")
        metafunc.parametrize("seed", range(first, first + metafunc.config.getoption("--seeds")))
