"""Laws of container requests and of listings read from a quorum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, StorageNode, doubled_cluster

from apus.common.cluster import ClusterConf
from apus.common.http.answer import Answer
from apus.proxy.app import Proxy
from apus.ring.table import Ring

NAME = "AUTH_t/c"
URL = f"/v1/{NAME}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        yield cluster


def homes(cluster: DoubledCluster) -> list[StorageNode]:
    """Return the container's primaries."""
    conf = ClusterConf.load(cluster.directory)
    ring = Ring.load(cluster.directory / "container.ring.gz")
    by_port = {node.port: node for node in cluster.nodes}
    partition = ring.partition(conf.salt.path_hash("AUTH_t", "c"))
    return [by_port[device.port] for device in ring.primaries(partition)]


def row(name: str, at: int, *, deleted: bool = False) -> dict[str, Any]:
    return {"name": name, "hash": str(at), "timestamp": f"{at:010d}.00000", "deleted": int(deleted)}


def names(reply_body: bytes) -> list[str]:
    return [entry["name"] for entry in json.loads(reply_body)]


def test_a_container_is_made_with_its_account(cluster: DoubledCluster) -> None:
    """The first container creates the account; all replicas have both, and tell the account."""
    reply = ask(cluster.proxy, "PUT", URL)
    assert reply.status == 201
    assert ask(cluster.proxy, "PUT", URL).status == 202
    assert sum("AUTH_t" in node.databases for node in cluster.nodes) == 3
    assert all(NAME in node.databases for node in homes(cluster))
    puts = [
        headers for node in homes(cluster) for verb, path, headers in node.requests if path.endswith(NAME)
    ]
    assert len({head["X-Account-Device"] for head in puts if "X-Account-Device" in head}) == 3
    assert all(head["X-Backend-Storage-Policy-Default"] == "0" for head in puts if "X-Account-Host" in head)


def test_without_autocreate_a_missing_account_is_404(cluster: DoubledCluster) -> None:
    """Nothing is made in an account that does not exist."""
    proxy = cluster.again(account_autocreate=False)
    for method in ("PUT", "POST", "DELETE", "GET", "HEAD"):
        assert ask(proxy, method, URL).status == 404


def test_metadata_is_passed_on_and_removed(cluster: DoubledCluster) -> None:
    """X-Container-Meta-* is set, X-Remove-Container-Meta-* becomes an empty value."""
    ask(cluster.proxy, "PUT", URL, headers={"X-Container-Meta-Color": "red"})
    assert ask(cluster.proxy, "HEAD", URL).headers["x-container-meta-color"] == "red"
    ask(cluster.proxy, "POST", URL, headers={"X-Remove-Container-Meta-Color": "x"})
    assert ask(cluster.proxy, "HEAD", URL).headers["x-container-meta-color"] == ""


def test_owner_headers_are_for_owners(cluster: DoubledCluster) -> None:
    """A stranger can neither set nor see an ACL; an owner can do both."""
    acl = {"X-Container-Read": ".r:*"}
    ask(cluster.proxy, "PUT", URL, headers=acl)
    owner = {"apus.owner": True}
    assert "x-container-read" not in ask(cluster.proxy, "HEAD", URL, environ=owner).headers
    ask(cluster.proxy, "POST", URL, headers=acl, environ=owner)
    assert ask(cluster.proxy, "HEAD", URL, environ=owner).headers["x-container-read"] == ".r:*"
    assert "x-container-read" not in ask(cluster.proxy, "HEAD", URL).headers


def test_the_read_acl_is_what_a_listing_is_authorised_by(cluster: DoubledCluster) -> None:
    """The auth filter is asked once, with the ACL that the container has."""
    ask(cluster.proxy, "PUT", URL, headers={"X-Container-Read": ".r:*"}, environ={"apus.owner": True})
    seen: list[str | None] = []

    def judge(environ: dict[str, Any]) -> Answer | None:
        seen.append(environ["apus.acl"])
        return Answer.text(403, "no")

    assert ask(cluster.proxy, "GET", URL, environ={"apus.authorize": judge}).status == 403
    assert seen == [".r:*"]


def test_a_swift_auth_filter_is_asked_too(cluster: DoubledCluster) -> None:
    """Other people's filters get a WebOb request with the ACL on it."""
    ask(cluster.proxy, "PUT", URL, headers={"X-Container-Read": ".r:*"}, environ={"apus.owner": True})
    seen: list[Any] = []

    def judge(request: Any) -> Any:
        seen.append((request.acl, request.method))
        return Answer.text(401, "no")

    assert ask(cluster.proxy, "GET", URL, environ={"swift.authorize": judge}).status == 401
    assert seen == [(".r:*", "GET")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Storage-Policy": "nope"}, 400),
        ({"X-Storage-Policy": "GOLD"}, 201),
        ({"X-Container-Meta-A": "v" * 257}, 400),
        ({"X-Container-Meta-A": "\xff"}, 400),
    ],
)
def test_headers_are_judged_first(cluster: DoubledCluster, headers: dict[str, str], status: int) -> None:
    """Unknown policies and bad metadata are refused; policy names have no case."""
    assert ask(cluster.proxy, "PUT", URL, headers=headers).status == status


