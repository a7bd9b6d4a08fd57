"""For quotas, counts are the greatest that a read quorum of replicas tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import ask
from storage_doubles import DoubledCluster, Misbehaviour, StorageNode, doubled_cluster

from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.proxy.counts import greater_counts

ASKING = {"X-Backend-Read-Quorum": "true"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path, nodes=3) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


def telling(size: int, *, is_there: bool = True) -> Misbehaviour:
    """Have a node tell that the container, and the account, hold so many bytes."""

    def answer(request: Request, node: StorageNode) -> Answer | None:
        if request.method != "HEAD":
            return None
        if not is_there:
            return Answer(500)
        facts = {"X-Put-Timestamp": "1.0", "X-Timestamp": "1.0", "X-Backend-Timestamp": "1.0"}
        counts = {"X-Container-Bytes-Used": str(size), "X-Account-Bytes-Used": str(size)}
        return Answer(204, {**facts, **counts})

    return answer


@pytest.mark.parametrize("path", ["/v1/AUTH_t", "/v1/AUTH_t/c"])
def test_any_two_of_three_meet_every_acknowledged_write(cluster: DoubledCluster, path: str) -> None:
    """Where two replicas know of a write, the third's ignorance does not count."""
    for behind in range(3):
        for number, node in enumerate(cluster.nodes):
            node.misbehaviour = telling(10 if number == behind else 20)
        for _ in range(5):
            headers = ask(cluster.proxy, "HEAD", path, headers=ASKING).headers
            assert {headers.get("x-container-bytes-used"), headers.get("x-account-bytes-used")} == {"20"}


@pytest.mark.parametrize("path", ["/v1/AUTH_t", "/v1/AUTH_t/c"])
def test_who_can_be_reached_is_believed(cluster: DoubledCluster, path: str) -> None:
    """With one replica left, its word is all there is."""
    for number, node in enumerate(cluster.nodes):
        node.misbehaviour = telling(10, is_there=number == 0)
    headers = ask(cluster.proxy, "HEAD", path, headers=ASKING).headers
    assert headers["x-container-bytes-used"] == "10"


@given(st.integers(0, 99), st.integers(0, 99))
def test_the_greater_count_counts(ours: int, theirs: int) -> None:
    """Names in any case, counts that we lack, and nothing but counts."""
    told = {"x-container-bytes-used": str(theirs), "X-Container-Object-Count": "3", "X-Timestamp": "9"}
    known = {"X-Container-Bytes-Used": str(ours), "X-Timestamp": "1"}
    expected = {"X-Container-Object-Count": "3"}
    if theirs > ours:
        expected["X-Container-Bytes-Used"] = str(theirs)
    assert greater_counts(known, told) == expected
