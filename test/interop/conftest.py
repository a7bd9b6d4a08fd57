"""Clusters in which stock OpenStack Swift's programs take the place of some of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import AllInOne, all_in_one
from stock import StockPrograms, stock_programs, stock_venv


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