def test_a_name_too_long_is_400(cluster: DoubledCluster) -> None:
    """257 bytes are one too many."""
    assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/" + "x" * 257).status == 400


# --- listings --------------------------------------------------------------------------------


def fill(cluster: DoubledCluster, *rows: list[dict[str, Any]]) -> list[StorageNode]:
    ask(cluster.proxy, "PUT", URL)
    nodes = homes(cluster)
    for node, known in zip(nodes, rows, strict=True):
        node.rows[NAME] = known
    return nodes


def test_agreeing_replicas_are_served_as_they_are(cluster: DoubledCluster) -> None:
    """Equal row hashes: one GET and one HEAD, nothing more."""
    rows = [row("a", 1), row("b", 2)]
    nodes = fill(cluster, rows, rows, rows)
    before = sum(len(node.requests) for node in nodes)
    ask(cluster.proxy, "HEAD", URL)
    between = sum(len(node.requests) for node in nodes)
    reply = ask(cluster.proxy, "GET", URL)
    assert names(reply.body) == ["a", "b"]
    assert "x-listing-pending" not in reply.headers
    assert sum(len(node.requests) for node in nodes) - between == 2
    assert between > before


def test_a_container_is_made_where_it_is_at_home(cluster: DoubledCluster) -> None:
    """A primary that is being left alone is asked all the same: made elsewhere, it would refuse rows."""
    ask(cluster.proxy, "PUT", "/v1/AUTH_t")
    recovered = homes(cluster)[0]
    recovered.misbehaviour = lambda request, _node: Answer(503) if request.path.endswith(NAME) else None
    for _ in range(cluster.settings.error_suppression_limit + 1):
        assert ask(cluster.proxy, "PUT", URL).status // 100 == 2
    assert sum(NAME in node.databases for node in cluster.nodes) == 3
    recovered.misbehaviour = None
    assert ask(cluster.proxy, "PUT", URL).status == 202
    assert all(NAME in node.databases for node in homes(cluster))


def test_trap_27_a_listing_shows_every_acknowledged_write(cluster: DoubledCluster) -> None:
    """Rows and deletions that any quorum has are seen, whichever replica is asked first."""
    old = [row("a", 1), row("gone", 1)]
    new = [row("a", 1), row("b", 2), row("gone", 3, deleted=True)]
    fill(cluster, old, new, new)
    for _ in range(20):
        reply = ask(cluster.proxy, "GET", URL)
        assert names(reply.body) == ["a", "b"]
        assert "x-listing-pending" not in reply.headers


def test_a_merged_listing_keeps_limit_and_marker(cluster: DoubledCluster) -> None:
    """The client's own paging holds over merged listings."""
    fill(cluster, [row("a", 1), row("c", 1)], [row("b", 1)], [row("b", 1), row("c", 2)])
    for _ in range(10):
        seen = names(ask(cluster.proxy, "GET", URL, query="limit=2").body)
        assert len(seen) <= 2
        assert seen == sorted(seen)
        assert "a" not in names(ask(cluster.proxy, "GET", URL, query="marker=a").body)


def test_a_lonely_replica_says_that_its_listing_may_lag(cluster: DoubledCluster) -> None:
    """With one replica left the listing is served, and X-Listing-Pending says so."""
    nodes = fill(cluster, [row("a", 1)], [row("a", 1)], [row("a", 1)])
    ask(cluster.proxy, "HEAD", "/v1/AUTH_t")
    for node in nodes[1:]:
        node.misbehaviour = lambda _request, _node: Answer(503)
    outsider = next(node for node in cluster.nodes if node not in nodes)
    outsider.misbehaviour = lambda _request, _node: Answer(503)
    reply = ask(cluster.proxy, "GET", URL)
    assert names(reply.body) == ["a"]
    assert reply.headers["x-listing-pending"] == "true"


def test_replicas_that_have_been_asked_already_make_up_a_quorum(cluster: DoubledCluster) -> None:
    """X-Newest asks all for their listings and takes one; the others are there to be asked for their hash."""
    old, new = [row("a", 1)], [row("a", 1), row("b", 2)]
    fill(cluster, old, new, new)
    for _ in range(5):
        reply = ask(cluster.proxy, "GET", URL, headers={"X-Newest": "true"})
        assert names(reply.body) == ["a", "b"]
        assert "x-listing-pending" not in reply.headers


