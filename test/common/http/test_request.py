"""A request is seen as it was sent; an answer says what it has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.common.http.wsgi import from_wsgi, to_wsgi


def request(path: str, **environ: str) -> Request:
    return Request({"REQUEST_METHOD": "GET", "PATH_INFO": to_wsgi(path), **environ})


@given(st.text().filter(lambda text: all(not 0xD800 <= ord(c) < 0xE000 for c in text)))
def test_text_survives_the_tunnel(text: str) -> None:
    """Text to WSGI string and back is the same text."""
    assert from_wsgi(to_wsgi(text)) == text


@given(st.binary())
def test_trap_8_bytes_survive_the_tunnel(data: bytes) -> None:
    """Bytes that are no UTF-8 come back as the same bytes."""
    assert to_wsgi(from_wsgi(data.decode("latin-1"))).encode("latin-1") == data


@pytest.mark.parametrize(
    ("path", "minimum", "maximum", "rest", "parts"),
    [
        ("/a", 1, 1, False, ["a"]),
        ("/a/", 1, 2, False, ["a", None]),
        ("/v1/a/c/o/p//q", 4, 4, True, ["v1", "a", "c", "o/p//q"]),
        ("/v1/a/c/", 3, 4, True, ["v1", "a", "c", None]),
        ("/v1/a/c//x", 4, 4, True, ["v1", "a", "c", "/x"]),
        ("/v1/a", 2, 4, True, ["v1", "a", None, None]),
        ("/é/ü", 2, 2, False, ["é", "ü"]),
    ],
)
def test_paths_split(path: str, minimum: int, maximum: int, rest: bool, parts: list[str | None]) -> None:
    """Segments are cut at slashes, the last one keeping its own where asked."""
    assert request(path).split_path(minimum, maximum, rest_with_last=rest) == parts


@pytest.mark.parametrize(
    ("path", "minimum", "maximum", "rest"),
    [("", 1, 1, False), ("/", 1, 2, False), ("a", 1, 1, False), ("//a", 2, 2, True), ("/a/b", 1, 1, False),
     ("/v1//c/o", 4, 4, True), ("/v1/a//o", 4, 4, True)],
)  # fmt: skip
def test_bad_paths_are_refused(path: str, minimum: int, maximum: int, rest: bool) -> None:
    """Too few, too many and empty segments are a 404."""
    with pytest.raises(Refused) as refusal:
        request(path).split_path(minimum, maximum, rest_with_last=rest)
    assert refusal.value.status == 404


def test_headers_query_and_timestamp() -> None:
    """Headers are found in any case; the last of repeated parameters counts; timestamps are checked."""
    seen = request("/a", HTTP_X_FOO_BAR="1", CONTENT_TYPE="t", QUERY_STRING="a=1&a=2&b=&c=%C3%A9")
    assert (seen.header("x-foo-BAR"), seen.header("content-type"), seen.header("nope")) == ("1", "t", None)
    assert dict(seen.headers()) == {"X-Foo-Bar": "1", "Content-Type": "t"}
    assert seen.query == {"a": "2", "b": "", "c": "é"}
    with pytest.raises(Refused, match="Missing"):
        seen.timestamp()
    with pytest.raises(Refused, match="UNIX timestamp"):
        request("/a", HTTP_X_TIMESTAMP="soon").timestamp()
    assert request("/a", HTTP_X_TIMESTAMP="1.00000").timestamp().ticks == 100_000


@pytest.mark.parametrize(
    ("method", "status", "sent", "length"),
    [("GET", 200, [b"body"], "4"), ("HEAD", 200, [], "4"), ("GET", 204, [], None), ("GET", 304, [], None)],
)
def test_answers_frame_themselves(method: str, status: int, sent: list[bytes], length: str | None) -> None:
    """HEAD keeps the length and loses the body; 204 and 304 have neither."""
    started: list[Any] = []
    body = Answer(status, {}, b"body")({"REQUEST_METHOD": method}, lambda *given: started.append(given))
    assert list(body) == sent
    assert dict(started[0][1]).get("Content-Length") == length
