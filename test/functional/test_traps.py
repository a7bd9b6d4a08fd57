"""What re-implementations of OpenStack Swift get wrong, where no test of a feature asks for it already."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from rawsocket import exchange
from store import Client, Store

END = b"\r\n\r\n"
HEALTHCHECK = b"GET /healthcheck HTTP/1.1\r\nHost: store"


def head(client: Client, method: str, *names: str) -> bytes:
    """The first lines of an honest request, up to headers of the test's own; they end a line."""
    token = client.headers["X-Auth-Token"]
    return f"{method} {client.path(*names)} HTTP/1.1\r\nHost: store\r\nX-Auth-Token: {token}\r\n".encode()


def header_lines(content: bytes, name: bytes) -> list[bytes]:
    """The header lines of that name, in any case, byte by byte."""
    return [line for line in content.split(b"\r\n") if line.lower().startswith(name.lower() + b":")]


@pytest.mark.usefixtures("apus_proxy")
def test_trap_2_a_refused_body_is_drained_or_ends_the_connection(store: Store, client: Client) -> None:
    """Small ones are skipped, and behind one too large to skip nothing is read as a request."""
    put = head(client, "PUT", "missing", "o")
    small = exchange(store.address, put + b"Content-Length: 5" + END + b"hello" + HEALTHCHECK + END)
    assert small.statuses == [404, 200]
    large = exchange(store.address, put + b"Content-Length: 1000000000" + END + HEALTHCHECK + END)
    assert (large.statuses, large.closed) == ([404], True)
    assert header_lines(large.content, b"Connection") == [b"Connection: close"]


@pytest.mark.usefixtures("apus_proxy")
def test_trap_3_chunked_is_known_in_any_case_and_extensions_are_ignored(
    store: Store, client: Client, container: str
) -> None:
    """The body is what the chunks hold, and the next request begins right behind its trailers."""
    chunked = b"Transfer-Encoding: ChunKed" + END + b"3;a=b\r\nhel\r\n2;c\r\nlo\r\n0\r\nX-Trailer: t" + END
    raw = exchange(store.address, head(client, "PUT", container, "o") + chunked + HEALTHCHECK + END)
    assert raw.statuses == [201, 200]
    assert client.get(container, "o").body == b"hello"


@pytest.mark.usefixtures("apus_proxy")
def test_trap_3_a_bare_line_feed_ends_no_line(store: Store) -> None:
    """Who takes it for an end of line sees another request than the proxy before it."""
    raw = exchange(store.address, b"GET /healthcheck HTTP/1.1\nHost: store\n\n" + HEALTHCHECK + END)
    assert (raw.statuses, raw.closed) == ([400], True)


def test_trap_4_what_has_no_body_has_none_on_the_wire(store: Store, client: Client, container: str) -> None:
    """HEAD says the length that GET has; 204 and 304 send nothing; the next answer follows at once."""
    etag = client.put(container, "o", body=b"hello").headers["etag"]
    raw = exchange(
        store.address,
        head(client, "HEAD", container, "o") + END[2:],
        head(client, "GET", container, "o") + f"If-None-Match: {etag}".encode() + END,
        head(client, "DELETE", container, "o") + END[2:],
        HEALTHCHECK + END,
    )
    assert raw.statuses == [200, 304, 204, 200]
    first, unchanged, deleted, _last, body = raw.content.split(END)
    assert header_lines(first, b"Content-Length") == [b"Content-Length: 5"]
    assert unchanged.startswith(b"HTTP/1.1 304 ")
    assert deleted.startswith(b"HTTP/1.1 204 ")
    assert body == b"OK"


def test_trap_6_a_body_cut_short_leaves_the_old_object(store: Store, client: Client, container: str) -> None:
    """With a length or in chunks: what was there before is still there, whole."""
    client.put(container, "o", body=b"before")
    for framing in (
        b"Content-Length: 9" + END + b"after",
        b"Transfer-Encoding: chunked" + END + b"5\r\nafter\r\n",
    ):
        exchange(store.address, head(client, "PUT", container, "o") + framing, half_close=True)
        assert client.get(container, "o").body == b"before"


@pytest.mark.parametrize("value", ["grün 日本".encode(), "grün".encode("latin-1")], ids=["utf-8", "latin-1"])
def test_trap_8_metadata_keeps_its_bytes(store: Store, client: Client, container: str, value: bytes) -> None:
    """UTF-8 or not, from PUT and from POST: what comes back is byte by byte what was sent."""
    line = b"X-Object-Meta-Colour: " + value + b"\r\nContent-Length: 0" + END
    for method, status in (("PUT", 201), ("POST", 202)):
        client.put(container, "o")
        assert exchange(store.address, head(client, method, container, "o") + line).status == status
        seen = exchange(store.address, head(client, "HEAD", container, "o") + END[2:]).content
        assert header_lines(seen, b"X-Object-Meta-Colour") == [b"X-Object-Meta-Colour: " + value]


