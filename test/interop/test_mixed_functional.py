"""The same functional tests pass whichever programs are ours and whichever are stock OpenStack Swift's."""

from __future__ import annotations

import pytest
from clusters import AllInOne
from mixed import FULL, functional_tests
from stock import StockPrograms

pytestmark = [pytest.mark.interop, pytest.mark.slow]
NODES = ("node1", "node2", "node3", "node4")


def test_stock_proxy_over_our_servers(cluster: AllInOne, stock: StockPrograms) -> None:
    """Our storage servers answer stock's proxy as stock's would."""
    stock.replace_proxy()
    functional_tests(cluster, "stock/apus")


def test_our_proxy_over_stock_servers(cluster: AllInOne, stock: StockPrograms) -> None:
    """Our proxy asks stock's storage servers as stock's would."""
    for node in NODES:
        stock.replace_node(node)
    functional_tests(cluster, "apus/stock")


@pytest.mark.parametrize("proxy", ["apus", "stock"] if FULL else ["apus"])
def test_two_nodes_of_each(cluster: AllInOne, stock: StockPrograms, proxy: str) -> None:
    """Either proxy over two nodes of ours and two of stock's in one ring."""
    for node in NODES[2:]:
        stock.replace_node(node)
    if proxy == "stock":
        stock.replace_proxy()
    functional_tests(cluster, f"{proxy}/both")
