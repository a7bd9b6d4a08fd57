"""Laws of making environs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.http.environ import environ_key, fill
from apus.common.http.errors import BadFraming


def made(target: bytes, *headers: tuple[bytes, bytes], method: str = "GET") -> dict[str, Any]:
    """The environ of such a request."""
    environ: dict[str, Any] = {}
    fill(environ, method, target, list(headers))
    return environ


@given(st.binary(max_size=30))
def test_any_bytes_of_a_value_round_trip(value: bytes) -> None:
    """One character per byte: encoding a header value as latin-1 gives what was sent."""
    value = value.strip(b" \t")
    assert made(b"/", (b"X-A", value))["HTTP_X_A"].encode("latin-1") == value


@given(st.binary(max_size=30))
def test_any_bytes_of_a_path_round_trip(path: bytes) -> None:
    """The raw path is what was sent; PATH_INFO is its percent-decoded bytes, one character each."""
    path = b"/" + bytes(b for b in path if b > 32 and b not in b"?%\x7f")
    environ = made(path)
    assert environ["apus.raw_path"] == path
    assert environ["PATH_INFO"].encode("latin-1") == path


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
    assert environ["apus.raw_path"] == target.partition(b"?")[0]


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
    assert environ_key(b"x-object-meta-\xc3\xa3\xb5\xdf\xff") == "HTTP_X_OBJECT_META_\xc3\xa3\xb5\xdf\xff"
    assert environ_key(b"Content-Type") == "CONTENT_TYPE"
    assert environ_key(b"content-length") == "CONTENT_LENGTH"


def test_repeated_headers_are_joined() -> None:
    """In order, by commas; cookies by semicolons."""
    environ = made(b"/", (b"A", b"1"), (b"a", b"2"), (b"Cookie", b"x"), (b"Cookie", b"y"))
    assert environ["HTTP_A"] == "1,2"
    assert environ["HTTP_COOKIE"] == "x; y"
    assert environ["apus.headers"][1] == (b"a", b"2")


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"Host", b"Expect"])
def test_headers_that_frame_a_message_come_once(name: bytes) -> None:
    """Twice is refused, equal or not; and so is a spelling that others might take for the same."""
    with pytest.raises(BadFraming):
        made(b"/", (name, b"1"), (name.lower(), b"1"))
    if b"-" in name:
        with pytest.raises(BadFraming):
            made(b"/", (name.replace(b"-", b"_"), b"1"))
