"""Laws of the client: against our own server, and against peers that do odd things."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from engine import Line, Recorder, listener, scripted, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apus.common import concurrency
from apus.common.errors import Unavailable
from apus.common.http.client import BARE_ANSWERS_MAX, Exchange, Pool, PoolConfig
from apus.common.http.errors import ConnectFailed, PeerDisconnect, PeerTimeout

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
QUICK = PoolConfig(connect_timeout_seconds=0.2, response_timeout_seconds=0.1, read_timeout_seconds=0.1)


def answers(*replies: bytes) -> Callable[[Line], None]:
    """A script: one reply for each request head that is heard."""

    def script(line: Line) -> None:
        for reply in replies:
            if line.hear():
                line.say(reply)

    return script


def lingers(*replies: bytes) -> Callable[[Line], None]:
    """The same, but the connection stays open."""

    def script(line: Line) -> None:
        answers(*replies)(line)
        concurrency.sleep(60)

    return script


class TestRequests:
    """Whole requests."""

    def test_reach_the_peer_as_they_were_made(self) -> None:
        """Method, path, query, headers and body; and the length is said where a body is usual."""
        recorder = Recorder()
        with serving(recorder) as served:
            pool = Pool()
            pool.request(served.address, "PUT", "/a%20b//?x=1", {"X-M\xc3\xa4": "\xff"}, b"body").read()
            pool.request(served.address, "PUT", "/", {}).read()
            pool.request(served.address, "GET", "/", {}).read()
        put, empty, get = recorder.seen
        assert (put.method, put.raw_path, put.query, put.body) == ("PUT", b"/a%20b//", "x=1", b"body")
        assert put.environ["HTTP_X_M\xc3\xa4"] == "\xff"
        assert put.environ["HTTP_HOST"] == f"127.0.0.1:{served.address[1]}"
        assert empty.environ["CONTENT_LENGTH"] == "0"
        assert "CONTENT_LENGTH" not in get.environ

    def test_share_one_connection(self) -> None:
        """Answers that are read to their end leave the connection for the next request."""
        ports = set()

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            ports.add(environ["REMOTE_PORT"])
            kind = environ["PATH_INFO"]
            if kind == "/chunked":
                start_response("200 OK", [])
                return iter([b"a", b"b"])
            start_response("204 No Content" if kind == "/204" else "200 OK", [("Content-Length", "3")])
            return [b"abc"]

        with serving(app) as served:
            pool = Pool()
            for method, path, body in (
                ("GET", "/", b"abc"),
                ("HEAD", "/", b""),
                ("GET", "/204", b""),
                ("GET", "/chunked", b"ab"),
                ("GET", "/", b"abc"),
            ):
                assert pool.request(served.address, method, path, {}).read() == body
            pool.request(served.address, "GET", "/", {}).drain()
            assert len(ports) == 1
            pool.request(served.address, "GET", "/", {}).read()
            assert len(ports) == 1

    def test_that_run_at_once_have_connections_of_their_own(self) -> None:
        """And all of these are kept, up to the limit."""
        with serving(Recorder()) as served:
            pool = Pool(PoolConfig(idle_connections_max=2))
            responses = [pool.open(served.address, "PUT", "/", {}, length=1) for _ in range(4)]
            for number, exchange in enumerate(responses):
                exchange.send(b"%d" % number)
                exchange.finish()
            assert [exchange.response().read() for exchange in responses] == [b"0", b"1", b"2", b"3"]
            assert len(pool._idle._wires[served.address]) == 2

    @pytest.mark.parametrize("header", [{"A": "b\r\nC: d"}, {"A\n": "b"}])
    def test_cannot_be_broken_out_of(self, header: dict[str, str]) -> None:
        """A line break in a header never reaches the wire; neither does a blank or line break in the path."""
        with scripted(answers(OK)) as address:
            with pytest.raises(ValueError):
                Pool().request(address, "GET", "/", header)
            for path in ("/a b", "/a\r\nB: c", "/\n"):
                with pytest.raises(ValueError):
                    Pool().request(address, "GET", path, {})


class TestKeptConnections:
    """Connections that have been closed meanwhile."""

    def test_closed_by_the_peer_are_replaced(self) -> None:
        """Whether the close is seen before the request or only after it."""
        with scripted(answers(OK)) as address:
            pool = Pool()
            for pause in (0, 0.02, 0, 0):
                assert pool.request(address, "GET", "/", {}).read() == b"hello"
                concurrency.sleep(pause)

    def test_closed_on_the_next_request_are_replaced_once(self) -> None:
        """A peer that closes instead of answering: one more try on a fresh connection, not more."""

        def closes_on_second(line: Line) -> None:
            answers(OK)(line)
            line.hear()

        heard: list[int] = []

        def always_closes(line: Line) -> None:
            heard.append(1)
            line.hear()

        with scripted(closes_on_second, answers(OK)) as address:
            pool = Pool()
            assert pool.request(address, "PUT", "/", {}, b"x").read() == b"hello"
            assert pool.request(address, "PUT", "/", {}, b"x").read() == b"hello"
        with scripted(closes_on_second, always_closes) as address:
            pool = Pool()
            assert pool.request(address, "GET", "/", {}).read() == b"hello"
            with pytest.raises(PeerDisconnect):
                pool.request(address, "GET", "/", {})
            assert heard == [1]

    def test_that_broke_in_mid_answer_are_not_retried(self) -> None:
        """A peer that has begun its answer has acted on the request."""
        with scripted(answers(OK, b"HTTP/1.1 200")) as address:
            pool = Pool()
            assert pool.request(address, "GET", "/", {}).read() == b"hello"
            with pytest.raises(PeerDisconnect):
                pool.request(address, "GET", "/", {})

    def test_on_which_the_peer_spoke_out_of_turn_are_not_used(self) -> None:
        """Bytes behind an answer, at once or later, are never taken for the next answer."""
        evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

        def later(line: Line) -> None:
            answers(OK)(line)
            line.say(evil)
            concurrency.sleep(60)

        for script in (lingers(OK + evil), later):
            with scripted(script, lingers(OK)) as address:
                pool = Pool()
                assert pool.request(address, "GET", "/", {}).read() == b"hello"
                concurrency.sleep(0.01)
                assert pool.request(address, "GET", "/", {}).read() == b"hello"

    def test_are_kept_though_an_answer_came_in_parts(self) -> None:
        """Bytes that arrived while nobody waited for them were the answer's own."""
        ports = set()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            ports.add(environ["REMOTE_PORT"])
            start_response("200 OK", [("Content-Length", "300000")])
            return [b"x" * 300_000]

        with serving(app) as served:
            pool = Pool()
            for _ in range(5):
                response = pool.request(served.address, "GET", "/", {})
                while response.read(50_000):
                    concurrency.sleep(0.002)
        assert len(ports) == 1

    def test_that_are_too_old_are_not_used(self) -> None:
        """Servers close idle connections; ours are given up before."""
        with scripted(lingers(OK, b"too late")) as address:
            pool = Pool(PoolConfig(idle_seconds_max=0.01))
            for _ in range(2):
                assert pool.request(address, "GET", "/", {}).read() == b"hello"
                concurrency.sleep(0.02)

    @pytest.mark.parametrize(
        "reply",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
        ],
    )
    def test_are_not_kept_against_the_peers_will(self, reply: bytes) -> None:
        """Connection: close, HTTP/1.0, and bodies that end with the connection."""
        with scripted(answers(reply)) as address:
            pool = Pool()
            for _ in range(2):
                assert pool.request(address, "GET", "/", {}).read() == b"hello"
                assert not pool._idle._wires.get(address)

    def test_with_unread_answers_are_closed(self) -> None:
        """close() before the end, or losing the response, ends the connection."""
        with scripted(lingers(OK[:-1])) as address:
            pool = Pool()
            response = pool.request(address, "GET", "/", {})
            wire = response._wire
            response.close()
            assert not wire.open
            response = pool.request(address, "GET", "/", {})
            wire = response._wire
            del response
            assert not wire.open
            assert not pool._idle._wires.get(address)


