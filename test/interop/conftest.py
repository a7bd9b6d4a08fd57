"""Clusters in which stock OpenStack Swift's programs take the place of some of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import AllInOne, all_in_one
from side_by_side import Fronts, Pair, side_by_side
from stock import StockPrograms, stock_programs, stock_venv
from turns import BELOW_BOTH_PROXIES


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster of ours, to be mixed."""
    stock_venv()
    with all_in_one(tmp_path_factory.mktemp("mixed")) as ours:
        yield ours


@pytest.fixture
def stock(cluster: AllInOne) -> Iterator[StockPrograms]:
    """Stock's programs for it; afterwards everything is ours again."""
    with stock_programs(cluster) as programs:
        yield programs
    cluster.run("up")


@pytest.fixture(scope="session", params=BELOW_BOTH_PROXIES)
def fronts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    """Both proxies side by side, over storage servers of ours, then over stock's."""
    stock_venv()
    with all_in_one(tmp_path_factory.mktemp("fronts")) as ours, stock_programs(ours) as programs:
        if request.param == "over_stock":
            for number in range(1, ours.nodes + 1):
                programs.replace_node(f"node{number}")
        with side_by_side(ours, programs) as all_fronts:
            yield all_fronts


@pytest.fixture(params=["open", "encrypted"])
def pair(request: pytest.FixtureRequest, fronts: Fronts) -> Pair:
    """Both proxies over the same servers; what they store lies there in the open, then encrypted."""
    return fronts.plain if request.param == "open" else fronts.encrypting
