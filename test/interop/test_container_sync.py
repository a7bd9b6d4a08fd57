"""Container sync between Apus and stock OpenStack Swift, either way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import AllInOne
from stock import StockPrograms
from store import Client

pytestmark = pytest.mark.interop
REALM, CLUSTER, KEY = "REALM", "ONE", "user-key"
INTERNAL_CLIENT = """
[DEFAULT]
swift_dir = {etc}
[pipeline:main]
pipeline = catch_errors proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
"""


@pytest.fixture
def pair(cluster: AllInOne) -> Iterator[tuple[Client, str, Client, str]]:
    """A container that is synchronised to another account's, through the front of the cluster."""
    path = cluster.home / "etc" / "container-sync-realms.conf"
    path.write_text(f"[{REALM}]\nkey = realm-key\ncluster_{CLUSTER} = {cluster.store.endpoint}/v1/\n")
    here, there = cluster.store.client(), cluster.store.client("test2:tester2", account_of="test2:tester2")
    with there.container({"X-Container-Sync-Key": KEY}) as target:
        goal = f"//{REALM}/{CLUSTER}/{there.account}/{target}"
        with here.container({"X-Container-Sync-Key": KEY, "X-Container-Sync-To": goal}) as origin:
            for name in ("plain", "sub/ü p%41"):
                headers = {"X-Object-Meta-Colour": "blue"}
                assert here.put(origin, name, body=name.encode() * 9, headers=headers).status == 201
            yield here, origin, there, target


def check(here: Client, origin: str, there: Client, target: str) -> None:
    """Both containers hold the same, with the same times."""
    assert there.names_in(target) == here.names_in(origin) == ["plain", "sub/ü p%41"]
    for name in here.names_in(origin):
        ours, theirs = here.get(origin, name), there.get(target, name)
        assert theirs.body == ours.body
        for field in ("etag", "x-timestamp", "x-object-meta-colour"):
            assert theirs.headers[field] == ours.headers[field]


def test_stocks_proxy_lets_our_daemon_in(
    cluster: AllInOne, pair: tuple[Client, str, Client, str], stock: StockPrograms
) -> None:
    """Signatures, times and deletions are understood over there."""
    here, origin, there, target = pair
    stock.replace_proxy()
    here, there = (
        cluster.store.client(),
        cluster.store.client("test2:tester2", account_of="test2:tester2"),
    )
    for _ in range(2):
        cluster.once("container-sync")
    check(here, origin, there, target)
    assert here.delete(origin, "plain").status == 204
    for _ in range(2):
        cluster.once("container-sync")
    assert there.get(target, "plain").status == 404


def test_our_proxy_lets_stocks_daemon_in(
    cluster: AllInOne, pair: tuple[Client, str, Client, str], stock: StockPrograms
) -> None:
    """It finds our synchronised containers, and what it sends is written with its own times."""
    etc = cluster.home / "etc"
    (etc / "internal-client.conf").write_text(INTERNAL_CLIENT.format(etc=etc))
    for _ in range(2):
        for number in range(1, cluster.nodes + 1):
            stock.run_once(f"node{number}", "swift-container-sync", "container")
    check(*pair)
