"""Laws of the server, seen from a raw socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from engine import Recorder, serving

from apus.common import concurrency
from apus.common.http.errors import ClientDisconnect, ClientTimeout

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def put(body: bytes, *headers: bytes) -> bytes:
    """A PUT of the body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"PUT /x HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (lines, len(body), body)


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """An application that reads nothing."""
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


REFUSED = [
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\n\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n A: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400),
    (b"GET relative HTTP/1.1\r\n\r\n", 400),
    (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nA: " + b"a" * 8192 + b"\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 9 + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 127 + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 202 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: five\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    (b"PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", 400),
    (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 20000, 400),
]


@pytest.mark.parametrize(
    ("request_bytes", "status"), REFUSED, ids=[repr(r[:40]) + str(s) for r, s in REFUSED]
)
def test_trap_3_bad_framing_is_refused_and_closes(request_bytes: bytes, status: int) -> None:
    """The right status, Connection: close, a transaction id; and what follows is not taken for a request."""
    recorder = Recorder()
    with serving(recorder) as served, served.raw() as raw:
        raw.send(request_bytes + GET)
        answer = raw.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-trans-id"] == answer.headers["x-openstack-request-id"]
        assert raw.ends()
    assert all(not isinstance(seen.body, bytes) for seen in recorder.seen)


def test_trap_4_requests_on_a_connection_are_answered_in_order() -> None:
    """Pipelined requests, with and without bodies, come one by one and none is lost."""
    recorder = Recorder()
    chunked = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: ChunKed\r\n\r\n3;ext=1\r\nabc\r\n0\r\nT: r\r\n\r\n"
    with serving(recorder) as served, served.raw() as raw:
        raw.send(GET + put(b"one") + chunked + GET + put(b"two", b"Connection: close") + GET)
        bodies = [raw.answer().body for _ in range(5)]
        assert bodies == [b"", b"one", b"abc", b"", b"two"]
        assert raw.ends()
    assert len(recorder.seen) == 5


def test_a_request_may_come_byte_by_byte() -> None:
    """How the bytes are split over packets does not matter."""
    recorder = Recorder()
    data = put(b"body", b"A: b") + b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    with serving(recorder) as served, served.raw() as raw:
        raw.send(*(data[at : at + 1] for at in range(len(data))))
        assert [raw.answer().body, raw.answer().body] == [b"body", b"ab"]


def test_the_environ_holds_what_was_sent() -> None:
    """Raw path, undecoded bytes of headers, peer and version are all there."""
    recorder = Recorder()
    with serving(recorder) as served:
        served.ask(
            b"REPLICATE //a/%2e/../\xc3\xa9;x?q=%2F HTTP/1.1\r\nHost: h:1\r\nX-M\xc3\xa4: \xe9\xff\r\n\r\n"
        )
    (seen,) = recorder.seen
    assert (seen.method, seen.raw_path, seen.query) == ("REPLICATE", b"//a/%2e/../\xc3\xa9;x", "q=%2F")
    assert seen.environ["PATH_INFO"] == "//a/./../\xc3\xa9;x"
    assert seen.environ["HTTP_X_M\xc3\xa4"] == "\xe9\xff"
    assert seen.environ["HTTP_HOST"] == "h:1"
    assert seen.environ["REMOTE_ADDR"] == "127.0.0.1"
    assert seen.environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_response_headers_round_trip_as_bytes() -> None:
    """A WSGI string leaves as the bytes it stands for, with its case."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(
            "200 OK", [("ETag", '"x"'), ("X-Object-Meta-\xc3\xa4", "\xff\xe9"), ("Content-Length", "0")]
        )
        return []

    with serving(app) as served, served.raw() as raw:
        raw.send(GET)
        assert raw.answer().headers["x-object-meta-\xc3\xa4"] == "\xff\xe9"


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close\r\n", False),
        (b"1.1", b"Connection: Foo, CLOSE\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_connections_stay_as_the_client_wishes(version: bytes, header: bytes, stays: bool) -> None:
    """The answer says what will happen, and it does."""
    with serving(hello) as served, served.raw() as raw:
        raw.send(b"GET / HTTP/" + version + b"\r\n" + header + b"\r\n")
        answer = raw.answer()
        assert answer.body == b"hello"
        assert answer.headers.get("connection") == (
            "close" if not stays else "keep-alive" if version == b"1.0" else None
        )
        if stays:
            raw.send(GET)
            assert raw.answer().status == 200
        else:
            assert raw.ends()


def test_empty_lines_before_a_request_are_skipped() -> None:
    """Old clients send one behind a body."""
    with serving(hello) as served, served.raw() as raw:
        raw.send(b"\r\n\r\n" + GET + b"\r\n", GET)
        assert [raw.answer().status, raw.answer().status] == [200, 200]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
def test_trap_4_answers_that_have_no_body(status: str) -> None:
    """HEAD, 204 and 304 keep their headers and send no body, even if the application gives one."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Length", "5")])
        return [b"hello"]

    method = b"HEAD" if status.startswith("200") else b"GET"
    with serving(app) as served, served.raw() as raw:
        raw.send((method + b" / HTTP/1.1\r\n\r\n") * 2)
        for _ in range(2):
            answer = raw.answer("HEAD")
            assert answer.headers["content-length"] == "5"
        assert raw.is_silent()


