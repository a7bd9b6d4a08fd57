"""When the server says that it keeps a connection."""

from __future__ import annotations

from typing import Any

import pytest
from engine import serving


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
    ],
)
def test_who_speaks_of_it_is_answered(head: bytes, said: str | None) -> None:
    """In stock Swift's way: nothing is said unless the client said something, or speaks HTTP/1.0."""
    with serving(hello) as served:
        assert served.ask(head).headers.get("connection") == said
