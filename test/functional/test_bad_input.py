"""What no honest client sends: each gets a clear 4xx, the connection stays in step, and nothing is stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest
from rawsocket import Raw, converse, exchange
from store import Client, Store

END = b"\r\n\r\n"
FORGED = (
    "X-Backend-Storage-Policy-Index",
    "X-Backend-Timestamp",
    "X-Backend-Replication",
    "X-Backend-Allow-Reserved-Names",
    "X-Object-Sysmeta-Forged",
    "X-Container-Sysmeta-Forged",
    "X-Account-Sysmeta-Forged",
    "X-Object-Transient-Sysmeta-Forged",
    "X-Timestamp",
    "X-Container-Host",
    "X-Container-Device",
    "X-Container-Partition",
    "X-Delete-At-Host",
    "X-Delete-At-Device",
    "X-Apus-Inventory",
)

Send = Callable[..., Raw]


@pytest.fixture
def head(client: Client, container: str) -> bytes:
    """The first lines of an honest PUT, up to its framing headers."""
    token = client.headers["X-Auth-Token"]
    path = client.path(container, "raw")
    return f"PUT {path} HTTP/1.1\r\nHost: store\r\nX-Auth-Token: {token}\r\n".encode()


@pytest.fixture
def send(store: Store) -> Send:
    """Send pieces to the store as they are."""

    def exchanged(*pieces: bytes, **options: float | bool) -> Raw:
        return exchange(store.address, *pieces, **options)  # type: ignore[arg-type]  # two kinds of option

    return exchanged


@pytest.fixture
def nothing_stored(client: Client, container: str) -> Iterator[None]:
    """Assert afterwards that the container is as empty as it was."""
    yield
    assert client.names_in(container) == []
    assert client.head(container, "raw").status == 404


@pytest.mark.usefixtures("nothing_stored", "apus_proxy")
class TestFraming:
    """A message whose end is in doubt is refused, and its connection is closed."""

    @pytest.mark.parametrize(
        "framing",
        [
            b"Content-Length: 5\r\nContent-Length: 6",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Content-Length: -1",
            b"Content-Length: five",
            b"Content-Length: 5, 6",
            b"Content-Length: +5",
            b"Content-Length: 0x5",
            b"Content-Length:",
            b"Content-Length: 99999999999999999999999",
        ],
    )
    def test_trap_3_a_length_in_doubt(self, send: Send, head: bytes, framing: bytes) -> None:
        """400 (413 for a length beyond all sizes), and what follows is not taken for a request."""
        raw = send(head + framing + END + b"GET /healthcheck HTTP/1.1\r\nHost: x" + END)
        assert raw.status in (400, 413), raw.content
        assert len(raw.statuses) == 1
        assert raw.closed

    @pytest.mark.parametrize(
        "coding", [b"gzip", b"chunked, gzip", b"gzip, chunked", b"identity", b"xchunked"]
    )
    def test_trap_3_an_unknown_coding(self, send: Send, head: bytes, coding: bytes) -> None:
        """400 or 501."""
        raw = send(head + b"Transfer-Encoding: " + coding + END + b"5\r\nhello\r\n0" + END)
        assert raw.status in (400, 501), raw.content
        assert len(raw.statuses) == 1
        assert raw.closed

    @pytest.mark.parametrize(
        "body",
        [
            b"zz\r\nhello\r\n0",
            b"-5\r\nhello\r\n0",
            b"5\r\nhello0",
            b"5\r\nhelloworld\r\n0",
            b"ffffffffffffffffff\r\nx",
        ],
    )
    def test_trap_3_a_broken_chunk(self, send: Send, head: bytes, body: bytes) -> None:
        """400, closed, and nothing stored."""
        raw = send(head + b"Transfer-Encoding: chunked" + END + body + END)
        assert raw.status in (400, 499, 0), raw.content
        assert len([status for status in raw.statuses if status >= 200]) <= 1
        assert raw.closed

    def test_trap_5_no_length_at_all(self, send: Send, head: bytes) -> None:
        """411."""
        assert send(head + END[2:]).status == 411

    def test_trap_6_a_body_cut_short_is_no_object(self, send: Send, head: bytes) -> None:
        """The client leaves in mid-body: no object comes of it."""
        raw = send(head + b"Content-Length: 100" + END + b"only this", half_close=True)
        assert not any(200 <= status < 300 for status in raw.statuses)

    def test_trap_6_chunks_without_their_end_are_no_object(self, send: Send, head: bytes) -> None:
        """The last chunk is missing: no object comes of it."""
        raw = send(head + b"Transfer-Encoding: chunked" + END + b"5\r\nhello\r\n", half_close=True)
        assert not any(200 <= status < 300 for status in raw.statuses)


@pytest.mark.usefixtures("apus_proxy")
class TestHead:
    """Request lines and headers that are too long, too many or no such thing."""

    @pytest.mark.parametrize(
        ("request_head", "statuses"),
        [
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x", (414, 400)),
            (b"GET /info HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000, (400, 431)),
            (
                b"GET /info HTTP/1.1\r\nHost: x\r\n" + b"\r\n".join(b"X-%d: y" % n for n in range(300)),
                (400, 431),
            ),
            (b"GET /info HTTP/1.1\r\nHost: x\r\nBad Name: y", (400,)),
            (b"GET /info HTTP/1.1\r\nHost: x\r\nNo colon here", (400,)),
            (b"GET /info HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b", (400,)),
            (b"GET /info HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b", (400,)),
            (b"GET /info HTTP/9.9\r\nHost: x", (400, 505)),
            (b"GET  /info HTTP/1.1\r\nHost: x", (400,)),
            (b"G\0T /info HTTP/1.1\r\nHost: x", (400, 501)),
            (b"nonsense", (400,)),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
        ],
        ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
    )
    def test_trap_9_a_head_that_is_none(
        self, send: Send, request_head: bytes, statuses: tuple[int, ...]
    ) -> None:
        """A 4xx at once, and the connection is closed."""
        raw = send(request_head + END)
        assert raw.status in statuses, raw.content
        assert raw.closed

    def test_a_flood_of_header_bytes_is_cut_off(self, send: Send) -> None:
        """The server does not collect what never ends."""
        raw = send(b"GET /info HTTP/1.1\r\nHost: x\r\nX-Endless: ", *[b"y" * 65536] * 64)
        assert raw.closed
        assert raw.status in (0, 400, 431)


class TestExpectations:
    """Expect: 100-continue is answered when the body is wanted, and not before."""

    def test_trap_1_the_body_is_asked_for(
        self, store: Store, head: bytes, client: Client, container: str
    ) -> None:
        """100 before it is sent, then 201."""
        raw = converse(store.address, head + b"Expect: 100-continue\r\nContent-Length: 5" + END, b"hello")
        assert raw.statuses == [100, 201]
        assert client.get(container, "raw").body == b"hello"

    def test_trap_1_a_refused_put_never_asks_for_it(self, send: Send, head: bytes) -> None:
        """401 without 100, and the body that does not come is not waited for."""
        stranger = head.replace(b"X-Auth-Token", b"X-No-Token")
        raw = send(stranger + b"Expect: 100-continue\r\nContent-Length: 5" + END)
        assert raw.statuses == [401]

    @pytest.mark.usefixtures("apus_proxy")
    def test_trap_1_another_expectation(self, send: Send, head: bytes) -> None:
        """417."""
        assert send(head + b"Expect: miracles\r\nContent-Length: 5" + END, b"hello").status == 417


class TestKeepAlive:
    """A connection that is kept is in step."""

    def test_trap_4_pipelined_requests_are_answered_in_order(
        self, send: Send, client: Client, container: str
    ) -> None:
        """Three at once, three answers, also after a body."""
        token = client.headers["X-Auth-Token"].encode()
        path = client.path(container, "raw").encode()
        common = b"Host: x\r\nX-Auth-Token: " + token
        put = b"PUT " + path + b" HTTP/1.1\r\n" + common + b"\r\nContent-Length: 5" + END + b"hello"
        get = b"GET " + path + b" HTTP/1.1\r\n" + common + END
        delete = b"DELETE " + path + b" HTTP/1.1\r\n" + common + END
        assert send(put + get + delete).statuses == [201, 200, 204]

    def test_trap_2_an_unread_body_is_no_request(self, send: Send, client: Client) -> None:
        """A PUT that is refused before its body: the body is drained or the connection closed."""
        hidden = b"GET /healthcheck HTTP/1.1\r\nHost: x" + END
        raw = send(
            b"PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: x\r\nContent-Length: %d" % len(hidden)
            + END
            + hidden
            + b"GET /info HTTP/1.1\r\nHost: x"
            + END
        )
        assert raw.statuses in ([401], [401, 200])
        assert b"\r\n\r\nOK" not in raw.content

    def test_http_1_0_is_answered_and_closed(self, send: Send) -> None:
        """An old client reads until the end."""
        raw = send(b"GET /healthcheck HTTP/1.0" + END)
        assert raw.status == 200
        assert raw.closed


class TestPaths:
    """Paths that decode to no name."""

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/{account}/{container}/%FF",
            "/v1/{account}/{container}/%C3%28",
            "/v1/{account}/%E4",
            "/v1/{account}/{container}/%ED%A0%80",
        ],
    )
    @pytest.mark.parametrize("method", ["PUT", "GET"])
    def test_trap_11_invalid_utf8_is_no_name(
        self, send: Send, client: Client, container: str, method: str, path: str
    ) -> None:
        """412."""
        assert self.status(send, client, method, path, container) == 412

    @pytest.mark.parametrize("path", ["/v1/{account}/{container}/a%00b", "/v1/{account}/a%00b"])
    def test_trap_11_a_nul_byte_is_in_no_name(
        self, send: Send, client: Client, container: str, path: str
    ) -> None:
        """412, as for anything that is no name."""
        assert self.status(send, client, "PUT", path, container) == 412

    @pytest.mark.parametrize(
        "path", ["/", "/v1", "/v1/", "/v9/{account}/{container}", "/v1//{container}/o", "/v1/{account}//o"]
    )
    def test_no_such_path(self, send: Send, client: Client, container: str, path: str) -> None:
        """A 4xx, and never a server error."""
        assert 400 <= self.status(send, client, "GET", path, container) < 500

    def test_trap_7_dots_climb_nowhere(self, send: Send, client: Client, container: str) -> None:
        """`..` is a name like any other, encoded or not."""
        for path in (
            "/v1/{account}/{container}/../../../etc/passwd",
            "/v1/{account}/{container}/%2e%2e/%2e%2e/x",
        ):
            assert self.status(send, client, "PUT", path, container) == 201
        assert len(client.names_in(container)) == 2

    def test_trap_7_an_absolute_target(self, send: Send) -> None:
        """GET http://host/path, as through a proxy."""
        assert send(b"GET http://store/healthcheck HTTP/1.1\r\nHost: store" + END).status == 200

    def status(self, send: Send, client: Client, method: str, path: str, container: str) -> int:
        target = path.format(account=client.account, container=container)
        token = client.headers["X-Auth-Token"]
        return send(
            f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nConnection: close\r\nContent-Length: 0".encode()
            + END
        ).status


