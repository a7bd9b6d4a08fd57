"""Laws of the memory that proxies share."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import time
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, ask

from apus.common.errors import Refused, Unavailable
from apus.proxy.middleware.cache import filter_factory
from apus.proxy.middleware.memcached import Circle, Memcached, Patience, hash_of

MEMCACHED = shutil.which("memcached") or "/usr/bin/memcached"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A memcached of our own."""
    if not Path(MEMCACHED).exists():
        pytest.skip("memcached is not installed")
    port = free_port()
    command = [MEMCACHED, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "16", "-u", "root"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("value", [{"a": [1, "é", None]}, "text", 3, [], True, None])
def test_values_are_kept_as_json(server: str, value: object) -> None:
    """What JSON can say comes back equal, under a key of any length and content."""
    memory = Memcached([server])
    key = f"key with spaces\r\nset x 0 0 1 é {value!r} " + "k" * 500
    memory.set(key, value, time=60)
    assert memory.get(key) == value
    memory.delete(key)
    assert memory.get(key) is None


def test_raw_values_are_bytes(server: str) -> None:
    """Without serialisation they come back as they were; other types become their text."""
    memory = Memcached([server])
    memory.set("raw", b"\0\xff", serialize=False)
    assert memory.get("raw") == b"\0\xff"
    memory.set("raw", 12, serialize=False)
    assert memory.get("raw") == b"12"


def test_counters_count(server: str) -> None:
    """From nothing, up, down, and never below zero."""
    memory = Memcached([server])
    memory.delete("counter")
    assert [memory.incr("counter", time=60), memory.incr("counter", 5), memory.decr("counter", 2)] == [
        1,
        6,
        4,
    ]
    assert memory.decr("counter", 100) == 0
    memory.delete("counter")
    assert memory.decr("counter", 3) == 0


def test_many_values_live_on_one_server(server: str) -> None:
    """Found again by the same server key, in the keys' order."""
    memory = Memcached([server])
    memory.set_multi({"m1": 1, "m2": [2]}, "place", time=60)
    assert memory.get_multi(["m2", "absent", "m1"], "place") == [[2], None, 1]


def test_values_expire(server: str) -> None:
    """Seconds up to thirty days are relative, larger ones do not mean 1970."""
    memory = Memcached([server])
    memory.set("long", 1, time=40 * 24 * 3600)
    assert memory.get("long") == 1


def test_swift_reads_what_we_write(server: str) -> None:
    """Key, flags and encoding on the wire are stock Swift's; a pickle that somebody left is not read."""
    memory = Memcached([server])
    memory.set("account/AUTH_test", {"status": 204})
    host, port = server.split(":")
    name = hashlib.md5(b"account/AUTH_test").hexdigest()
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"get {name}\r\n".encode())
        assert raw.recv(4096) == f'VALUE {name} 2 15\r\n{{"status": 204}}\r\nEND\r\n'.encode()
        raw.sendall(f"set {hash_of('pickled')} 1 0 3\r\nabc\r\n".encode())
        assert raw.recv(64) == b"STORED\r\n"
    assert memory.get("pickled") is None


def dead(**patience: float) -> Memcached:
    return Memcached([f"127.0.0.1:{free_port()}"], patience=Patience(**patience))  # type: ignore[arg-type]


def test_a_dead_server_fails_nobody() -> None:
    """Reads find nothing, writes do nothing."""
    memory = dead()
    assert memory.get("k") is None
    memory.set("k", 1)
    memory.delete("k")
    memory.set_multi({"k": 1}, "s")
    assert memory.get_multi(["k"], "s") == [None]


def test_who_must_know_is_told() -> None:
    """Counting, and calls that ask for it, raise Unavailable."""
    memory = dead()
    with pytest.raises(Unavailable):
        memory.incr("k")
    with pytest.raises(Unavailable):
        memory.get("k", raise_on_error=True)
    with pytest.raises(Unavailable):
        memory.set("k", 1, raise_on_error=True)


def test_a_dead_server_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """After so many failures nothing is asked of it for a while, then it gets another chance."""
    now = [1000.0]
    memory = Memcached(
        [f"127.0.0.1:{free_port()}"], patience=Patience(failures_max=2, rest_seconds=60), clock=lambda: now[0]
    )
    asked: list[str] = []

    class Counting:
        def get(self, key: str) -> None:
            asked.append(key)
            raise OSError("refused")

    memory._clients = dict.fromkeys(memory._clients, Counting())
    for _ in range(10):
        memory.get("k")
    assert len(asked) == 3
    assert "left alone" in caplog.text
    now[0] += 61
    memory.get("k")
    assert len(asked) == 4


def test_a_living_server_takes_over(server: str) -> None:
    """Keys of a dead server are kept on the next one of the circle."""
    memory = Memcached([server, f"127.0.0.1:{free_port()}"])
    for number in range(20):
        memory.set(f"key{number}", number, time=60)
    assert [memory.get(f"key{number}") for number in range(20)] == list(range(20))


servers = st.lists(
    st.from_regex(r"10\.0\.0\.[0-9]{1,2}:11211", fullmatch=True), min_size=1, max_size=6, unique=True
)


@given(servers, st.text())
def test_every_server_is_tried_once(names: list[str], key: str) -> None:
    """In an order that does not depend on the order of the configuration, and is Swift's."""
    order = list(Circle(names).order(hash_of(key)))
    assert sorted(order) == sorted(names)
    assert order == list(Circle(list(reversed(names))).order(hash_of(key)))
    points = {
        hashlib.md5(f"{name}-{i}".encode()).hexdigest(): name for name in sorted(names) for i in range(50)
    }
    ordered = sorted(points)
    assert order[0] == points[ordered[(bisect(ordered, hash_of(key)) + 1) % len(ordered)]]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("host", ("host", 11211)),
        ("host:1", ("host", 1)),
        ("[::1]", ("::1", 11211)),
        ("[::1]:12", ("::1", 12)),
    ],
)
def test_addresses_may_be_of_any_family(name: str, address: tuple[str, int]) -> None:
    """With and without a port."""
    [client] = Memcached([name])._clients.values()
    assert client.server == address


def test_the_filter_hands_the_memory_on(server: str) -> None:
    """Under the name that Swift's middleware looks for."""
    app = FixedApp()
    ask(filter_factory({}, memcache_servers=server)(app))
    memory = app.seen[0]["swift.cache"]
    memory.set("from a filter", [1])
    assert memory.get("from a filter") == [1]


def test_one_file_may_serve_all_proxies(tmp_path: Path) -> None:
    """memcache.conf counts where the filter's own section is silent."""
    (tmp_path / "memcache.conf").write_text("[memcache]\nmemcache_servers = a:1, b:2\n")
    app = FixedApp()
    ask(filter_factory({"swift_dir": str(tmp_path)})(app))
    ask(filter_factory({"swift_dir": str(tmp_path)}, memcache_servers="c:3")(app))
    assert [sorted(environ["swift.cache"]._clients) for environ in app.seen] == [["a:1", "b:2"], ["c:3"]]


def test_a_bad_setting_stops_the_start() -> None:
    """The message names it."""
    with pytest.raises(Refused, match="io_timeout"):
        filter_factory({}, io_timeout="long")
