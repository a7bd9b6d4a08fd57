"""Laws of a peer's headers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.common.http.errors import BadFraming
from apus.common.http.head import header_texts
from apus.common.http.headers import Headers, headers_of

NAMES = ["ETag", "Etag", "X-Timestamp", "Content-Type", "A", "a b", "", "Gr\xfc\xdfe"]
PIECES = ["v", " ", ": ", ":", "\t", "\xa0", "\x85", "\xff", "\0", "\r", "\n", "A: b", "", "\r\nA: b"]


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=3).map("".join)))
)
def test_the_short_way_agrees_with_the_long_one(lines: list[tuple[str, str]]) -> None:
    """What is taken apart by layout has the names and values that head.py finds, and no other lines pass."""
    block = "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")
    try:
        strictly = Headers.of(header_texts(block))
    except BadFraming:
        strictly = None
    try:
        found = headers_of(block)
    except BadFraming:
        found = None
    assert (found and list(found.pairs())) == (strictly and list(strictly.pairs()))


def test_names_are_found_in_any_case() -> None:
    """And come back as they were sent."""
    headers = headers_of(b"ETag: 1\r\nX-B: 2\r\n")
    assert headers["etag"] == headers["ETAG"] == "1"
    assert "x-b" in headers
    assert "x-c" not in headers
    assert headers.get("x-c") is None
    assert dict(headers.items()) == {"ETag": "1", "X-B": "2"}


def test_repeated_headers_are_joined() -> None:
    """In their order, under the first name."""
    assert dict(headers_of(b"A: 1\r\nB: 2\r\na: 3\r\n")) == {"A": "1,3", "B": "2"}


def test_trap_8_only_ascii_letters_have_a_case() -> None:
    """Other characters stand for bytes of somebody's UTF-8."""
    headers = headers_of("\xc3\x84: 1\r\n\xe3\x84: 2\r\n".encode("latin-1"))
    assert dict(headers) == {"\xc3\x84": "1", "\xe3\x84": "2"}


def test_no_headers_at_all() -> None:
    """An empty block is a block."""
    assert len(headers_of(b"")) == 0