def test_a_handoff_is_no_part_of_a_read_quorum(cluster: DoubledCluster) -> None:
    """The one primary that can be asked missed a row that both others have: no handoff's word hides that."""
    nodes = fill(cluster, [row("a", 1)], [row("a", 1), row("b", 2)], [row("a", 1), row("b", 2)])
    outsider = next(node for node in cluster.nodes if node not in nodes)
    outsider.databases[NAME] = {}
    outsider.rows[NAME] = [row("a", 1), row("of old", 1)]
    ask(cluster.proxy, "HEAD", "/v1/AUTH_t")
    for node in nodes[1:]:
        node.misbehaviour = lambda _request, _node: Answer(503)
    reply = ask(cluster.proxy, "GET", URL)
    assert names(reply.body) == ["a", "of old"]
    assert reply.headers["x-listing-pending"] == "true"
    nodes[1].misbehaviour = None
    for _ in range(10):
        reply = ask(cluster.proxy, "GET", URL)
        assert {"a", "b"} <= set(names(reply.body))
        assert "x-listing-pending" not in reply.headers


def test_trap_27_a_listing_that_breaks_off_is_settled_between_the_others(cluster: DoubledCluster) -> None:
    """Who answers instead is asked as if it were the first; without a quorum of whole answers it may lag."""
    nodes = fill(cluster, [row("a", 1)], [row("a", 1), row("b", 2)], [row("a", 1), row("b", 2)])
    ask(cluster.proxy, "HEAD", "/v1/AUTH_t")

    def breaks_off(request: Any, node: StorageNode) -> Answer | None:
        answer = node.honest(request)
        if request.method == "GET" and request.path.endswith(NAME):
            assert isinstance(answer.body, bytes)
            answer.headers["Content-Length"] = str(len(answer.body))
            answer.body = iter([answer.body[:5]])
        return answer

    nodes[1].misbehaviour = breaks_off
    for _ in range(8):
        reply = ask(cluster.proxy, "GET", URL)
        assert "b" in names(reply.body) or "x-listing-pending" in reply.headers
    nodes[2].misbehaviour = breaks_off
    outsider = next(node for node in cluster.nodes if node not in nodes)
    outsider.databases[NAME] = {}
    outsider.rows[NAME] = [row("a", 1)]
    reply = ask(cluster.again(), "GET", URL)
    assert names(reply.body) == ["a"]
    assert reply.headers["x-listing-pending"] == "true"


@pytest.mark.parametrize("status", [500, 503, 507])
def test_trap_27_a_listing_that_nobody_can_give_is_503(cluster: DoubledCluster, status: int) -> None:
    """Failures of all who have it are never taken for an empty container, nor for a missing one."""
    nodes = fill(cluster, [row("a", 1)], [row("a", 1)], [row("a", 1)])
    ask(cluster.proxy, "HEAD", "/v1/AUTH_t")
    for node in nodes:
        node.misbehaviour = lambda _request, _node: Answer(status)
    assert ask(cluster.proxy, "GET", URL).status == 503


def test_stock_servers_are_served_as_stock_proxies_do(cluster: DoubledCluster) -> None:
    """Without a row hash nobody else is asked."""

    def without_hash(request: Any, node: StorageNode) -> Answer | None:
        answer = node.honest(request)
        answer.headers.pop("X-Backend-Row-Hash", None)
        return answer

    nodes = fill(cluster, [row("a", 1)], [row("a", 1)], [row("a", 1)])
    for node in nodes:
        node.misbehaviour = without_hash
    ask(cluster.proxy, "HEAD", URL)
    before = sum(len(node.requests) for node in nodes)
    assert names(ask(cluster.proxy, "GET", URL).body) == ["a"]
    assert sum(len(node.requests) for node in nodes) - before == 1


# --- pages of other origins -------------------------------------------------------------------

CORS = {"X-Container-Meta-Access-Control-Allow-Origin": "http://a.example http://b.example"}


def cors_proxy(cluster: DoubledCluster) -> Proxy:
    ask(cluster.proxy, "PUT", URL, headers=CORS)
    return cluster.proxy


def test_a_preflight_is_answered_by_the_containers_rules(cluster: DoubledCluster) -> None:
    """Listed origins get 200 with what they may do, others 401."""
    asking = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"}
    proxy = cors_proxy(cluster)
    reply = ask(
        proxy, "OPTIONS", f"{URL}/o", headers={**asking, "Access-Control-Request-Headers": "x-a, x-b"}
    )
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "http://a.example"
    assert reply.headers["access-control-allow-headers"] == "x-a, x-b"
    assert "PUT" in reply.headers["access-control-allow-methods"].split(", ")
    assert "Origin" in reply.headers["vary"]
    assert ask(proxy, "OPTIONS", URL, headers={**asking, "Origin": "http://evil"}).status == 401
    assert (
        ask(proxy, "OPTIONS", URL, headers={**asking, "Access-Control-Request-Method": "BREW"}).status == 401
    )


def test_answers_to_other_origins_say_what_they_may_read(cluster: DoubledCluster) -> None:
    """Allowed origins see the headers that are exposed; others get the answer without them."""
    proxy = cors_proxy(cluster)
    reply = ask(proxy, "GET", URL, headers={"Origin": "http://b.example"})
    assert reply.headers["access-control-allow-origin"] == "http://b.example"
    assert "etag" in reply.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in ask(proxy, "GET", URL, headers={"Origin": "http://x"}).headers
