"""Laws of where bodies end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.http.errors import BadFraming
from apus.common.http.framing import (
    CHUNKED,
    UNTIL_CLOSE,
    answer_body,
    keeps_alive,
    length,
    request_body,
    wants_continue,
)


@given(st.integers(0, 10**18 - 1))
def test_a_length_is_its_decimal_digits(size: int) -> None:
    """Every size up to an exabyte is read; leading zeros and blanks around do not matter."""
    assert length(str(size)) == size
    assert length(f" 0{size}\t" if size < 10**17 else str(size)) == size


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "+1", "1.0", "0x10", "1e3", "1 2", "1,1", "1_0", "²", "٣", "9" * 19, "nan"]
)
def test_what_is_no_length_is_refused(text: str) -> None:
    """Signs, other digits, lists and overlong numbers are no length."""
    with pytest.raises(BadFraming) as refusal:
        length(text)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("content_length", "transfer_encoding", "minor", "expected"),
    [
        (None, None, 1, 0),
        ("0", None, 1, 0),
        ("17", None, 0, 17),
        (None, "chunked", 1, CHUNKED),
        (None, "ChunKed", 1, CHUNKED),
        (None, " chunked\t", 1, CHUNKED),
    ],
)
def test_request_bodies(
    content_length: str | None, transfer_encoding: str | None, minor: int, expected: int
) -> None:
    """A request's body is measured, chunked or absent."""
    assert request_body(content_length, transfer_encoding, minor) == expected


@pytest.mark.parametrize(
    ("content_length", "transfer_encoding", "minor", "status"),
    [
        ("3", "chunked", 1, 400),
        ("0", "chunked", 1, 400),
        ("3", "gzip", 1, 400),
        (None, "gzip", 1, 501),
        (None, "identity", 1, 501),
        (None, "gzip, chunked", 1, 501),
        (None, "chunked, gzip", 1, 501),
        (None, "chunked,chunked", 1, 501),
        (None, "xchunked", 1, 501),
        (None, "chunked;q=1", 1, 501),
        (None, "", 1, 501),
        (None, "chunked", 0, 400),
        ("x", None, 1, 400),
    ],
)
def test_ambiguous_request_bodies_are_refused(
    content_length: str | None, transfer_encoding: str | None, minor: int, status: int
) -> None:
    """What two readers could understand in two ways is refused."""
    with pytest.raises(BadFraming) as refusal:
        request_body(content_length, transfer_encoding, minor)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("status", "method", "content_length", "transfer_encoding", "expected"),
    [
        (200, "GET", "5", None, 5),
        (200, "GET", None, None, UNTIL_CLOSE),
        (200, "GET", None, "Chunked", CHUNKED),
        (200, "HEAD", "5", None, 0),
        (200, "HEAD", None, "chunked", 0),
        (204, "PUT", "5", None, 0),
        (304, "GET", "5", None, 0),
        (100, "PUT", None, None, 0),
        (404, "GET", "0", None, 0),
    ],
)
def test_answer_bodies(
    status: int, method: str, content_length: str | None, transfer_encoding: str | None, expected: int
) -> None:
    """Method and status come before the headers."""
    assert answer_body(status, method, content_length, transfer_encoding) == expected


@pytest.mark.parametrize(
    ("content_length", "transfer_encoding"), [("5", "chunked"), (None, "gzip"), ("x", None)]
)
def test_ambiguous_answers_are_refused(content_length: str | None, transfer_encoding: str | None) -> None:
    """An answer that two readers could understand in two ways is no answer."""
    with pytest.raises(BadFraming):
        answer_body(200, "GET", content_length, transfer_encoding)


@pytest.mark.parametrize(
    ("connection", "minor", "expected"),
    [
        (None, 1, True),
        (None, 0, False),
        ("close", 1, False),
        ("Close", 1, False),
        ("keep-alive", 0, True),
        ("Keep-Alive, X-Thing", 0, True),
        ("x-thing ,  close", 1, False),
        ("keep-alive, close", 0, False),
        ("x-closed", 1, True),
        ("", 1, True),
    ],
)
def test_connections_that_stay(connection: str | None, minor: int, expected: bool) -> None:
    """HTTP/1.1 stays unless told to close, HTTP/1.0 closes unless told to stay."""
    assert keeps_alive(connection, minor) is expected


def test_expectations() -> None:
    """100-continue is met in any case, for HTTP/1.1 only; anything else is 417."""
    assert wants_continue("100-Continue", 1)
    assert not wants_continue(None, 1)
    assert not wants_continue("100-continue", 0)
    with pytest.raises(BadFraming) as refusal:
        wants_continue("200-ok", 1)
    assert refusal.value.status == 417
