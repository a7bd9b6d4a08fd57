"""Laws of reading heads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.http.errors import BadFraming
from apus.common.http.head import (
    LINE_BYTES_MAX,
    head_end,
    header_lines,
    header_lines_plainly,
    header_texts,
    request_line,
    status_line,
)

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
names = st.text(TOKEN, min_size=1, max_size=12).map(str.encode)
# A value neither begins nor ends with a blank; bytes above 127 are allowed in it.
values = st.binary(max_size=12).map(lambda raw: bytes(b for b in raw if b > 32 and b != 127))
lines = st.lists(st.tuples(names, values), max_size=8)


@given(lines)
def test_header_lines_come_back_as_they_were_sent(headers: list[tuple[bytes, bytes]]) -> None:
    """Names keep their case, values their bytes, lines their order."""
    block = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    assert header_texts(block) == texts
    measured = {b"content-length", b"transfer-encoding"} & {name.lower() for name, _ in headers}
    if not measured:
        assert header_lines(block) == headers


@given(
    st.lists(
        st.sampled_from([b"A", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"b"]), max_size=12
    )
)
def test_both_readers_accept_the_same_lines(pieces: list[bytes]) -> None:
    """Whatever llhttp takes for headers the plain reader takes for the same, and whatever is ASCII vice versa."""
    block = b"".join(pieces) + b"\r\n"
    if b"\r\n\r\n" in block or block.startswith(b"\r\n"):
        return  # Such a block is not one block.
    outcomes: list[list[tuple[bytes, bytes]] | None] = []
    for reader in (header_lines, header_lines_plainly):
        try:
            outcomes.append([(name, value.rstrip(b" \t")) for name, value in reader(block)])
        except BadFraming:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "line",
    [
        b"NoColon\r\n",
        b": no name\r\n",
        b"Spaced : name\r\n",
        b" Folded: at once\r\n",
        b"A: b\r\n folded\r\n",
        b"A: b\r\n\tfolded\r\n",
        b"A: bare\nline feed\r\n",
        b"A: bare\rreturn\r\n",
        b"A: nul\0\r\n",
        b"A: delete\x7f\r\n",
        b"A: vertical\x0btab\r\n",
        b"N\0l: b\r\n",
    ],
)
def test_what_is_no_header_line_is_refused(line: bytes) -> None:
    """Folds, blanks in names, bare line ends and control characters are all refused."""
    for reader in (header_lines, header_lines_plainly):
        with pytest.raises(BadFraming):
            reader(line)


@pytest.mark.parametrize(
    "name", [b"X-Object-Meta-Foo=5FBar", b"X-Object-Meta-(a)", b"X-Object-Meta-caf\xc3\xa9"]
)
def test_names_that_are_no_tokens_are_kept(name: bytes) -> None:
    """Stock's s3api, and clients, put visible bytes of any kind into metadata names."""
    block = b"Host: a\r\n" + name + b": b\r\n"
    for reader in (header_lines, header_lines_plainly):
        assert reader(block) == [(b"Host", b"a"), (name, b"b")]


def test_names_may_hold_bytes_above_127() -> None:
    """Swift's clients send metadata names in UTF-8; they come through as sent."""
    name = "X-Object-Meta-Größe".encode()
    assert header_lines(name + b": \xe9\xff\r\nA: b\r\n") == [(name, b"\xe9\xff"), (b"A", b"b")]


@pytest.mark.parametrize("piece", [b"a", b"a ", b"a  ", b"\xff", b"a: b"])
def test_a_bad_line_costs_no_more_than_its_length(piece: bytes) -> None:
    """Whatever is repeated in front of a byte that spoils the line, it is tried in one way only."""
    spoilt = b"A: " + piece * 2000 + b"\x01\r\n"
    begun = time.process_time()
    with pytest.raises(BadFraming):
        header_lines(spoilt * 8)
    assert time.process_time() - begun < 1.0


