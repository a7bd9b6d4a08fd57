"""Where a message's body ends: decided from its head, or the message is refused.

    Content-Length, Transfer-Encoding, version ──▶ bytes of body, or CHUNKED, or UNTIL_CLOSE (answers only)
    Connection, version ──▶ whether the connection outlives the message

The rules are RFC 9112's with every "may" that has been used for smuggling turned into a refusal.
No socket here.
"""

from __future__ import annotations

from functools import lru_cache

from .errors import BadFraming

CHUNKED = -1
UNTIL_CLOSE = -2
LENGTH_DIGITS_MAX = 18  # An exabyte less one: fits every 64-bit reader behind us.
BODILESS = frozenset((204, 304))


def request_body(content_length: str | None, transfer_encoding: str | None, minor: int) -> int:
    """Return the length of a request's body, or CHUNKED."""
    if transfer_encoding is not None:
        if content_length is not None:
            raise BadFraming("Content-Length and Transfer-Encoding exclude each other")
        if transfer_encoding.strip(" \t").lower() != "chunked":
            raise BadFraming("The only Transfer-Encoding that is spoken here is chunked", 501)
        if minor == 0:
            raise BadFraming("HTTP/1.0 knows no Transfer-Encoding")
        return CHUNKED
    return 0 if content_length is None else length(content_length)


@lru_cache(maxsize=1024)
def length(text: str) -> int:
    """Return the value of a Content-Length header; many bodies have the same."""
    text = text.strip(" \t")
    if not (text.isdigit() and text.isascii()) or len(text) > LENGTH_DIGITS_MAX:
        raise BadFraming(f"Content-Length is no length: {text[:40]!r}")
    return int(text)


def answer_body(status: int, method: str, content_length: str | None, transfer_encoding: str | None) -> int:
    """Return the length of an answer's body, CHUNKED or UNTIL_CLOSE."""
    if method == "HEAD" or status in BODILESS or status < 200:
        return 0
    if transfer_encoding is not None:
        if transfer_encoding.strip(" \t").lower() != "chunked" or content_length is not None:
            raise BadFraming("The answer's length is ambiguous")
        return CHUNKED
    return UNTIL_CLOSE if content_length is None else length(content_length)


def keeps_alive(connection: str | None, minor: int) -> bool:
    """Whether the sender of this Connection header wants to go on with the connection."""
    if connection is None:
        return minor > 0
    tokens = [token.strip(" \t") for token in connection.lower().split(",")]
    return "close" not in tokens and (minor > 0 or "keep-alive" in tokens)


def wants_continue(expect: str | None, minor: int) -> bool:
    """Whether the client waits for 100 Continue before it sends its body."""
    if expect is None or minor == 0:
        return False
    if expect.strip(" \t").lower() != "100-continue":
        raise BadFraming("The only expectation that can be met is 100-continue", 417)
    return True
