"""Laws of the proxy on a real connection: spliced bodies, broken uploads, chunked uploads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, StoredObject, breaks_off_after, doubled_cluster, stalls_after

from apus.common import concurrency
from apus.common.errors import Unavailable
from apus.common.http.client import Pool
from apus.common.http.server import HttpServer, ServerConfig

PATH = "AUTH_t/c/o"
URL = f"/v1/{PATH}"
BODY = bytes(range(256)) * 8192
AT = "1700000000.00000"
Address = tuple[str, int]


@contextmanager
def served(cluster: DoubledCluster) -> Iterator[Address]:
    """Serve the cluster's proxy on a port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(cluster.proxy, ServerConfig(linger_seconds=0.01))
    task = concurrency.spawn(server.serve, listener)
    yield listener.getsockname()
    server.stop(graceful=False)
    task.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


def place(cluster: DoubledCluster, body: bytes) -> None:
    for node in cluster.home(PATH)[0]:
        node.objects[PATH] = StoredObject(AT, body)


@pytest.mark.parametrize("cut", [0, 5, 70_000, 1_000_000, len(BODY) - 5])
def test_a_spliced_download_survives_its_server(cluster: DoubledCluster, cut: int) -> None:
    """Two of three replicas break off at the same byte: the client sees one whole body."""
    place(cluster, BODY)
    for node in cluster.home(PATH)[0][:2]:
        node.misbehaviour = breaks_off_after(cut)
    pool = Pool()
    with served(cluster) as address:
        for _ in range(4):
            response = pool.request(address, "GET", URL, {})
            assert response.status == 200
            assert response.read() == BODY
            response = pool.request(address, "GET", URL, {"Range": "bytes=77-1500000"})
            assert response.status == 206
            assert response.read() == BODY[77:1_500_001]
    pool.close()


def test_a_download_that_stalls_goes_on_elsewhere(cluster: DoubledCluster) -> None:
    """A replica that falls silent in mid-body is given up after node_timeout."""
    place(cluster, BODY)
    for node in cluster.home(PATH)[0][:2]:
        node.misbehaviour = stalls_after(100_000, 2)
    cluster.proxy = cluster.again(node_timeout=0.3)
    with served(cluster) as address:
        for _ in range(2):
            assert Pool().request(address, "GET", URL, {}).read() == BODY


def test_a_download_nobody_can_carry_on_ends_short(cluster: DoubledCluster) -> None:
    """When all replicas break off, the connection ends before the announced length: no false whole."""
    place(cluster, BODY)
    for node in cluster.nodes:
        node.misbehaviour = breaks_off_after(70_000)
    with served(cluster) as address:
        response = Pool().request(address, "GET", URL, {})
        with pytest.raises(Unavailable):
            response.read()


def test_the_proxy_keeps_no_connection_of_a_client_that_left(cluster: DoubledCluster) -> None:
    """A client that stops reading in the middle frees everything; the next one is served."""
    place(cluster, BODY * 4)
    pool = Pool()
    with served(cluster) as address:
        for _ in range(5):
            response = pool.request(address, "GET", URL, {})
            assert len(response.read(1000)) == 1000
            response.close()
        assert pool.request(address, "GET", URL, {}).read() == BODY * 4
    pool.close()


@pytest.mark.parametrize("sent", [0, 10, 100_000])
@pytest.mark.parametrize("length", [1000, 1_000_000])
def test_a_short_upload_never_becomes_an_object(cluster: DoubledCluster, sent: int, length: int) -> None:
    """A client that goes away before the end of its body leaves nothing on any node."""
    if sent >= length:
        pytest.skip("not short")
    with served(cluster) as address:
        exchange = Pool().open(address, "PUT", URL, {}, length=length)
        exchange.send(b"x" * sent)
        exchange.abort()
        concurrency.sleep(0.05)
        assert not any(PATH in node.objects for node in cluster.nodes)


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_chunked_upload_is_stored_whole(cluster: DoubledCluster, size: int) -> None:
    """Without a length the body ends with its last chunk."""
    with served(cluster) as address:
        exchange = Pool().open(address, "PUT", URL, {}, length=None)
        exchange.send(BODY[:size])
        exchange.finish()
        assert exchange.response().status == 201
    assert cluster.home(PATH)[0][0].objects[PATH].body == BODY[:size]


def test_a_chunked_upload_without_its_last_chunk_is_nothing(cluster: DoubledCluster) -> None:
    """A chunked body that breaks off never becomes an object."""
    with served(cluster) as address:
        exchange = Pool().open(address, "PUT", URL, {}, length=None)
        exchange.send(BODY[:300_000])
        exchange.abort()
        concurrency.sleep(0.05)
        assert not any(PATH in node.objects for node in cluster.nodes)


def test_an_upload_goes_on_without_a_replica_that_dies(cluster: DoubledCluster) -> None:
    """Losing one replica in mid-stream leaves a quorum: 201."""
    primaries, _ = cluster.home(PATH)
    with served(cluster) as address:
        exchange = Pool().open(address, "PUT", URL, {}, length=len(BODY), expect_continue=True)
        assert exchange.continue_status == 100
        exchange.send(BODY[:500_000])
        primaries[0].stop()
        exchange.send(BODY[500_000:])
        exchange.finish()
        assert exchange.response(5).status == 201
    assert [PATH in node.objects for node in primaries] == [False, True, True]


def test_an_upload_without_a_quorum_left_is_503(cluster: DoubledCluster) -> None:
    """Losing two replicas in mid-stream ends the upload; the last one keeps nothing either."""
    primaries, _ = cluster.home(PATH)
    with served(cluster) as address:
        exchange = Pool().open(address, "PUT", URL, {}, length=None, expect_continue=True)
        assert exchange.continue_status == 100
        exchange.send(BODY[:500_000])
        primaries[0].stop()
        primaries[1].stop()
        try:
            for _ in range(50):
                exchange.send(BODY[:100_000])
            exchange.finish()
            assert exchange.response(5).status == 503
        except Unavailable:
            pass  # The proxy has answered and closed while we were still sending.
        concurrency.sleep(0.05)
    assert PATH not in primaries[2].objects


def test_continue_is_not_sent_to_the_refused(cluster: DoubledCluster) -> None:
    """A PUT into a missing container is answered 404 before its body is asked for."""
    with served(cluster) as address:
        exchange = Pool().open(
            address, "PUT", "/v1/AUTH_t/missing/o", {}, length=len(BODY), expect_continue=True
        )
        assert exchange.continue_status == 404
        exchange.response().read()