def test_a_204_needs_no_length() -> None:
    """No Content-Length and no chunked encoding is invented for it, nor for HEAD."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("204 No Content" if environ["REQUEST_METHOD"] == "GET" else "200 OK", [])
        return []

    with serving(app) as served:
        for method in ("GET", "HEAD"):
            answer = served.ask(method.encode() + b" / HTTP/1.1\r\n\r\n", method="HEAD")
            assert not answer.headers.keys() & {"content-length", "transfer-encoding"}


def pieces(*texts: bytes) -> Any:
    """An application that yields these and announces no length."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from texts

    return app


def test_a_body_of_unknown_length_is_chunked() -> None:
    """For HTTP/1.1; empty pieces do not end it."""
    with serving(pieces(b"a", b"", b"bc" * 50000)) as served, served.raw() as raw:
        raw.send(GET + GET)
        for _ in range(2):
            answer = raw.answer()
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.body == b"a" + b"bc" * 50000


def test_a_body_of_unknown_length_ends_with_the_connection() -> None:
    """For HTTP/1.0, which knows no chunks, even if it asked to stay."""
    with serving(pieces(b"a", b"bc")) as served, served.raw() as raw:
        raw.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = raw.answer()
        assert answer.headers["connection"] == "close"
        assert answer.body == b"abc"


