"""What arrives at a storage server itself: nonsense gets a 4xx, and no path leads out of the devices."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import AllInOne
from rawsocket import exchange

KINDS = ("object", "container", "account")
HASH = "0123456789abcdef0123456789abcdef"
STAMP = b"X-Timestamp: 1700000000.00000\r\nX-Put-Timestamp: 1700000000.00000\r\n"

Doors = dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def doors(shared_cluster: AllInOne) -> Doors:
    """The addresses of node1's servers."""
    return {
        each["role"].partition("-")[0]: ("127.0.0.1", each["port"])
        for each in shared_cluster.status()["processes"]
        if each["node"] == "node1" and each["port"]
    }


@pytest.fixture(autouse=True)
def nothing_outside(shared_cluster: AllInOne) -> Iterator[None]:
    """Nothing may appear beside the devices and their known folders."""

    def around() -> set[Path]:
        node = shared_cluster.home / "node1"
        beside = [*node.iterdir(), *(node / "devices").iterdir(), *shared_cluster.home.iterdir()]
        inside = (path for path in (node / "devices" / "d1").iterdir() if path.name not in KNOWN)
        return {*beside, *inside}

    before = around()
    yield
    assert around() == before


KNOWN = {"objects", "containers", "accounts", "tmp", "async_pending", "quarantined"}


def ask(address: tuple[str, int], method: str, target: str, extra: bytes = b"", body: bytes = b"") -> int:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    return exchange(address, head.encode("latin-1") + extra + b"\r\n" + body).status


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/d1",
        "/../0/a/c/o",
        "/%2e%2e/0/a/c/o",
        "/./0/a/c/o",
        "/d1%2f..%2f../0/a/c/o",
        "/d1/../a/c/o",
        "/d1/minus1/a/c/o",
        "/d1/-1/a/c/o",
        "/d1/0x1/a/c/o",
        "/d1/0",
        "/d1/0/%FF/c/o",
        "/d1/0/a%00/c/o",
        "//0/a/c/o",
    ],
)
def test_a_path_that_is_none(doors: Doors, kind: str, method: str, target: str) -> None:
    """4xx, or 507 for a device that is not there; nothing is made."""
    status = ask(doors[kind], method, target, STAMP + b"Content-Type: text/x\r\n")
    assert 400 <= status < 500 or status == 507


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "stamp", [b"", b"X-Timestamp: soon\r\n", b"X-Timestamp: -5\r\n", b"X-Timestamp: 1e400\r\n"]
)
def test_a_write_without_a_time(doors: Doors, kind: str, stamp: bytes) -> None:
    """400: nobody could say what is newer."""
    target = {"object": "/d1/0/a/c/o", "container": "/d1/0/a/c", "account": "/d1/0/a"}[kind]
    assert ask(doors[kind], "DELETE", target, stamp) == 400


@pytest.mark.parametrize("suffix", ["..", "../../..", "%2e%2e", "xyz", "abcd", "ab/", "a-..-b"])
def test_a_suffix_that_is_none(doors: Doors, suffix: str) -> None:
    """REPLICATE takes three hexadecimal digits, and nothing that could be a folder elsewhere."""
    status = ask(doors["object"], "REPLICATE", f"/d1/0/{suffix}")
    assert status == 200 or 400 <= status < 500


@pytest.mark.parametrize("kind", ["container", "account"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{}",
        b"[]",
        b'["rsync_then_merge", "../../../etc/passwd"]',
        b'["complete_rsync", "../../x", "../../y"]',
        b'["merge_items", [{}], 5]',
        b'["merge_items", [[1, 2]], null]',
        b'["sync", -1, 5, null, {}, [], "x"]',
        b'["no_such_thing", 1]',
        b"[" * 5000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_replication_call_that_is_none(doors: Doors, kind: str, body: bytes) -> None:
    """A 4xx, 501 or an empty answer; never a server error, never a file from elsewhere."""
    status = ask(doors[kind], "REPLICATE", f"/d1/0/{HASH}", body=body)
    assert 200 <= status < 500 or status == 501


class Bomb:
    """What a pickle can do to whoever loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", KINDS)
def test_trap_45_nobody_loads_a_pickle(doors: Doors, kind: str, tmp_path: Path) -> None:
    """A body that would make a file where it is unpickled makes none."""
    mine = tmp_path / "unpickled"
    body = pickle.dumps(Bomb(mine), protocol=2)
    for target in (f"/d1/0/{HASH}", "/d1/0/abc"):
        ask(doors[kind], "REPLICATE", target, body=body)
    assert not mine.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_method(doors: Doors, kind: str) -> None:
    """405."""
    assert ask(doors[kind], "DANCE", "/d1/0/a/c/o") == 405
