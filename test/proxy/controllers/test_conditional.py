"""Conditional writes through the proxy, over object servers that keep registers and such that don't."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_request import Reply, ask
from storage_doubles import DoubledCluster, StorageNode, doubled_cluster, fails_with, is_silent, make_real

from apus.common import concurrency
from apus.common.register import METHOD

PATH = "a/c/o"
METHODS = (METHOD, "PUT", "GET", "HEAD", "DELETE")
CREATE = {"If-None-Match": "*"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        for node in cluster.nodes:
            node.databases |= {"a": {}, "a/c": {}}
        yield cluster


@pytest.fixture
def primaries(cluster: DoubledCluster) -> list[StorageNode]:
    """The primaries of the object: real object servers."""
    for node in cluster.nodes:
        make_real(cluster, node, methods=METHODS)
    return cluster.home(PATH)[0]


def send(cluster: DoubledCluster, method: str, body: bytes = b"", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    environ: dict[str, Any] = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain"}
    return ask(cluster.proxy, method, f"/v1/{PATH}", headers=named, body=body, environ=environ)


def put(cluster: DoubledCluster, body: bytes, **headers: str) -> Reply:
    return send(cluster, "PUT", body, **headers)


def digest(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def steps(node: StorageNode) -> list[str]:
    return [headers["X-Backend-Register-Step"] for method, _, headers in node.requests if method == METHOD]


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_created_once_swapped_once_deleted_once(
    cluster: DoubledCluster, primaries: list[StorageNode], size: int
) -> None:
    """Whatever the size, each condition lets through what it should and nothing else."""
    first, second = b"1" * size, b"2" * size
    reply = put(cluster, first, If_None_Match="*")
    assert (reply.status, reply.headers["etag"]) == (201, digest(first))
    again = put(cluster, second, If_None_Match="*")
    assert (again.status, again.headers["etag"]) == (412, digest(first))
    assert again.headers["x-backend-condition"] == "mismatch"
    assert send(cluster, "GET").body == first
    assert put(cluster, second, If_Match='"other"').status == 412
    assert put(cluster, second, If_Match=digest(first)).status == 201
    assert send(cluster, "GET").body == second
    assert send(cluster, "DELETE", If_Match='"other"').status == 412
    assert send(cluster, "DELETE", If_Match=digest(second)).status == 204
    gone = put(cluster, first, If_Match="*")
    assert (gone.status, gone.headers["x-backend-condition"]) == (412, "absent")
    assert put(cluster, first, If_None_Match="*").status == 201


def test_a_refused_large_body_is_not_taken(cluster: DoubledCluster, primaries: list[StorageNode]) -> None:
    """The condition is looked at before a large upload, and decided behind it."""
    put(cluster, b"here")
    for node in primaries:
        node.requests.clear()
    assert put(cluster, bytes(500_000), If_None_Match="*").status == 412
    assert not any("stage" in steps(node) for node in primaries)


def test_unconditional_writes_ask_no_register(cluster: DoubledCluster, primaries: list[StorageNode]) -> None:
    """Before, between and after conditional ones they are seen, and pay nothing."""
    put(cluster, b"plain")
    assert not any(steps(node) for node in primaries)
    assert put(cluster, b"mine", If_Match=digest(b"plain")).status == 201
    assert put(cluster, b"plain again").status == 201
    assert put(cluster, b"mine", If_Match=digest(b"mine")).status == 412
    assert send(cluster, "DELETE").status == 204
    assert put(cluster, b"new", If_None_Match="*").status == 201
    assert send(cluster, "GET").body == b"new"


def test_a_majority_is_enough_and_less_is_503(cluster: DoubledCluster, primaries: list[StorageNode]) -> None:
    """One primary may fail, whoever it is; with two nothing is guessed and nothing shown."""
    honest = [node.misbehaviour for node in primaries]
    for number, node in enumerate(primaries):
        node.misbehaviour = fails_with(503)
        body = b"%d" % number
        condition = {"If_Match": digest(b"%d" % (number - 1))} if number else {"If_None_Match": "*"}
        assert put(cluster, body, **condition).status == 201, number
        assert put(cluster, b"other", If_None_Match="*").status == 412
        node.misbehaviour = honest[number]
    for node in primaries[:2]:
        node.misbehaviour = is_silent(0.5)
    cluster.proxy = cluster.again(node_timeout=0.3)
    refused = put(cluster, b"two", If_Match=digest(b"2"))
    assert (refused.status, refused.headers.get("x-conditional-writes")) == (503, None)
    assert put(cluster, bytes(300_000), If_None_Match="*").status == 503
    for node, answer in zip(primaries, honest, strict=True):
        node.misbehaviour = answer
    cluster.proxy = cluster.again()
    assert send(cluster, "GET", X_Newest="true").body == b"2"


def test_racing_writers_leave_one_winner(cluster: DoubledCluster, primaries: list[StorageNode]) -> None:
    """Eight at once: one 201; and the object is what that one sent, on all primaries."""
    cluster.proxy = cluster.again(node_timeout=20.0, conn_timeout=20.0)  # Eight share one busy process.
    bodies = [b"%d" % number for number in range(8)]
    tasks = [concurrency.spawn(put, cluster, body, If_None_Match="*") for body in bodies]
    statuses = [task.wait().status for task in tasks]
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 409, 412}
    assert send(cluster, "GET").body == bodies[statuses.index(201)]


def test_where_nobody_keeps_registers_stock_semantics_hold(cluster: DoubledCluster) -> None:
    """If-None-Match: * is asked of every server; If-Match, which they would not heed, is 501."""
    for size in (5, 200_000):
        assert put(cluster, b"1" * size, If_None_Match="*").status == 201
        assert put(cluster, b"2" * size, If_None_Match="*").status == 412
        assert put(cluster, b"2" * size, If_Match=digest(b"1" * size)).status == 501
        assert send(cluster, "DELETE", If_Match=digest(b"1" * size)).status == 501
        assert send(cluster, "GET").body == b"1" * size
        assert send(cluster, "DELETE").status == 204


@pytest.mark.parametrize("size", [5, 200_000])
def test_in_a_mixed_cluster_registers_must_be_a_majority(cluster: DoubledCluster, size: int) -> None:
    """Two that keep registers decide without the third; one alone is 503, which says why."""
    nodes, _ = cluster.home(PATH)
    make_real(cluster, nodes[0], methods=METHODS)
    refused = put(cluster, b"1" * size, If_None_Match="*")
    assert (refused.status, refused.headers["x-conditional-writes"]) == (503, "mixed")
    assert send(cluster, "GET", X_Newest="true").status == 404
    make_real(cluster, nodes[1], methods=METHODS)
    assert put(cluster, b"1" * size, If_None_Match="*").status == 201
    assert put(cluster, b"2" * size, If_None_Match="*").status == 412
