"""Laws of making environs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.http import environ as module
from apus.common.http.environ import _closely_read, _Forms, environ_key, environ_of
from apus.common.http.errors import BadFraming
from apus.common.http.head import HEADERS_MAX


def made(target: bytes, *headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    """The environ of such a request."""
    line = b"%s %s HTTP/1.1" % (method.encode("ascii"), target)
    lines = [line, *(b"%s: %s" % header for header in headers)]
    return environ_of(b"\r\n".join(lines), {}, HEADERS_MAX)[0]


@given(st.binary(max_size=30))
def test_any_bytes_of_a_value_round_trip(value: bytes) -> None:
    """One character per byte: encoding a header value as latin-1 gives what was sent."""
    value = bytes(byte for byte in value if byte == 9 or 32 <= byte != 127).strip(b" \t")
    assert made(b"/", (b"X-A", value))["HTTP_X_A"].encode("latin-1") == value


@given(st.binary(max_size=30))
def test_any_bytes_of_a_path_round_trip(path: bytes) -> None:
    """The raw path is what was sent; PATH_INFO is its percent-decoded bytes, one character each."""
    path = b"/" + bytes(b for b in path if b > 32 and b not in b"?%\x7f")
    environ = made(path)
    assert environ["RAW_PATH_INFO"].encode("latin-1") == path
    assert environ["PATH_INFO"].encode("latin-1") == path


LINES = st.one_of(
    st.sampled_from(
        [
            b"Host: store.example",
            b"X-Timestamp: 1700000000.12345",
            b"Content-Length: 5",
            b"content-length: 5",
            b"Transfer-Encoding: chunked",
            b"Cookie: a=b",
            b"X-A: ",
            b"X-A:",
            b"X-A",
            b"Host",
            b" folded: line",
            b"X-A:  two blanks",
            b"X-A: trailing ",
            b"X-A:\ttab",
            b"X-A: a\tb",
            b"X-A: a: b",
            b"Foo=5FBar: plain",
            b"Content_Length: 5",
        ]
    ),
    st.builds(
        b"".join,
        st.lists(
            st.sampled_from([b"X-A", b": ", b":", b"\r", b"\n", b"\0", b"\x7f", b"\xe9", b"v"]), max_size=6
        ),
    ),
)
REQUEST_LINES = [
    b"GET /a%20b?c=d HTTP/1.1",
    b"PUT / HTTP/1.0",
    b"REPLICATE /a HTTP/1.2",
    b"GET  /a HTTP/1.1",
    b"GET /a  HTTP/1.1",
    b"GET /a HTTP/1.1 ",
    b"GET /a\x7f HTTP/1.1",
    b"GET /\xe9 HTTP/1.1",
    b"GET http://h/p HTTP/1.1",
    b"get /a HTTP/1.1",
    b"GET  HTTP/1.1",
    b"GET /a HTTP/2.0",
    b"GET /a\r HTTP/1.1",
    b"",
]
REQUESTS = st.sampled_from(REQUEST_LINES)


@given(REQUESTS, st.lists(LINES, max_size=6), st.sampled_from([2, HEADERS_MAX]))
def test_the_short_way_reads_what_the_close_look_reads(
    request: bytes, lines: list[bytes], headers_max: int
) -> None:
    """For any head the same environ, or the same refusal."""
    head = b"\r\n".join([request, *lines])
    assert outcome(environ_of, head, headers_max) == outcome(_closely_read, head, headers_max)


def outcome(read: Callable[..., tuple[dict[str, Any], int]], head: bytes, headers_max: int) -> object:
    """What comes of reading a head."""
    try:
        return read(head, {"SERVER_NAME": "h"}, headers_max)
    except BadFraming as problem:
        return (problem.status, str(problem))


NAMES = st.sampled_from([b"Host", b"X-A", b"X-Timestamp", b"Content-Length", b"X-Object-Meta-A.B+(c)"])
VALUES = st.builds(
    b"".join,
    st.lists(
        st.sampled_from(
            [b"5", b" ", b": ", b'"', b"\\", b"\r", b"\n", b"\r\nX-A: ", b"\t", b"\x7f", b"\xe9", b"\0"]
        ),
        max_size=4,
    ),
)


@given(
    st.lists(NAMES, unique=True, max_size=4),
    st.data(),
    st.sampled_from([b"GET /a HTTP/1.1", b"GET /a%20?b HTTP/1.1", *REQUEST_LINES]),
    st.sampled_from([2, HEADERS_MAX]),
)
def test_a_known_form_is_read_as_the_close_look_reads_it(
    names: list[bytes], data: st.DataObject, request: bytes, headers_max: int
) -> None:
    """Also where it is none after all: a pattern finds no header that is not there, and misses none."""
    forms = module._forms["GET"] = _Forms("GET")
    usual = b"\r\n".join([b"GET /b HTTP/1.1", *(name + b": 1" for name in names)])
    _closely_read(usual, {}, HEADERS_MAX)  # From here on the names are known.
    for _ in range(16):
        environ_of(usual, {}, HEADERS_MAX)
    assert len(forms.known) == 1
    assert environ_of(usual, {}, HEADERS_MAX) == _closely_read(usual, {}, HEADERS_MAX)
    head = b"\r\n".join([request, *(name + b": " + data.draw(VALUES) for name in names)])
    assert outcome(environ_of, head, headers_max) == outcome(_closely_read, head, headers_max)


def test_forms_are_learned_ever_more_seldom() -> None:
    """Whoever sends other names each time shall not have a pattern made for each; the last few are kept."""
    forms = module._forms["GET"] = _Forms("GET")
    learned = []
    for number in range(1000):
        head = b"GET /a HTTP/1.1\r\nX-Form-%d: 1" % number
        _closely_read(head, {}, HEADERS_MAX)
        environ_of(head, {}, HEADERS_MAX)
        if forms.known and forms.known[0][1] not in learned:
            learned.append(forms.known[0][1])
    assert len(learned) == 5  # After 16, 32, 64, 128 and 256 more.
    assert len(forms.known) == 4


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/v1//a/./../b;c=d", "/v1//a/./../b;c=d", ""),
        (b"//v1/a", "//v1/a", ""),
        (b"/v1/a%2Fb%00%ff?x=%2F&y", "/v1/a/b\0\xff", "x=%2F&y"),
        (b"/a?b?c", "/a", "b?c"),
        (b"/a?", "/a", ""),
        (b"/a#b", "/a#b", ""),
        (b"/100%/%zz", "/100%/%zz", ""),
    ],
)
def test_paths_are_not_tidied(target: bytes, path: str, query: str) -> None:
    """Nothing is collapsed, cut or repaired."""
    environ = made(target)
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)
    assert environ["RAW_PATH_INFO"].encode("latin-1") == target.partition(b"?")[0]


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://store.example:81//v1/a?x", "//v1/a", "x", "store.example:81"),
        (b"HTTPS://h/", "/", "", "h"),
        (b"http://h", "/", "", "h"),
        (b"http://h?q=1", "/", "q=1", "h"),
        (b"http:///v1", "/v1", "", "other"),
    ],
)
def test_a_whole_url_is_a_path_and_a_host(target: bytes, path: str, query: str, host: str) -> None:
    """The host of an absolute target takes the place of the Host header."""
    environ = made(target, (b"Host", b"other"))
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ.get("HTTP_HOST")) == (path, query, host)


@pytest.mark.parametrize("target", [b"v1/a", b"*", b"ftp://h/", b"host:80", b"?x"])
def test_other_targets_are_refused(target: bytes) -> None:
    """Neither path nor URL: 400; an asterisk is for OPTIONS."""
    with pytest.raises(BadFraming):
        made(target)
    assert made(b"*", method="OPTIONS")["PATH_INFO"] == "*"


def test_keys_change_ascii_letters_only() -> None:
    """Bytes above 127 are not letters: upper-casing them would make other bytes of them."""
    assert environ_key("x-object-meta-\xc3\xa3\xb5\xdf\xff") == "HTTP_X_OBJECT_META_\xc3\xa3\xb5\xdf\xff"
    assert environ_key("Content-Type") == "CONTENT_TYPE"
    assert environ_key("content-length") == "CONTENT_LENGTH"


def test_repeated_headers_are_joined() -> None:
    """In order, by commas; cookies by semicolons."""
    environ = made(b"/", (b"A", b"1"), (b"a", b"2"), (b"Cookie", b"x"), (b"Cookie", b"y"))
    assert environ["HTTP_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "x; y"


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"Host", b"Expect"])
def test_headers_that_frame_a_message_come_once(name: bytes) -> None:
    """Twice is refused, equal or not; and so is a spelling that others might take for the same."""
    with pytest.raises(BadFraming):
        made(b"/", (name, b"1"), (name.lower(), b"1"))
    if b"-" in name:
        with pytest.raises(BadFraming):
            made(b"/", (name.replace(b"-", b"_"), b"1"))
