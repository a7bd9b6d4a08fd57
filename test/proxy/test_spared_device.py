"""A device that is spared is passed over, and not taken for ill."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, StorageNode, doubled_cluster

from apus.common.http.answer import Answer
from apus.common.http.request import Request

URL = "/v1/AUTH_t/c/o"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


def spares_its_device(request: Request, _node: StorageNode) -> Answer | None:
    """Refuse objects as backend_ratelimit does."""
    return Answer.text(529, "too many") if request.path.endswith("/o") else None


def test_another_replica_is_asked(cluster: DoubledCluster, caplog: pytest.LogCaptureFixture) -> None:
    """Reads and writes succeed on the others, as often as it is spared."""
    caplog.set_level(logging.WARNING)
    cluster.nodes[0].misbehaviour = spares_its_device
    for _ in range(20):
        assert ask(cluster.proxy, "PUT", URL, body=b"content").status == 201
        assert ask(cluster.proxy, "GET", URL).body == b"content"
    assert not caplog.records
    cluster.nodes[0].misbehaviour = None
    asked_before = len(cluster.nodes[0].requests)
    for _ in range(20):
        ask(cluster.proxy, "PUT", URL, body=b"content")
    assert len(cluster.nodes[0].requests) > asked_before
