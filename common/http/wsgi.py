"""The two kinds of text in a WSGI environ, and the types of the interface.

    bytes on the wire ──▶ WSGI string (latin-1: one character per byte) ──from_wsgi──▶ text (UTF-8 decoded)

Header values stay WSGI strings so that whatever bytes a client sent come back unchanged; names of
accounts, containers and objects are handled as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]


def let_go(body: object) -> None:
    """Close a body that need not be read any further, if it can be closed."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def from_wsgi(text: str) -> str:
    """Return the text whose UTF-8 bytes a WSGI string carries; bytes that are not UTF-8 become surrogates."""
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def to_wsgi(text: str) -> str:
    """Return the WSGI string that carries the UTF-8 bytes of a text; the inverse of `from_wsgi`."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