MALFORMED = [
    b"nonsense\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 202 + b"\r\n",
    b"HTTP/1.1 200",
    b"",
]


class TestOddPeers:
    """Peers that fail, each in its own way: always an Unavailable, never a hang."""

    def test_nobody_listens(self) -> None:
        """ConnectFailed."""
        with scripted(answers()) as address:
            pass
        with pytest.raises(ConnectFailed):
            Pool().request(address, "GET", "/", {})

    def test_nobody_accepts(self) -> None:
        """A peer that is off the network costs the connect timeout, not more."""
        pool = Pool(PoolConfig(connect_timeout_seconds=0.05, response_timeout_seconds=0.05))
        deaf = listener()
        deaf.listen(0)  # Connections beyond its backlog are never accepted.
        failures = []
        for _ in range(4):
            with pytest.raises(Unavailable) as failure:
                pool.open(deaf.getsockname(), "PUT", "/", {}, length=1, expect_continue=True)
            failures.append(failure.type)
        deaf.close()
        assert ConnectFailed in failures

    @pytest.mark.parametrize("reply", MALFORMED, ids=[repr(reply[:30]) for reply in MALFORMED])
    def test_nonsense_is_a_disconnect(self, reply: bytes) -> None:
        """What is no answer is none, and the connection is closed."""
        with scripted(answers(reply)) as address, pytest.raises(PeerDisconnect):
            Pool().request(address, "GET", "/", {}).read()

    def test_silence_is_a_timeout(self) -> None:
        """No answer in time."""
        with scripted(lingers(b"")) as address, pytest.raises(PeerTimeout):
            Pool(QUICK).request(address, "GET", "/", {})

    def test_each_request_may_have_its_own_patience(self) -> None:
        """timeout_seconds takes the place of the pool's."""
        with scripted(lingers(b"")) as address, pytest.raises(PeerTimeout), concurrency.timeout(60):
            Pool().request(address, "GET", "/", {}, timeout_seconds=0.01)

    def test_a_head_that_drips_is_a_timeout(self) -> None:
        """A byte now and then does not keep us."""

        def script(line: Line) -> None:
            line.hear()
            line.say(*(OK[at : at + 1] for at in range(len(OK))), pause_seconds=0.03)

        with scripted(script) as address, pytest.raises(PeerTimeout):
            Pool(QUICK).request(address, "GET", "/", {})

    def test_a_body_that_breaks_off_is_a_disconnect(self) -> None:
        """However it was framed, a short body is never taken for a whole one."""
        for reply in (OK[:-1], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"):
            with scripted(answers(reply)) as address:
                response = Pool().request(address, "GET", "/", {})
                with pytest.raises(PeerDisconnect):
                    response.read()

    def test_a_body_that_stops_is_a_timeout(self) -> None:
        """Each read has its time."""
        with scripted(lingers(OK[:-1])) as address:
            response = Pool(PoolConfig(read_timeout_seconds=0.05)).request(address, "GET", "/", {})
            with pytest.raises(PeerTimeout):
                response.read()
            assert not response._wire.open

    def test_interim_answers_are_passed_over(self) -> None:
        """100 and 102 before the real one."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n"
        with scripted(answers(interim + OK)) as address:
            assert Pool().request(address, "GET", "/", {}).read() == b"hello"

    def test_an_answer_in_pieces_is_an_answer(self) -> None:
        """Head and body may come byte by byte."""

        def script(line: Line) -> None:
            line.hear()
            line.say(*(OK[at : at + 1] for at in range(len(OK))))

        with scripted(script) as address:
            assert Pool().request(address, "GET", "/", {}).read() == b"hello"

    def test_a_peer_that_answers_without_reading_is_heard(self) -> None:
        """An early refusal of a large body is the answer."""

        def script(line: Line) -> None:
            line.hear()
            line.say(b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            line.wire.end_writing()
            while line.wire.receive(65536, 5):
                pass

        with scripted(script) as address:
            assert Pool().request(address, "PUT", "/", {}, b"x" * 5_000_000).status == 507


def send_much(exchange: Exchange) -> None:
    """Send 50 MB, more than any socket buffer takes."""
    for _ in range(50):
        exchange.send(b"x" * 1_000_000)


class TestExchanges:
    """Bodies that come piece by piece."""

    @pytest.mark.parametrize("expect", [True, False])
    @pytest.mark.parametrize("length", [10, None])
    def test_arrive_whole(self, expect: bool, length: int | None) -> None:
        """Measured or chunked, expected or not."""
        recorder = Recorder()
        with serving(recorder) as served:
            pool = Pool()
            for _ in range(2):
                exchange = pool.open(served.address, "PUT", "/", {}, length=length, expect_continue=expect)
                assert exchange.continue_status == (100 if expect else None)
                for piece in (b"123", b"", bytearray(b"4567"), memoryview(b"890")):
                    exchange.send(piece)
                exchange.finish()
                assert exchange.response().read() == b"1234567890"
            assert recorder.seen[0].environ["REMOTE_PORT"] == recorder.seen[1].environ["REMOTE_PORT"]

    def test_refused_early_say_so(self) -> None:
        """A final status instead of 100: no body is sent, and the connection is not used again."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("507 Full", [("Content-Length", "4")])
            return [b"full"]

        with serving(app) as served:
            pool = Pool()
            exchange = pool.open(served.address, "PUT", "/", {}, length=10, expect_continue=True)
            assert exchange.continue_status == 507
            response = exchange.response()
            assert (response.status, response.read()) == (507, b"full")
            assert not pool._idle._wires.get(served.address)

    def test_over_a_closed_kept_connection_are_begun_anew(self) -> None:
        """With Expect the close is noticed in time."""

        def closes_on_second(line: Line) -> None:
            answers(OK)(line)
            line.hear()

        def proper(line: Line) -> None:
            assert b"Expect: 100-continue" in line.hear()
            line.say(b"HTTP/1.1 100 Continue\r\n\r\n")
            line.hear(b"body")
            line.say(OK)

        with scripted(closes_on_second, proper) as address:
            pool = Pool()
            pool.request(address, "GET", "/", {}).read()
            exchange = pool.open(address, "PUT", "/", {}, length=4, expect_continue=True)
            assert exchange.continue_status == 100
            exchange.send(b"body")
            exchange.finish()
            assert exchange.response().status == 200

    def test_broken_by_the_peer_are_a_disconnect(self) -> None:
        """In mid-body."""
        with scripted(lambda line: None) as address:
            exchange = Pool().open(address, "PUT", "/", {}, length=50_000_000)
            with pytest.raises(Unavailable):
                send_much(exchange)

    def test_not_taken_by_the_peer_are_a_timeout(self) -> None:
        """A peer that reads nothing costs the read timeout."""
        with scripted(lambda line: concurrency.sleep(60)) as address:
            exchange = Pool(QUICK).open(address, "PUT", "/", {}, length=50_000_000)
            with pytest.raises(PeerTimeout):
                send_much(exchange)

    def test_that_are_forgotten_end(self) -> None:
        """An exchange that nobody holds any more closes its connection."""
        recorder = Recorder()
        with serving(recorder) as served:
            Pool().open(served.address, "PUT", "/", {}, length=5).send(b"123")
            with concurrency.timeout(60):
                while not recorder.seen or recorder.seen[0].body == b"":
                    concurrency.sleep(0.001)

    @pytest.mark.parametrize("length", [10, None])
    def test_that_are_given_up_leave_nothing_whole(self, length: int | None) -> None:
        """abort() in mid-body: the peer sees that the body is not complete."""
        recorder = Recorder()
        with serving(recorder) as served:
            exchange = Pool().open(served.address, "PUT", "/", {}, length=length)
            exchange.send(b"12345")
            exchange.abort()
            while not recorder.seen or recorder.seen[0].body == b"":
                concurrency.sleep(0.001)
            assert isinstance(recorder.seen[0].body, type)


class TestTransfer:
    """Bodies that go from a peer to a client without entering Python."""

    @pytest.mark.parametrize("size", [0, 5, 5000, 40_000, 100_000, 5_000_000])
    def test_arrive_whole(self, size: int) -> None:
        """Of any size, twice over the same connections."""
        body, ports, pool = os.urandom(size), set(), Pool()

        def back(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            ports.add(environ["REMOTE_PORT"])
            start_response("200 OK", [("Content-Length", str(size))])
            return [body]

        def front(environ: dict[str, Any], start_response: Any) -> Any:
            response = pool.request(behind.address, "GET", "/", {})
            start_response("200 OK", [("Content-Length", response.headers["content-length"])])
            return response.body()

        with serving(back) as behind, serving(front) as served, served.raw() as raw:
            for _ in range(2):
                raw.send(b"GET / HTTP/1.1\r\n\r\n")
                assert raw.answer().body == body
        assert len(ports) == 1

    def test_that_break_off_break_the_answer_off(self) -> None:
        """The client of the proxy sees that its body is short."""
        pool = Pool()

        def front(environ: dict[str, Any], start_response: Any) -> Any:
            response = pool.request(address, "GET", "/", {})
            start_response("200 OK", [("Content-Length", "1000000")])
            return response.body()

        short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 999_999
        with scripted(answers(short)) as address, serving(front) as served, served.raw() as raw:
            raw.send(b"GET / HTTP/1.1\r\n\r\n")
            assert len(raw.rest().partition(b"\r\n\r\n")[2]) < 1_000_000

    def test_that_fail_before_their_first_byte_are_an_error(self) -> None:
        """The head has not gone yet: a 500 can still be said."""
        pool = Pool(QUICK)

        def front(environ: dict[str, Any], start_response: Any) -> Any:
            response = pool.request(address, "GET", "/", {})
            start_response("200 OK", [("Content-Length", "1000000")])
            return response.body()

        with (
            scripted(lingers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")) as address,
            serving(front) as served,
        ):
            assert served.ask(b"GET / HTTP/1.1\r\n\r\n").status == 500

    def test_that_nobody_takes_end_the_backends_connection(self) -> None:
        """A client that leaves: the backend's connection is closed, not kept in mid-body."""
        pool = Pool()
        gone = concurrency.Event()

        def back(line: Line) -> None:
            line.hear()
            try:
                line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while True:
                    line.say(b"x" * 100_000)
            finally:
                gone.set()

        def front(environ: dict[str, Any], start_response: Any) -> Any:
            response = pool.request(address, "GET", "/", {})
            start_response("200 OK", [("Content-Length", response.headers["content-length"])])
            return response.body()

        with scripted(back) as address, serving(front) as served:
            with served.raw() as raw:
                raw.send(b"GET / HTTP/1.1\r\n\r\n")
                raw.wire.receive(100_000, 5)
            assert gone.wait(5)
            assert not pool._idle._wires.get(address)


class TestReading:
    """The ways to read an answer."""

    def test_all_give_the_same(self) -> None:
        """read, read(n), readinto, chunks: whatever the framing."""
        body = os.urandom(200_000)

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/measured":
                start_response("200 OK", [("Content-Length", str(len(body)))])
            else:
                start_response("200 OK", [])
            return iter([body[:100], body[100:70_000], body[70_000:]])

        def by_readinto(response: Any) -> bytes:
            buffer, gathered = bytearray(1000), b""
            while count := response.readinto(memoryview(buffer)):
                gathered += buffer[:count]
            return gathered

        ways: list[Callable[[Any], bytes]] = [
            lambda response: response.read(),
            lambda response: b"".join(iter(lambda: response.read(777), b"")),
            lambda response: b"".join(response.chunks(999)),
            lambda response: b"".join(response),
            by_readinto,
            lambda response: b"".join(response.body()),
        ]
        with serving(app) as served:
            pool = Pool()
            for path in ("/measured", "/chunked"):
                for way in ways:
                    assert way(pool.request(served.address, "GET", path, {})) == body
            assert len(pool._idle._wires[served.address]) == 1

    def test_headers_are_found_in_any_case(self) -> None:
        """Names by any case, original names when iterated, repeated ones joined."""
        reply = b"HTTP/1.1 200 Fine\r\nETag: x\r\nVia: a\r\nvia: b \r\nX-\xc3\xa4: \xff\r\nContent-Length: 0\r\n\r\n"
        with scripted(answers(reply)) as address:
            response = Pool().request(address, "GET", "/", {})
        assert response.reason == "Fine"
        assert response.headers["etag"] == response.headers["ETAG"] == "x"
        assert response.headers.get("Via") == "a,b"
        assert dict(response.headers)["X-\xc3\xa4"] == "\xff"
        assert "nothing" not in response.headers
        assert response.headers.get("nothing") is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(st.binary(max_size=3000), max_size=6),
    measured=st.booleans(),
    expect=st.booleans(),
    answer_pieces=st.lists(st.integers(1, 5000), max_size=5),
    answer_measured=st.booleans(),
    reading=st.integers(1, 4000),
)
def test_any_body_round_trips(
    body: list[bytes],
    measured: bool,
    expect: bool,
    answer_pieces: list[int],
    answer_measured: bool,
    reading: int,
) -> None:
    """Whatever is sent, in whatever pieces, comes back: client to server to client, however each side frames it."""
    whole = b"".join(body)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        received = b"".join(iter(lambda: environ["wsgi.input"].read(reading), b""))
        start_response("200 OK", [("Content-Length", str(len(received)))] if answer_measured else [])
        for size in answer_pieces:
            yield received[:size]
            received = received[size:]
        yield received

    with serving(app) as served:
        pool = Pool()
        for _ in range(2):
            length = len(whole) if measured else None
            exchange = pool.open(
                served.address, "PUT", "/", {}, length=length, expect_continue=expect and bool(whole)
            )
            for piece in body:
                exchange.send(piece)
            exchange.finish()
            assert b"".join(exchange.response().chunks(reading)) == whole


BARE = b"HTTP/1.1 201 Created\r\nEtag: a\r\nContent-Length: 0\r\n\r\n"


class TestBegun:
    """Requests whose answers the hub hears."""

    @staticmethod
    def begun(pool: Pool, address: tuple[str, int], method: str = "PUT") -> tuple[int, str | None, bytes]:
        """Begin a request on a kept connection; return status, Etag and body of what is heard."""
        heard: concurrency.Queue = concurrency.Queue()
        assert pool.begin(address, method, "/", {}, heard=heard.put) is not None
        asked = heard.get(timeout=60)
        assert asked.response is not None, asked.problem
        return asked.response.status, asked.response.headers.get("etag"), asked.response.read()

    def test_the_same_bytes_are_the_same_answer(self) -> None:
        """Said again and again, with others between, each is heard as what it is."""
        other = BARE.replace(b": a", b": b")
        full = BARE.replace(b"h: 0", b"h: 3") + b"why"
        said = [BARE, BARE, other, full, BARE, full, other]
        expected = [(201, "a", b"")] * 2 + [(201, "b", b""), (201, "a", b"why"), (201, "a", b"")]
        expected += [(201, "a", b"why"), (201, "b", b"")]
        with scripted(lingers(OK, *said)) as address:
            pool = Pool()
            pool.request(address, "GET", "/", {}).read()
            assert [self.begun(pool, address) for _ in said] == expected

    def test_an_answer_to_head_is_none_to_anything_else(self) -> None:
        """The very same head is followed by a body, or not."""
        head, _, _ = OK.partition(b"hello")
        with scripted(lingers(OK, head, OK, head)) as address:
            pool = Pool()
            pool.request(address, "GET", "/", {}).read()
            assert self.begun(pool, address, "HEAD") == (200, None, b"")
            assert self.begun(pool, address, "POST") == (200, None, b"hello")
            assert self.begun(pool, address, "HEAD") == (200, None, b"")

    def test_a_connection_is_not_kept_against_its_peer_s_word(self) -> None:
        """Who says that it ends is believed, however often it has been said."""
        last = BARE.replace(b"Etag", b"Connection: close\r\nEtag")
        with scripted(lingers(OK, last)) as address:
            pool = Pool()
            for _ in range(3):
                pool.request(address, "GET", "/", {}).read()
                assert self.begun(pool, address) == (201, "a", b"")
                assert pool.begin(address, "PUT", "/", {}, heard=lambda _: None) is None

    def test_many_answers_are_not_all_remembered(self) -> None:
        """What a worker keeps of them is bounded."""
        said = [BARE.replace(b": a", b": %d" % number) for number in range(BARE_ANSWERS_MAX * 2 + 1)]
        with scripted(lingers(OK, *said)) as address:
            pool = Pool()
            pool.request(address, "GET", "/", {}).read()
            for number in range(len(said)):
                assert self.begun(pool, address) == (201, str(number), b"")
            assert len(pool._bare) <= BARE_ANSWERS_MAX