@pytest.mark.parametrize("name", FORGED)
def test_trap_44_a_forged_header_has_no_effect(client: Client, container: str, name: str) -> None:
    """What storage servers say among themselves, a client cannot say: it is dropped, not kept, not shown."""
    reply = client.put(container, "o", body=b"x", headers={name: "1"})
    assert reply.status == 201
    assert client.get(container, "o").body == b"x"
    headers = client.head(container, "o").headers
    assert not [each for each in headers if "sysmeta" in each or each.startswith("x-backend")]
    assert headers["x-timestamp"] != "1"
    assert client.names_in(container) == ["o"]


@pytest.mark.usefixtures("apus_proxy")
def test_trap_44_cve_2026_50221_hop_headers_name_nobody(client: Client, container: str) -> None:
    """A client's X-Container-Host would make the store call an address of the client's choice."""
    headers = {"X-Container-Host": "127.0.0.1:9", "X-Container-Partition": "1", "X-Container-Device": "d1"}
    assert client.put(container, "o", body=b"x", headers=headers).status == 201
    assert client.names_in(container) == ["o"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"limit": "many"}, 412), ({"limit": "-1"}, 412), ({"limit": "99999999999"}, 412), ({"delimiter": "\xff"}, 200)],
    ids=str,
)  # fmt: skip
def test_listing_parameters_that_make_no_sense(
    client: Client, container: str, query: dict[str, str], status: int
) -> None:
    """412 beyond the limit; never a server error."""
    reply = client.get(container, format="json", **query)  # type: ignore[arg-type]  # headers is not among them
    assert reply.status in (status, 200, 412)
    assert reply.status < 500


@pytest.mark.parametrize("raw", ["marker=%FF", "prefix=%C3%28", "delimiter=%ED%A0%80", "prefix=a%00b"])
def test_trap_11_listing_parameters_that_are_no_utf8(
    store: Store, client: Client, container: str, raw: str
) -> None:
    """A 4xx, or an empty listing; never a server error."""
    asked = Client(store, f"{client.path(container)}?{raw}", client.headers).request("GET")
    assert asked.status < 500


def test_the_store_still_works(client: Client, container: str) -> None:
    """After all of this, an ordinary request is answered as ever."""
    name = uuid.uuid4().hex
    assert client.put(container, name, body=json.dumps({"fine": True}).encode()).status == 201
    assert client.get(container, name).json() == {"fine": True}
