"""The laws of speaking to other object servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from engine import Served, serving

from apus.common import restricted_pickle
from apus.common.errors import Corrupt, Unavailable
from apus.common.http.client import Pool
from apus.common.timestamp import Timestamp
from apus.replicator.peer import SUFFIXES_MAX, PeerClient, Place, Unmounted, object_path
from apus.replicator.plan import Version
from apus.ring.device import Device

DIGEST = "a" * 32


class Peer:
    """An object server that answers whatever a test says."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, bytes]] = []
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.seen.append(environ)
        status, kind, body = self.answers.pop(0)
        start_response(f"{status} Said", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def says(self, body: bytes, *, status: int = 200, kind: str = "application/json") -> None:
        self.answers.append((status, kind, body))


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def served(peer: Peer) -> Iterator[Served]:
    with serving(peer) as running:
        yield running


@pytest.fixture
def place(served: Served) -> Place:
    ip, port = served.address
    return Place(Device(1, 1, 1, "10.255.255.1", 1, ip, port, "sdb1"), 2, 77)


@pytest.fixture
def client() -> PeerClient:
    return PeerClient(pool=Pool(), secret="s3cret")


def test_hashes_are_read_without_trust(peer: Peer, place: Place, client: PeerClient) -> None:
    """Stock's pickle of plain values is understood; one that names a callable is refused."""
    peer.says(restricted_pickle.dumps({"abc": "1", "def": None}), kind="application/octet-stream")
    assert client.hashes(place) == {"abc": "1"}
    peer.says(b"cos\nsystem\n(S'true'\ntR.", kind="application/octet-stream")
    with pytest.raises(Corrupt):
        client.hashes(place)
    environ = peer.seen[0]
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("REPLICATE", "/sdb1/77")
    assert environ["HTTP_X_BACKEND_STORAGE_POLICY_INDEX"] == "2"
    assert environ["HTTP_X_BACKEND_CLUSTER_SECRET"] == "s3cret"


def test_a_stock_server_is_known_by_its_answer(peer: Peer, place: Place, client: PeerClient) -> None:
    """It cannot say what it holds, which is not the same as holding nothing."""
    for ask in (
        lambda: client.inventory(place, ["aaa"]),
        lambda: client.inventory_of_all(place),
        lambda: client.partitions(place.device, 0),
    ):
        peer.says(restricted_pickle.dumps(None), kind="text/html; charset=UTF-8")
        assert ask() is None


def test_an_inventory_of_many_suffixes_comes_in_batches(peer: Peer, place: Place, client: PeerClient) -> None:
    """No request line is longer than servers take."""
    suffixes = [f"{number:03x}" for number in range(SUFFIXES_MAX + 1)]
    peer.says(b'{"aaa": {"%s": {"ts": "5"}}}' % DIGEST.encode())
    peer.says(b"{}")
    assert client.inventory(place, suffixes) == {DIGEST: Version(tombstone=Timestamp.of(5))}
    assert [len(environ["PATH_INFO"]) < 8000 for environ in peer.seen] == [True, True]


def test_a_device_tells_its_partitions(peer: Peer, place: Place, client: PeerClient) -> None:
    """Numbers, and nothing else."""
    peer.says(b"[1, 2, 3]")
    assert client.partitions(place.device, 0) == [1, 2, 3]
    peer.says(b'["one"]')
    with pytest.raises(Corrupt):
        client.partitions(place.device, 0)


@pytest.mark.parametrize(("status", "reaction"), [(507, Unmounted), (503, Unavailable), (403, Unavailable)])
def test_a_refusal_has_a_meaning(
    peer: Peer, place: Place, client: PeerClient, status: int, reaction: type[Exception]
) -> None:
    """507 is a device that is not there, and is stood in for; anything else is trouble of the moment."""
    peer.says(b"no", status=status, kind="text/plain")
    with pytest.raises(reaction) as caught:
        client.hashes(place)
    assert isinstance(caught.value, Unmounted) == (status == 507)


def test_any_name_has_a_path(place: Place) -> None:
    """Spaces, percent signs, newlines and bytes that are no UTF-8 included."""
    name = "/a/c/o \u00fc%\n?" + b"\xff".decode("utf-8", "surrogateescape")
    assert object_path(place, name) == "/sdb1/77/a/c/o%20%C3%BC%25%0A%3F%FF"
