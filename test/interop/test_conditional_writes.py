"""Conditional writes in the middle of an upgrade: decided by a majority that keeps registers, or refused, never a guess.

Each object has its own primaries, so while a cluster is mixed some objects can be locked already, others not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from clusters import AllInOne
from stock import StockPrograms
from store import KEYS, Client

from apus.common.cluster import ClusterConf
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig
from apus.compute.store.errors import Exists
from apus.ring.table import Ring

pytestmark = [pytest.mark.interop, pytest.mark.slow]
NODES = ("node1", "node2", "node3", "node4")
ABSENT = {"If-None-Match": "*"}
REPLICAS = 3
USER = "test:tester"
RACERS = 6


@pytest.fixture
def container(cluster: AllInOne) -> Iterator[str]:
    """A container of the test's own."""
    with cluster.store.client().container() as name:
        yield name


def etag(body: bytes) -> dict[str, str]:
    return {"If-Match": f'"{hashlib.md5(body).hexdigest()}"'}


def named(cluster: AllInOne, container: str, ours: set[str]) -> Callable[[int], str]:
    """Return what finds a new name of an object of whose primaries so many are in our nodes."""
    prefix = "".join(sorted(ours))
    salt = ClusterConf.load(cluster.home / "etc").salt
    ring = Ring.load(cluster.home / "etc" / "object.ring.gz")
    devices = {each["device"] for each in cluster.status()["devices"] if each["node"] in ours}
    account = cluster.store.client().account

    def name(count: int) -> str:
        for number in range(10_000):
            path_hash = salt.path_hash(account, container, f"{prefix}{number}")
            found = {device.device for device in ring.primaries(ring.partition(path_hash))}
            if len(found & devices) == count:
                return f"{prefix}{number}"
        raise AssertionError(f"no object has {count} primaries in {ours}")

    return name


def require_lock(cluster: AllInOne, container: str, name: str) -> None:
    """Of racing writers exactly one wins; who comes later is refused or goes on from what is there."""
    client = cluster.store.client()
    clients = [cluster.store.client() for _ in range(RACERS)]
    bodies = [f"{number}".encode() for number in range(RACERS)]
    with ThreadPoolExecutor(RACERS) as pool:
        replies = list(
            pool.map(
                lambda at: clients[at].put(container, name, body=bodies[at], headers=ABSENT), range(RACERS)
            )
        )
    statuses = [reply.status for reply in replies]
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 409, 412}
    won = bodies[statuses.index(201)]
    assert client.put(container, name, body=b"swapped", headers=etag(b"other")).status == 412
    assert client.put(container, name, body=b"swapped", headers=etag(won)).status == 201
    assert newest(client, container, name) == b"swapped"


def require_refusal(client: Client, container: str, name: str) -> None:
    """503, and nothing is done; without a condition all is well."""
    refused = client.put(container, name, body=b"x", headers=ABSENT)
    assert (refused.status, refused.headers["x-conditional-writes"]) == (503, "mixed")
    assert client.get(container, name, headers={"X-Newest": "true"}).status == 404
    assert client.put(container, name, body=b"plain").status == 201
    assert client.put(container, name, body=b"x", headers=etag(b"plain")).status == 503
    assert client.delete(container, name, headers=etag(b"plain")).status == 503
    assert newest(client, container, name) == b"plain"


def require_maps(cluster: AllInOne) -> None:
    """Disks are made all the same, whichever servers have their roots; an id stays one map's."""
    config = StoreConfig(
        store_auth_url=f"{cluster.store.endpoint}/auth/v1.0", store_user=USER, store_key=KEYS[USER]
    )
    maps = Project.open(Account(config), "mixed", BlockConfig(block_size=4096)).maps
    for number in range(8):
        data = f"{number}".encode() * 5000
        disk = write_stream(maps, [data], map_id=f"map-{number}")
        write_stream(maps, [data], map_id=f"map-{number}")
        assert b"".join(read_range(maps, disk)) == data
        with pytest.raises(Exists):
            write_stream(maps, [b"other"], map_id=f"map-{number}")


def require_stocks(client: Client, container: str, name: str) -> None:
    """As stock's own: If-None-Match is asked of each device, and what stock would ignore is refused."""
    assert client.put(container, name, body=b"1", headers=ABSENT).status == 201
    assert client.put(container, name, body=b"2", headers=ABSENT).status == 412
    assert client.put(container, name, body=b"3", headers=etag(b"1")).status == 501
    assert client.delete(container, name, headers=etag(b"1")).status == 501
    assert newest(client, container, name) == b"1"


def newest(client: Client, container: str, name: str) -> bytes:
    reply = client.get(container, name, headers={"X-Newest": "true"})
    assert reply.status == 200, reply
    return reply.body


def test_object_servers_are_upgraded_one_by_one(
    cluster: AllInOne, stock: StockPrograms, container: str
) -> None:
    """None of an object's primaries keeps registers: stock's semantics. One: 503. Two or three: a lock."""
    for node in NODES[1:]:
        stock.replace_node(node)
    client = cluster.store.client()
    name = named(cluster, container, {"node1"})
    require_stocks(client, container, name(0))
    undecided = name(1)
    require_refusal(client, container, undecided)
    require_maps(cluster)

    stock.give_back_node("node2")
    require_lock(cluster, container, named(cluster, container, {"node1", "node2"})(2))

    stock.give_back_node("node3")
    stock.give_back_node("node4")
    require_lock(cluster, container, named(cluster, container, set(NODES))(REPLICAS))
    assert client.put(container, undecided, body=b"now", headers=etag(b"plain")).status == 201


def test_stock_servers_take_part_in_what_was_decided(
    cluster: AllInOne, stock: StockPrograms, container: str
) -> None:
    """What two of ours have chosen their replicators bring to the third primary, as anything else."""
    stock.replace_node("node4")
    client = cluster.store.client()
    name = named(cluster, container, set(NODES[:3]))(2)
    assert client.put(container, name, body=b"chosen", headers=ABSENT).status == 201
    cluster.once("object-replicator")
    for node in NODES[1:3]:
        stock.replace_node(node)
    found = [client.get(container, name).body for _ in range(8)]
    assert found == [b"chosen"] * 8
