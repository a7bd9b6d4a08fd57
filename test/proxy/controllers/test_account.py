"""Laws of account requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, doubled_cluster

from apus.common.http.answer import Answer

URL = "/v1/AUTH_t"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        yield cluster


def test_an_account_is_made_changed_and_removed(cluster: DoubledCluster) -> None:
    """201, then 202; metadata by POST; then gone."""
    assert ask(cluster.proxy, "PUT", URL).status == 201
    assert ask(cluster.proxy, "PUT", URL).status == 202
    assert ask(cluster.proxy, "POST", URL, headers={"X-Account-Meta-A": "b"}).status == 204
    assert ask(cluster.proxy, "HEAD", URL).headers["x-account-meta-a"] == "b"
    assert ask(cluster.proxy, "DELETE", URL, query="bulk-delete").status == 400
    assert ask(cluster.proxy, "DELETE", URL).status == 204


def test_account_management_is_a_setting(cluster: DoubledCluster) -> None:
    """Where it is not allowed, PUT and DELETE are 405 and not offered."""
    proxy = cluster.again(allow_account_management=False)
    for method in ("PUT", "DELETE"):
        reply = ask(proxy, method, URL)
        assert reply.status == 405
        assert "PUT" not in reply.headers["allow"]


def test_an_account_that_could_be_made_looks_empty(cluster: DoubledCluster) -> None:
    """With autocreate a missing account lists as empty; without, it is 404."""
    reply = ask(cluster.proxy, "GET", URL)
    assert (reply.status, json.loads(reply.body)) == (200, [])
    assert ask(cluster.proxy, "HEAD", URL).status == 204
    assert not any("AUTH_t" in node.databases for node in cluster.nodes)
    assert ask(cluster.again(account_autocreate=False), "GET", URL).status == 404


def test_a_post_makes_the_account(cluster: DoubledCluster) -> None:
    """Metadata for an account that does not exist yet creates it."""
    assert ask(cluster.proxy, "POST", URL, headers={"X-Account-Meta-A": "b"}).status == 204
    assert ask(cluster.proxy, "HEAD", URL).headers["x-account-meta-a"] == "b"


def test_a_deleted_account_is_gone(cluster: DoubledCluster) -> None:
    """410 while the reaper is at work, even with autocreate."""
    for node in cluster.nodes:
        node.misbehaviour = lambda _request, _node: Answer(404, {"X-Account-Status": "Deleted"})
    assert ask(cluster.proxy, "GET", URL).status == 410
    assert ask(cluster.proxy, "PUT", f"{URL}/c").status == 404


def test_the_access_list_is_shown_to_owners(cluster: DoubledCluster) -> None:
    """The sysmeta becomes X-Account-Access-Control, for the owner only."""
    rules = '{"read-only": ["bob"]}'
    ask(cluster.proxy, "PUT", URL, headers={"X-Account-Sysmeta-Core-Access-Control": rules})
    owner = ask(cluster.proxy, "HEAD", URL, environ={"apus.owner": True})
    assert json.loads(owner.headers["x-account-access-control"]) == json.loads(rules)
    assert "x-account-access-control" not in ask(cluster.proxy, "HEAD", URL).headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1", 412),
        ("/v1/", 412),
        ("/", 404),
        ("/v9/AUTH_t", 400),
        ("/v1//c", 404),
        ("/v1/AUTH_t//o", 404),
        ("/v1/AUTH_t/c\0/o", 412),
        ("/v1/AUTH_t/\xff", 412),
        ("/v1/" + "x" * 257, 400),
    ],
)
def test_paths_that_name_nothing_are_refused(cluster: DoubledCluster, path: str, status: int) -> None:
    """Each kind of malformed path has its own status, as in stock Swift."""
    assert ask(cluster.proxy, "GET", path).status == status


def test_info_is_public(cluster: DoubledCluster) -> None:
    """GET /info needs no account; its verbs are GET, HEAD and OPTIONS."""
    assert ask(cluster.proxy, "GET", "/info").status == 200
    assert ask(cluster.proxy, "PUT", "/info").status == 405
    assert ask(cluster.again(expose_info=False), "GET", "/info").status == 403
