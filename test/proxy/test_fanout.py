"""Laws of asking all replicas at once, with servers that fail in the middle of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, doubled_cluster, fails_with, is_silent

from apus.common import concurrency
from apus.common.logs import transaction_id

PATH = "AUTH_t/c/o"
URL = f"/v1/{PATH}"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    """A cluster to whose nodes connections are kept, as in a proxy that has run for a while."""
    with doubled_cluster(tmp_path, nodes=5) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        for number in range(20):
            assert put(cluster, f"{URL}{number}") == 201
        yield cluster


def put(cluster: DoubledCluster, url: str = URL, body: bytes = b"body") -> int:
    return ask(cluster.proxy, "PUT", url, body=body).status


def holders(cluster: DoubledCluster) -> int:
    return sum(PATH in node.objects for node in cluster.nodes)


def test_all_replicas_are_asked_once(cluster: DoubledCluster) -> None:
    """One PUT each, and none to a stand-in."""
    before = [len(node.requests) for node in cluster.nodes]
    assert put(cluster) == 201
    puts = [
        sum(verb == "PUT" for verb, _, _ in node.requests[count:])
        for node, count in zip(cluster.nodes, before, strict=True)
    ]
    assert sorted(puts) == [0, 0, 1, 1, 1]
    assert all(PATH in node.objects for node in cluster.home(PATH)[0])


@pytest.mark.parametrize("failing", [1, 2])
def test_a_stand_in_takes_the_place_of_who_fails(cluster: DoubledCluster, failing: int) -> None:
    """Whatever the primary says that is no answer; the client does not notice."""
    for node in cluster.home(PATH)[0][:failing]:
        node.misbehaviour = fails_with(500, "PUT")
    assert put(cluster) == 201
    assert holders(cluster) == 3


def test_a_server_that_was_restarted_is_asked_again(
    cluster: DoubledCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A kept connection that has ended says nothing about its server: no failure is counted."""
    for node in cluster.nodes:
        for connection in list(node._server._connections):
            connection.close()
    assert put(cluster) == 201
    assert all(PATH in node.objects for node in cluster.home(PATH)[0])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_who_is_late_is_left_behind(tmp_path: Path) -> None:
    """After a quorum and the grace the client has its answer, and the late one's own comes to nothing."""
    with doubled_cluster(tmp_path) as cluster:
        proxy = cluster.again(post_quorum_timeout=0.1, node_timeout=2.0)
        assert ask(proxy, "PUT", "/v1/AUTH_t/c").status == 201
        for number in range(9):
            assert ask(proxy, "PUT", f"{URL}{number}", body=b"b").status == 201
        cluster.home(PATH)[0][0].misbehaviour = is_silent(0.6, "PUT")
        begun = time.monotonic()
        assert ask(proxy, "PUT", URL, body=b"body").status == 201
        assert 0.1 <= time.monotonic() - begun < 0.5
        concurrency.sleep(0.8)
        assert ask(proxy, "GET", URL).body == b"body"


def test_a_failure_is_logged_with_its_request(
    cluster: DoubledCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The hub takes the answers; the transaction is the request's all the same."""
    seen: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(transaction_id.get())

    cluster.home(PATH)[0][0].misbehaviour = fails_with(500, "PUT")
    listener = Listener(logging.WARNING)
    logger = logging.getLogger("apus.proxy.backend")
    logger.addHandler(listener)
    token = transaction_id.set("tx-of-the-request")
    try:
        assert put(cluster) == 201
    finally:
        transaction_id.reset(token)
        logger.removeHandler(listener)
    assert seen == ["tx-of-the-request"]
    assert caplog.records
