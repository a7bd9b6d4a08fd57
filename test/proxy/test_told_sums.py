"""Large uploads through the real proxy to object servers that believe its MD5, beside others that don't."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_request import Reply, ask
from storage_doubles import DoubledCluster, doubled_cluster, make_real

from apus.object.files.inflow import Inflow
from apus.proxy.witness import PIECE_BYTES

PATH = "AUTH_t/c/o"
URL = f"/v1/{PATH}"
BODY = os.urandom(2 * PIECE_BYTES + 5)
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


@pytest.fixture
def believers(monkeypatch: pytest.MonkeyPatch) -> list[Inflow]:
    """Those uploads of which an object server took no MD5."""
    found: list[Inflow] = []
    leave = Inflow.leave_digest

    def leave_digest(incoming: Inflow) -> None:
        found.append(incoming)
        leave(incoming)

    monkeypatch.setattr(Inflow, "leave_digest", leave_digest)
    return found


def stored(cluster: DoubledCluster) -> int:
    """Return how many of the real servers hold the object."""
    return len(list(cluster.directory.glob("real*/d*/objects/*/*/*/*.data")))


class Flipped:
    """A body of which one bit is received otherwise than it was sent."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.ask_behind = body.ask_behind
        self.read = body.read
        self._is_due = True

    def readinto(self, buffer: memoryview) -> int:
        count: int = self._body.readinto(buffer)
        if self._is_due:
            self._is_due = False
            buffer[count - 1] ^= 16
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def put(cluster: DoubledCluster, **headers: str) -> Reply:
    """Upload the body."""
    return ask(cluster.proxy, "PUT", URL, headers=headers, body=BODY)


@pytest.mark.parametrize("real", [3, 2, 1, 0])
def test_each_server_gets_what_it_takes(cluster: DoubledCluster, believers: list[Inflow], real: int) -> None:
    """Ours believe the proxy; those that know nothing of it get an ordinary PUT; all say the same ETag."""
    primaries, _ = cluster.home(PATH)
    for node in primaries[:real]:
        make_real(cluster, node)
    reply = put(cluster)
    assert (reply.status, reply.headers["etag"]) == (201, MD5)
    assert (len(believers), stored(cluster)) == (real, real)
    assert [node.objects[PATH].body for node in primaries[real:]] == [BODY] * (3 - real)


@pytest.mark.parametrize(("flipped", "status"), [(1, 201), (2, 503), (3, 503)])
def test_a_bit_that_flips_on_the_way_is_kept_nowhere(
    cluster: DoubledCluster, flipped: int, status: int
) -> None:
    """One such replica does not matter; without a quorum the client is told to try again."""
    for place, node in enumerate(cluster.home(PATH)[0]):
        make_real(cluster, node, Flipped if place < flipped else lambda body: body)
    reply = put(cluster)
    assert reply.status == status
    assert stored(cluster) == 3 - flipped


def test_another_body_than_the_clients_is_refused(cluster: DoubledCluster) -> None:
    """Its ETag is held against the proxy's MD5 before anything is committed."""
    for node in cluster.home(PATH)[0]:
        make_real(cluster, node)
    assert put(cluster, ETag="0" * 32).status == 422
    assert not stored(cluster)
    assert put(cluster, ETag=MD5).status == 201
    assert stored(cluster) == 3


def test_a_client_who_goes_away_leaves_nothing(cluster: DoubledCluster) -> None:
    """The footer is said behind whole bodies only."""
    for node in cluster.home(PATH)[0]:
        make_real(cluster, node)
    reply = ask(cluster.proxy, "PUT", URL, body=BODY, environ={"CONTENT_LENGTH": str(len(BODY) + 1)})
    assert reply.status == 499
    assert not stored(cluster)
