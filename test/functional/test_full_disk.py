"""When the disks are full, writing is refused, and reading and deleting go on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from clusters import AllInOne, all_in_one
from small_disks import small_disk
from store import Client

pytestmark = pytest.mark.slow

DISK_BYTES = 40 << 20
OBJECT_BYTES = 1 << 20
NODES = 3


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AllInOne, dict[str, bytes]]]:
    """A cluster of small disks, filled until a write was refused; what it has acknowledged."""
    home = tmp_path_factory.mktemp("full")
    with ExitStack() as disks:
        for number in range(1, NODES + 1):
            disks.enter_context(small_disk(home / f"node{number}" / "devices" / f"d{number}", DISK_BYTES))
        with all_in_one(home, nodes=NODES) as cluster:
            yield cluster, _fill(cluster.store.client())


def _fill(client: Client) -> dict[str, bytes]:
    assert client.put("full").status == 201
    stored: dict[str, bytes] = {}
    refusals = 0
    for number in range(3 * DISK_BYTES // OBJECT_BYTES):
        content = hashlib.sha512(str(number).encode()).digest() * (OBJECT_BYTES // 64)
        reply = client.put("full", f"o{number:04}", body=content)
        if reply.status == 201:
            stored[f"o{number:04}"] = content
        else:
            assert reply.status in (503, 507), reply
            refusals += 1
        if refusals == 5:
            return stored
    raise AssertionError("the disks never were full")


def test_some_fitted_and_some_were_refused(full: tuple[AllInOne, dict[str, bytes]]) -> None:
    """503 or 507, and nothing else, once there was no room."""
    assert len(full[1]) > 10


def test_what_was_acknowledged_is_read(full: tuple[AllInOne, dict[str, bytes]]) -> None:
    """Every byte of it, from disks without room."""
    cluster, stored = full
    client = cluster.store.client()
    for name, content in stored.items():
        assert client.get("full", name).body == content
    assert set(client.names_in("full")) == set(stored)


def test_what_was_refused_is_not_there(full: tuple[AllInOne, dict[str, bytes]]) -> None:
    """No half-written object, on no disk."""
    cluster, stored = full
    client = cluster.store.client()
    for number in range(len(stored) + 5):
        name = f"o{number:04}"
        assert client.head("full", name).status == (200 if name in stored else 404)


def test_deleting_makes_room(full: tuple[AllInOne, dict[str, bytes]]) -> None:
    """DELETE works on a full disk, and afterwards there is room again."""
    cluster, stored = full
    client = cluster.store.client()
    gone = sorted(stored)[: len(stored) // 2]
    for name in gone:
        assert client.delete("full", name).status == 204
        del stored[name]
    assert client.put("full", "again", body=b"x" * OBJECT_BYTES).status == 201
    assert client.get("full", "again").body == b"x" * OBJECT_BYTES
    assert set(client.names_in("full")) == {*stored, "again"}