def test_length_headers_are_left_to_framing() -> None:
    """A head whose length headers contradict each other is read; `framing` refuses it with the right status."""
    block = b"Content-Length: 3\r\nTransfer-Encoding: chunked, gzip\r\n"
    assert len(header_lines(block)) == 2


@pytest.mark.parametrize(
    ("maximum", "count", "status"), [(126, 127, 400), (126, 201, 400), (126, 202, 431), (201, 202, 431)]
)
def test_too_many_headers_are_refused(maximum: int, count: int, status: int) -> None:
    """So many are allowed, one more is not; the status is stock Swift's."""
    assert len(header_lines(b"A: b\r\n" * maximum, maximum)) == maximum
    for reader in (header_lines, header_lines_plainly):
        with pytest.raises(BadFraming) as refusal:
            reader(b"A: b\r\n" * count, maximum)
        assert refusal.value.status == status


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_head_ends_at_its_first_empty_line_however_it_arrives(data: bytes, at: int) -> None:
    """What is said about a prefix is never taken back: incomplete may become an end, an end stays."""
    whole = b"GET /" + data.replace(b"\n", b"").replace(b"\r", b"") + b" HTTP/1.1\r\nA: b\r\n\r\n" + data
    end = whole.index(b"\r\n\r\n") + 4
    assert head_end(whole) == end
    prefix = whole[: min(at, end - 1)]
    assert not prefix or head_end(prefix) == -1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * LINE_BYTES_MAX, 414),
        (b"GET /" + b"a" * LINE_BYTES_MAX + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * LINE_BYTES_MAX, 400),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * LINE_BYTES_MAX + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 9, 400),
        (b"GET / HTTP/1.1\nA: b\n\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\n\n", 400),
    ],
)
def test_trap_9_a_hopeless_head_is_refused_before_it_is_complete(head: bytes, status: int) -> None:
    """Lines too long, heads too large and bare line feeds are refused as soon as they are seen."""
    with pytest.raises(BadFraming) as refusal:
        head_end(head)
    assert refusal.value.status == status


def test_trap_9_the_longest_request_line_is_accepted() -> None:
    """8191 bytes with CRLF pass, 8192 do not: stock Swift's bound."""
    line = b"GET /" + b"a" * (LINE_BYTES_MAX - 1 - len(b"GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"
    assert len(line) == LINE_BYTES_MAX - 1
    assert head_end(line + b"\r\n") == len(line) + 2


def test_request_lines() -> None:
    """Any token is a method; the target is kept as it is; 1.2 is spoken as 1.1."""
    assert request_line(b"GET / HTTP/1.1") == ("GET", b"/", 1)
    assert request_line(b"REPLICATE //a/./..;x?y HTTP/1.0") == ("REPLICATE", b"//a/./..;x?y", 0)
    assert request_line(b"PUT /\xff%00 HTTP/1.2") == ("PUT", b"/\xff%00", 1)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /\t HTTP/1.1", 400),
        (b"GET /\0 HTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/11", 400),
        (b"GET / HTTP/1.10", 400),
        (b"GET /\t HTTP/1.7", 400),
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"", 400),
    ],
)
def test_what_is_no_request_line_is_refused(line: bytes, status: int) -> None:
    """Three words, one blank between them, and a version that is spoken here."""
    with pytest.raises(BadFraming) as refusal:
        request_line(line)
    assert refusal.value.status == status


def test_status_lines() -> None:
    """The reason may be empty or missing; anything else is refused."""
    assert status_line(b"HTTP/1.1 200 OK") == (200, "OK", 1)
    assert status_line(b"HTTP/1.0 404 Not Found here") == (404, "Not Found here", 0)
    assert status_line(b"HTTP/1.1 204 ") == (204, "", 1)
    assert status_line(b"HTTP/1.1 204") == (204, "", 1)
    for line in (b"HTTP/1.1 20 OK", b"HTTP/2 200 OK", b"ICY 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 099 OK"):
        with pytest.raises(BadFraming):
            status_line(line)
