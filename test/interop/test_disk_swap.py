"""A disk written by one kind of program is read by the other, and what one kind lost, the other restores."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from clusters import AllInOne
from counting import count_copies
from stock import StockPrograms
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
NODES = ("node1", "node2", "node3", "node4")
OBJECTS = 40


def fill(client: Client, container: str, prefix: str) -> dict[str, bytes]:
    """Objects of many sizes, some of them overwritten, changed or deleted."""
    rng = random.Random(prefix)
    contents = {}
    for number in range(OBJECTS):
        name = f"{prefix}/ö {number}"
        content = rng.randbytes(rng.choice([0, 1, 1000, 70_000, 700_000]))
        client.put(container, name, body=b"an older version")
        assert client.put(container, name, body=content, headers={"X-Object-Meta-By": prefix}).status == 201
        if number % 5 == 1:
            assert (
                client.post(
                    container, name, headers={"X-Object-Meta-By": prefix, "X-Object-Meta-Late": "1"}
                ).status
                == 202
            )
        if number % 5 == 2:
            assert client.delete(container, name).status == 204
        else:
            contents[name] = content
    return contents


def check(client: Client, container: str, contents: Mapping[str, bytes]) -> None:
    """Everything is there as it was written, and nothing else is listed."""
    assert client.names_in(container) == sorted(contents, key=str.encode)
    for name, content in contents.items():
        reply = client.get(container, name, headers={"X-Newest": "true"})
        assert (reply.status, reply.body) == (200, content), name
        assert reply.headers["x-object-meta-by"] == name.partition("/")[0]
        assert ("x-object-meta-late" in reply.headers) == (int(name.split()[-1]) % 5 == 1)
    assert int(client.head(container).headers["x-container-object-count"]) == len(contents)


def test_disks_change_hands(cluster: AllInOne, stock: StockPrograms) -> None:
    """Ours write, stock's read and write, ours read both."""
    client = cluster.store.client()
    with client.container() as container:
        contents = fill(client, container, "ours")
        for node in NODES:
            stock.replace_node(node)
        check(client, container, contents)
        contents |= fill(client, container, "stock")
        check(client, container, contents)
        for node in NODES:
            stock.give_back_node(node)
        check(client, container, contents)


def test_our_replicators_restore_the_objects_of_a_stock_node(cluster: AllInOne, stock: StockPrograms) -> None:
    """The disk of a stock node is swapped for an empty one; our object replicators fill it again."""
    client = cluster.store.client()
    with client.container() as container:
        contents = fill(client, container, "ours")
        for node in NODES[2:]:
            stock.replace_node(node)
        contents |= fill(client, container, "mixed")
        cluster.wipe("node4/d4")
        for _ in range(2):
            cluster.once("object-replicator")
        count = count_copies(cluster)
        assert (count.objects, count.below, count.stale_handoffs) == (len(contents), 0, 0)
        cluster.kill("node1")
        for name, content in contents.items():
            assert client.get(container, name).body == content
        cluster.start("node1")
