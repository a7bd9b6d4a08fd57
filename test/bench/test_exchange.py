"""The load client believes nothing: every status, length and entry is checked."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from bench.client import Load, Plan
from bench.exchange import Broken, Connection, Request
from bench.peer import Endpoint

LENGTH = b"Content-Length: "


@contextmanager
def answering(*pieces: bytes) -> Iterator[int]:
    """A server that answers each request with the pieces, one by one; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with closing(listener):
            connection, _ = listener.accept()
            with closing(connection):
                while True:
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n"):
                        received = connection.recv(65536)
                        if not received:
                            return
                        asked += received
                    for piece in pieces:
                        connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(10)


def exchange(port: int, request: Request) -> None:
    """Do it once; Broken when the answer was not as it must be."""
    with closing(select.epoll()) as epoll:
        connection = Connection(("127.0.0.1", port), epoll)
        with closing(connection):
            connection.begin(request)
            while not connection.receive():
                assert epoll.poll(10)


GET = Request(b"GET / HTTP/1.1\r\n\r\n", 200, answer_bytes=3)
HEAD = Request(b"HEAD / HTTP/1.1\r\n\r\n", 200, answer_bytes=3, is_head=True)
LIST = Request(b"GET /c HTTP/1.1\r\n\r\n", 200, answer_items=2)


@pytest.mark.parametrize(
    ("request_", "pieces"),
    [
        (GET, [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"]),
        (GET, [b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 3\r\n\r", b"\na", b"bc"]),
        (HEAD, [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"]),
        (LIST, [b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n[{"1"}, {2}]']),
        (
            LIST,
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n[{},{}", b"\r\n1\r\n]\r\n0\r\n\r\n"],
        ),
    ],
)
def test_an_answer_may_arrive_in_any_pieces(request_: Request, pieces: list[bytes]) -> None:
    """Heads and bodies are put together, whatever the wire made of them."""
    with answering(*pieces) as port:
        exchange(port, request_)


@pytest.mark.parametrize(
    ("request_", "answer", "said"),
    [
        (GET, b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nabc", "status 503"),
        (GET, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "2 bytes"),
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "says it holds 4 bytes"),
        (LIST, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{}]", "1 entries"),
        (GET, b"HTTP/1.1 200 OK\r\n\r\nabc", "an answer without a length"),
    ],
)
def test_a_wrong_answer_is_an_error(request_: Request, answer: bytes, said: str) -> None:
    """Status, length of a body or of what HEAD tells, and the number of entries must be right."""
    with answering(answer) as port, pytest.raises(Broken, match=said):
        exchange(port, request_)


@pytest.mark.parametrize(
    ("operation", "moved"), [("put", 9), ("get", 9), ("range", 2), ("head", 0), ("list", 0)]
)
def test_only_bodies_of_objects_are_counted_as_moved(operation: str, moved: int) -> None:
    """A range moves its own length, and whatever tells about an object moves nothing of it."""
    plan = Plan(Endpoint("h", 1, "/v1/a", "t"), operation, "c", 1, 1.0, 1, size_bytes=9, range_bytes=2)
    assert plan.moved_bytes == moved


def test_names_in_folders_are_all_different_and_neighbours_far_from_each_other() -> None:
    """As many objects as folders take one each."""
    plan = Plan(Endpoint("h", 1, "/v1/a", "t"), "put", "c", 1, 1.0, 1, prefix="p-", folders=100)
    load = Load(plan)
    paths = [load._request(number).head.split()[1].decode() for number in range(100)]
    load.close()
    assert len({path.split("/")[4] for path in paths}) == 100
    assert paths[:2] == ["/v1/a/c0/folder-000000/p-0", "/v1/a/c0/folder-000019/p-1"]


def test_a_load_keeps_to_its_plan() -> None:
    """So many operations and no more, each timed, after warm-up requests that do not count."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc") as port:
        plan = Plan(
            Endpoint("127.0.0.1", port, "/v1/a", "t"), "get", "c", 1, 30.0, 25, size_bytes=3, warm_up=5
        )
        load = Load(Plan.from_json(plan.to_json()))
        load.warm_up()
        outcome = load.run()
        load.close()
    assert outcome.operations == 25
    assert outcome.bytes_moved == 75
    assert not outcome.errors
    assert 0 < outcome.p50_ms <= outcome.p99_ms <= outcome.max_ms
