"""What an input tells of how much of it was taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from engine import serving

BODY = b"0123456789" * 1000
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:10], BODY[10:5000], BODY[5000:])
) + b"0\r\n\r\n"  # fmt: skip
MEASURED = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

READERS: list[tuple[Callable[[Any], object], int]] = [
    (lambda body: None, 0),
    (lambda body: body.read(0), 0),
    (lambda body: body.read(7), 7),
    (lambda body: [body.readinto(bytearray(3)), body.read(4)], 7),
    (lambda body: body.read(), len(BODY)),
    (lambda body: body.readline(), len(BODY)),
    (lambda body: list(iter(lambda: body.readinto(bytearray(999)), 0)), len(BODY)),
    (lambda body: [body.readline(20), body.read(80)], 100),
]


@pytest.mark.parametrize("framing", [MEASURED, CHUNKED], ids=["measured", "chunked"])
@pytest.mark.parametrize(("reader", "count"), READERS)
def test_it_counts_what_the_application_took(
    framing: bytes, reader: Callable[[Any], object], count: int
) -> None:
    """By whatever method, in whatever framing, and not what merely arrived."""
    counts: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        reader(environ["wsgi.input"])
        counts.append(environ["wsgi.input"].bytes_read)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with serving(app) as served:
        served.ask(b"PUT /x HTTP/1.1\r\n", framing)
    assert counts == [count]


def test_no_body_is_nothing_read() -> None:
    """The shared input of bodiless requests counts too."""
    counts: list[int] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        counts.append(environ["wsgi.input"].bytes_read)
        start_response("204 No Content", [])
        return []

    with serving(app) as served:
        served.ask(b"GET /x HTTP/1.1\r\n\r\n")
    assert counts == [0]