def test_an_empty_answer_has_a_length() -> None:
    """Whether a list or a generator was empty: Content-Length: 0."""

    def empty(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    for app in (pieces(), empty):
        with serving(app) as served:
            assert served.ask(GET).headers["content-length"] == "0"


@pytest.mark.parametrize("given", [[b"hel"], [b"hel", b""], []])
def test_a_body_shorter_than_announced_ends_the_connection(given: list[bytes]) -> None:
    """The client must be able to see that something is missing."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return given

    with serving(app) as served, served.raw() as raw:
        raw.send(GET + GET)
        assert raw.rest().partition(b"\r\n\r\n")[2] == b"".join(given)


def test_a_body_longer_than_announced_is_cut() -> None:
    """What is surplus would be taken for the next answer."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"he", b"llo", b"!"]

    with serving(app) as served, served.raw() as raw:
        raw.send(GET)
        assert raw.answer().body == b"hel"
        assert raw.ends()


def test_a_failing_application_is_a_500() -> None:
    """Before the head: 500. Behind it: the connection ends early, without a last chunk."""

    def before(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise KeyError("oops")

    def behind(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"abc"
        raise KeyError("oops")

    with serving(before) as served:
        answer = served.ask(GET)
        assert (answer.status, answer.headers["connection"]) == (500, "close")
        assert "x-trans-id" in answer.headers
    with serving(behind) as served, served.raw() as raw:
        raw.send(GET)
        assert raw.rest().endswith(b"\r\n\r\n3\r\nabc\r\n")


@pytest.mark.parametrize(
    "header", [("X-A", "b\r\nSet-Cookie: c"), ("X-A\nB", "c"), ("X-A", "b\rc"), ("X-A", "€")]
)
def test_a_header_cannot_break_out_of_its_line(header: tuple[str, str]) -> None:
    """A line break in what the application answers is a 500, not a second header."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [header, ("Content-Length", "0")])
        return []

    with serving(app) as served:
        answer = served.ask(GET)
        assert answer.status == 500
        assert "set-cookie" not in answer.headers


def test_a_percent_sign_in_a_header_is_nothing_special() -> None:
    """Neither in a name nor in a value, the first time and later ones."""
    headers = [("X-Object-Meta-%s", "100%"), ("X-A", "%d%%"), ("Content-Length", "2")]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", headers)
        return [b"ok"]

    with serving(app) as served, served.raw() as raw:
        for _ in range(2):
            raw.send(GET)
            answer = raw.answer()
            assert (answer.headers["x-object-meta-%s"], answer.headers["x-a"]) == ("100%", "%d%%")
            assert answer.body == b"ok"


def test_results_are_closed() -> None:
    """close() of the result is called once, whether the answer succeeded or not."""
    closed: list[int] = []

    class Result:
        def __iter__(self) -> Iterator[bytes]:
            yield b"abc"
            raise KeyError("oops")

        def close(self) -> None:
            closed.append(1)

    def app(environ: dict[str, Any], start_response: Any) -> Result:
        start_response("200 OK", [("Content-Length", "6")])
        return Result()

    with serving(app) as served, served.raw() as raw:
        raw.send(GET)
        raw.rest()
    assert closed == [1]


def test_write_of_start_response_works() -> None:
    """WSGI's old way to send is still there."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"abc")
        return [b"def"]

    with serving(app) as served:
        assert served.ask(GET).body == b"abcdef"


def test_start_response_may_be_called_again_with_an_error() -> None:
    """As WSGI says: with exc_info, and only before the head has gone."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        problem = ValueError("changed my mind")
        start_response("503 Later", [("Content-Length", "2")], (ValueError, problem, None))
        return [b"no"]

    with serving(app) as served:
        assert (served.ask(GET).status, served.ask(GET).body) == (503, b"no")


class TestExpect:
    """`Expect: 100-continue`."""

    def test_is_answered_when_the_body_is_read(self) -> None:
        """100 comes at the first read, once, and only then the body is sent."""
        recorder = Recorder()
        head, body = put(b"hello", b"Expect: 100-Continue")[:-5], b"hello"
        with serving(recorder) as served, served.raw() as raw:
            raw.send(head)
            assert raw._head() == (100, {})
            raw.send(body + GET)
            assert raw.answer().body == b"hello"
            assert raw.answer().status == 200

    def test_is_not_answered_behind_a_refusal(self) -> None:
        """A final status without a read: no 100, then or later, and the connection ends."""
        with serving(hello) as served, served.raw() as raw:
            raw.send(put(b"hello", b"Expect: 100-continue")[:-5])
            answer = raw.answer()
            assert (answer.status, answer.interim) == (200, [])
            assert answer.headers["connection"] == "close"
            assert raw.ends()

    def test_is_not_taken_for_a_request_behind_a_refusal(self) -> None:
        """The body that the client sends all the same is not the next request."""
        recorder = Recorder()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            if environ["REQUEST_METHOD"] == "PUT":
                start_response("413 Too Large", [("Content-Length", "0")])
                return []
            return recorder(environ, start_response)

        with serving(app) as served, served.raw() as raw:
            raw.send(put(GET * 3, b"Expect: 100-continue")[: -3 * len(GET)])
            assert raw.answer().status == 413
            raw.send(GET * 3)
            assert raw.ends()
        assert recorder.seen == []

    def test_needs_no_100_when_the_body_is_already_there(self) -> None:
        """A client that did not wait gets its answer directly."""
        with serving(Recorder()) as served, served.raw() as raw:
            raw.send(put(b"hello", b"Expect: 100-continue"))
            answer = raw.answer()
            assert (answer.body, answer.interim) == (b"hello", [])

    def test_without_a_body_is_no_expectation(self) -> None:
        """Nothing would follow a 100, so none is sent."""
        with serving(Recorder()) as served, served.raw() as raw:
            raw.send(put(b"", b"Expect: 100-continue"))
            assert raw.answer().interim == []

    def test_of_http_1_0_is_ignored(self) -> None:
        """HTTP/1.0 knows no 100."""
        with serving(Recorder()) as served, served.raw() as raw:
            raw.send(b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert raw.is_silent()
            raw.send(b"hello")
            assert raw.answer().interim == []


class TestUnreadBodies:
    """Bodies that the application leaves unread."""

    def test_trap_2_short_bodies_left_unread_are_skipped(self) -> None:
        """The next request is found behind the body, whether it had come before the answer or not."""
        with serving(hello) as served, served.raw() as raw:
            raw.send(put(b"b" * 60000) + GET)
            assert [raw.answer().status, raw.answer().status] == [200, 200]
            raw.send(put(b"b" * 50)[:-50])
            assert raw.answer().headers.get("connection") is None
            raw.send(b"b" * 50 + GET)
            assert raw.answer().status == 200

    def test_trap_2_long_bodies_left_unread_end_the_connection(self) -> None:
        """The answer says so, and arrives although the client is still sending."""
        with serving(hello, drain_bytes_max=1000) as served, served.raw() as raw:
            raw.send(put(b"b" * 3_000_000))
            answer = raw.answer()
            assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
            assert raw.ends()

    def test_a_body_that_came_with_its_head_is_skipped_by_an_application_that_ends_the_connection(
        self,
    ) -> None:
        """Or says anything else that an answer rarely says."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("400 No", [("Content-Length", "0"), ("Connection", "close")])
            return []

        with serving(app) as served, served.raw() as raw:
            raw.send(put(b"hello") + GET)
            assert raw.answer().headers["connection"] == "close"
            assert raw.ends()

    def test_trap_2_chunked_bodies_that_are_all_there_are_skipped(self) -> None:
        """The next request is found behind the last chunk, though nobody has said where that is."""
        head, body = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"
        with serving(hello) as served, served.raw() as raw:
            raw.send(head + body + GET)
            assert [raw.answer().status, raw.answer().status] == [200, 200]
            raw.send(head, body, GET)
            assert [raw.answer().status, raw.answer().status] == [200, 200]

    @pytest.mark.parametrize("rest", [b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhe", b"x\r\n"])
    def test_trap_2_chunked_bodies_that_do_not_end_end_the_connection(self, rest: bytes) -> None:
        """Where they would end is not known; the answer does not wait for that."""
        with serving(hello) as served, served.raw() as raw:
            raw.send(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + rest)
            answer = raw.answer()
            assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
            assert raw.ends()

    def test_trap_2_an_answer_follows_the_body_that_is_on_its_way(self) -> None:
        """Proxies close the connection of a client whose answer has overtaken the end of its request."""
        moments: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            moments.append("asked")
            return hello(environ, start_response)

        with serving(app) as served, served.raw() as raw:
            raw.send(put(b"b" * 50)[:-50])
            while not moments:
                concurrency.sleep(0.001)
            assert raw.is_silent(0.01)
            raw.send(b"b" * 50 + GET)
            assert [raw.answer().headers.get("connection"), raw.answer().status] == [None, 200]

    def test_the_rest_of_one_is_skipped(self) -> None:
        """An application that reads half of the body does no harm."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            half = environ["wsgi.input"].read(4)
            start_response("200 OK", [("Content-Length", str(len(half)))])
            return [half]

        with serving(app) as served, served.raw() as raw:
            raw.send(put(b"12345678") + put(b"abcdefgh"))
            assert [raw.answer().body, raw.answer().body] == [b"1234", b"abcd"]


class TestFates:
    """Clients that go away or fall silent."""

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel",
            b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_trap_6_a_body_that_breaks_off_is_a_disconnect(self, request_bytes: bytes) -> None:
        """The application is told, however the body was framed; nothing is answered."""
        recorder = Recorder()
        with serving(recorder) as served, served.raw() as raw:
            raw.send(request_bytes)
            raw.end()
            assert raw.ends()
        assert [seen.body for seen in recorder.seen] == [ClientDisconnect]

    def test_trap_14_a_body_that_stops_is_a_408(self) -> None:
        """The application is told, and if it says nothing the client gets 408 and the connection ends."""
        recorder = Recorder()
        with serving(recorder, client_timeout_seconds=0.05) as served, served.raw() as raw:
            raw.send(put(b"hello")[:-2])
            answer = raw.answer()
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            assert raw.ends()
        assert [seen.body for seen in recorder.seen] == [ClientTimeout]

    def test_trap_2_an_application_may_answer_for_a_body_that_stops(self) -> None:
        """Its answer carries Connection: close, for the rest of the body is not waited for."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            with pytest.raises(ClientTimeout):
                environ["wsgi.input"].read()
            start_response("408 Too Slow", [("Content-Length", "4")])
            return [b"slow"]

        with serving(app, client_timeout_seconds=0.05) as served, served.raw() as raw:
            raw.send(put(b"hello")[:-2])
            answer = raw.answer()
            assert (answer.status, answer.headers["connection"], answer.body) == (408, "close", b"slow")
            assert raw.ends()

    def test_trap_14_a_head_that_stops_is_a_408(self) -> None:
        """Even if a byte comes now and then: the head has one deadline."""
        with serving(hello, client_timeout_seconds=0.1) as served, served.raw() as raw:
            raw.send(b"GET / HTTP/1.1\r\nA: ")
            for _ in range(4):
                concurrency.sleep(0.04)
                raw.send(b"b")
            assert raw.answer().status == 408
            assert raw.ends()

    def test_an_idle_connection_ends_in_silence(self) -> None:
        """No request under way: no 408, which a client would take for the answer to its next request."""
        with serving(hello, keepalive_timeout_seconds=0.05) as served, served.raw() as raw:
            assert raw.ends()
        with serving(hello, keepalive_timeout_seconds=0.05) as served, served.raw() as raw:
            raw.send(GET)
            assert raw.answer().status == 200
            assert raw.ends()

    def test_trap_14_the_two_patiences_are_separate(self) -> None:
        """A connection may be idle for longer than a request may stop."""
        with (
            serving(hello, client_timeout_seconds=0.02, keepalive_timeout_seconds=5) as served,
            served.raw() as raw,
        ):
            concurrency.sleep(0.06)
            raw.send(GET)
            assert raw.answer().status == 200

    def test_a_client_that_takes_nothing_is_left(self) -> None:
        """An answer that is not taken ends after the client's timeout, and its generator is closed."""
        ended: list[type[BaseException]] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            try:
                while True:
                    yield b"x" * 1_000_000
            except GeneratorExit:
                ended.append(GeneratorExit)
                raise

        with serving(app, client_timeout_seconds=0.05) as served, served.raw() as raw:
            raw.send(GET)
            while not ended:
                concurrency.sleep(0.01)

    def test_a_client_that_leaves_ends_its_answer(self) -> None:
        """The generator of an answer is closed when nobody is left to take it."""
        ended = concurrency.Event()

        def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            try:
                while True:
                    yield b"x" * 100_000
            finally:
                ended.set()

        with serving(app) as served:
            with served.raw() as raw:
                raw.send(GET)
                raw.wire.receive(1000, 5)
            assert ended.wait(5)

    def test_a_client_that_only_ends_its_sending_is_answered(self) -> None:
        """Half-closed is not gone."""
        with serving(hello) as served, served.raw() as raw:
            raw.send(GET)
            raw.end()
            assert raw.answer().body == b"hello"
            assert raw.ends()


class TestStopping:
    """The end of a server."""

    def test_gracefully_finishes_what_is_under_way(self) -> None:
        """Idle connections end at once, a request under way is answered with Connection: close, then serve returns."""
        go_on, begun = concurrency.Event(), concurrency.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            begun.set()
            go_on.wait()
            return hello(environ, start_response)

        with serving(app) as served, served.raw() as idle, served.raw() as busy:
            busy.send(GET)
            begun.wait()
            served.server.stop()
            assert idle.ends()
            assert not served.task.done
            concurrency.sleep(0.01)
            with pytest.raises(OSError):
                served.raw()
            go_on.set()
            answer = busy.answer()
            assert (answer.body, answer.headers["connection"]) == (b"hello", "close")
            assert busy.ends()
            with concurrency.timeout(60):
                served.task.wait()

    def test_at_once_breaks_connections_off(self) -> None:
        """stop(graceful=False) waits for nobody."""
        begun, tidied = concurrency.Event(), concurrency.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            begun.set()
            try:
                concurrency.sleep(60)
            finally:
                tidied.set()
            return []

        with serving(app) as served, served.raw() as busy:
            busy.send(GET)
            begun.wait()
            served.server.stop(graceful=False)
            assert tidied.wait(5)
            assert busy.ends()
            with concurrency.timeout(60):
                served.task.wait()

    def test_a_connection_just_accepted_is_not_forgotten(self) -> None:
        """One that has sent its request before the stop is answered or closed, never left hanging."""
        with serving(hello) as served, served.raw() as raw:
            raw.send(GET)
            served.server.stop()
            raw.rest()
            with concurrency.timeout(60):
                served.task.wait()


def test_only_so_many_connections_at_a_time() -> None:
    """Further ones wait in the backlog until one ends."""
    with serving(hello, connections_max=1) as served:
        with served.raw() as first:
            first.send(GET)
            assert first.answer().status == 200
            second = served.raw()
            second.send(GET)
            assert second.is_silent()
        with second:
            assert second.answer().status == 200


def test_many_connections_at_once() -> None:
    """Green threads do not mix their requests up."""
    with serving(Recorder()) as served:

        def talk(number: int) -> bool:
            with served.raw() as raw:
                for turn in range(5):
                    body = os.urandom(1) * (number * 97 + turn)
                    raw.send(put(body))
                    if raw.answer().body != body:
                        return False
            return True

        assert all(concurrency.Crew(50).map(talk, range(100)))


def test_a_large_body_comes_through_whole() -> None:
    """In both directions, whatever the socket buffers are."""
    body = os.urandom(5_000_000)
    with serving(Recorder()) as served, served.raw() as raw:
        sending = concurrency.spawn(raw.send, put(body))
        assert raw.answer().body == body
        sending.wait()
