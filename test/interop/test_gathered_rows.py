"""Stock OpenStack Swift takes the place of a container server that took many rows in one request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from clusters import AllInOne
from stock import StockPrograms

from apus.common import gathered_rows
from apus.common.http.client import Pool

pytestmark = [pytest.mark.interop, pytest.mark.slow]
OBJECTS = 60


def put_many(cluster: AllInOne, container: str, prefix: str) -> set[str]:
    client = cluster.store.client()
    names = {f"{prefix}-{number:03}" for number in range(OBJECTS)}

    def put(name: str) -> int:
        return cluster.store.client().put(container, name, body=b"hello").status

    client.put(container)
    with ThreadPoolExecutor(8) as crew:
        assert set(crew.map(put, names)) == {201}
    return names


def test_rows_reach_whoever_serves_the_container(cluster: AllInOne, stock: StockPrograms) -> None:
    """Ours, then stock on the same address, then ours again; stock refuses what it does not know, harmlessly."""
    names = put_many(cluster, "gathered", "ours")
    port = next(
        process["port"]
        for process in cluster.status()["processes"]
        if process["node"] == "node2" and process["role"] == "container-server"
    )
    stock.replace_node("node2")
    answer = Pool().request(("127.0.0.1", port), gathered_rows.METHOD, gathered_rows.PATH, {}, b"[]")
    assert answer.status == 400
    names |= put_many(cluster, "gathered", "stock")
    stock.give_back_node("node2")
    names |= put_many(cluster, "gathered", "again")
    assert set(cluster.store.client().names_in("gathered")) == names