def test_trap_8_only_ascii_letters_of_a_name_have_a_case(
    store: Store, client: Client, container: str
) -> None:
    """The bytes of other letters are the client's, never title-cased into some other letter."""
    name = "X-Object-Meta-éß".encode()
    line = name + b": 1\r\nContent-Length: 0"
    assert exchange(store.address, head(client, "PUT", container, "o") + line + END).status == 201
    seen = exchange(store.address, head(client, "HEAD", container, "o") + END[2:])
    assert "éß: 1".encode() in seen.content


@pytest.mark.usefixtures("apus_proxy")
@pytest.mark.parametrize(
    ("line_bytes", "headers", "status"),
    [(8191, 1, 200), (8192, 1, 414), (100, 126, 200), (100, 127, 400)],
)
def test_trap_9_the_bounds_of_a_head_are_stock_swifts(
    store: Store, line_bytes: int, headers: int, status: int
) -> None:
    """A request line of 8191 bytes and 126 headers are taken; one more is refused, and is no server error."""
    bare = b"GET /healthcheck? HTTP/1.1\r\n"
    line = bare.replace(b"?", b"?" + b"x" * (line_bytes - len(bare)))
    lines = b"\r\n".join([b"Host: store", *(b"X-%d: y" % number for number in range(headers - 1))])
    assert exchange(store.address, line + lines + END).status == status


def test_trap_11_names_that_are_no_text_are_told_why(client: Client, container: str) -> None:
    """412 with Swift's own words, which clients show to their users."""
    for encoded in ("%FF", "a%00b", "%ED%A0%80"):
        wrong = Client(client.store, f"{client.path(container)}/{encoded}", client.headers)
        reply = wrong.put()
        assert reply.status == 412
        assert "Invalid UTF8 or contains NULL" in reply.text


def test_trap_12_who_asks_with_our_own_date_is_told_that_nothing_changed(
    client: Client, container: str
) -> None:
    """Rounded up: If-Modified-Since with Last-Modified is 304, a second before it 200; Date has that form too."""
    reply = client.put(container, "o", body=b"x")
    assert reply.headers["date"].endswith(" GMT")
    assert parsedate_to_datetime(reply.headers["date"])
    modified = client.head(container, "o").headers["last-modified"]
    earlier = format_datetime(parsedate_to_datetime(modified) - timedelta(seconds=1), usegmt=True)
    for since, status in ((modified, 304), (earlier, 200)):
        assert client.get(container, "o", headers={"If-Modified-Since": since}).status == status
    for since, status in ((modified, 200), (earlier, 412)):
        assert client.get(container, "o", headers={"If-Unmodified-Since": since}).status == status


@pytest.mark.usefixtures("apus_proxy")
def test_trap_13_answers_to_what_is_no_request_have_an_id_too(store: Store) -> None:
    """The refusals that no filter has seen."""
    for nonsense in (b"nonsense", b"GET /" + b"x" * 9000 + b" HTTP/1.1", HEALTHCHECK + b"\r\nNo colon"):
        content = exchange(store.address, nonsense + END).content
        (line,) = header_lines(content, b"X-Trans-Id")
        (other,) = header_lines(content, b"X-Openstack-Request-Id")
        assert line.split(b": ")[1] == other.split(b": ")[1]
        assert line.split(b": ")[1].startswith(b"tx")


@pytest.mark.parametrize("moment", ["1.00000", "9999999999.00000"])
def test_trap_15_a_clients_timestamp_orders_nothing(client: Client, container: str, moment: str) -> None:
    """Neither into the past nor into the future: the last writer wins, the last deletion too."""
    headers = {"X-Timestamp": moment}
    assert client.put(container, "o", body=b"1", headers=headers).status == 201
    assert client.put(container, "o", body=b"2").status == 201
    assert client.put(container, "o", body=b"3", headers=headers).status == 201
    assert client.get(container, "o").body == b"3"
    assert client.post(container, "o", headers={**headers, "X-Object-Meta-A": "b"}).status == 202
    assert client.delete(container, "o", headers=headers).status == 204
    assert client.get(container, "o").status == 404


def test_trap_19_an_accounts_limits_hold_for_what_results(client: Client) -> None:
    """Two posts that are small by themselves do not make more than 90 items together."""
    first = {f"X-Account-Meta-A{number}": "v" for number in range(60)}
    second = {f"X-Account-Meta-B{number}": "v" for number in range(60)}
    try:
        assert client.post(headers=first).status == 204
        assert client.post(headers=second).status == 400
        assert not [name for name in client.head().headers if name.startswith("x-account-meta-b")]
    finally:
        client.post(headers=dict.fromkeys(first, ""))


def test_trap_19_an_objects_metadata_has_4096_bytes_at_most_and_names(client: Client, container: str) -> None:
    """400 beyond them in all, and for an item without a name; a POST, which replaces, is counted alone."""
    client.put(container, "o", headers={f"X-Object-Meta-A{number}": "v" for number in range(60)})
    assert client.post(container, "o", headers={f"X-Object-Meta-B{n}": "v" for n in range(60)}).status == 202
    for headers in ({f"X-Object-Meta-{n}": "v" * 250 for n in range(17)}, {"X-Object-Meta-": "v"}):
        assert client.post(container, "o", headers=headers).status == 400
        assert client.put(container, "o", headers=headers).status == 400
