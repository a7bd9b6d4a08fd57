"""A thin view of a WSGI environ for handlers on hot paths.

    environ ──▶ Request ──▶ method, path parts, headers, timestamp: decoded when asked, not before

It owns nothing and copies nothing. Whoever wants more (cookies, negotiation, forms) uses WebOb.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from ..errors import Refused
from ..timestamp import Timestamp
from .wsgi import Environ, from_wsgi

_BARE = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
_TITLES: dict[str, str] = {}
_TITLES_MAX = 4096  # Clients choose header names; the memo must not grow with their fancy.


class Request:
    """What a client asked; header values are WSGI strings, path and query are text."""

    __slots__ = ("_query", "environ", "method", "path")

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
        self.path: str = path if path.isascii() else from_wsgi(path)
        self._query: dict[str, str] | None = None

    @property
    def body(self) -> Any:
        """The engine's input object: read(n), readinto(buffer), readline()."""
        return self.environ["wsgi.input"]

    @property
    def query(self) -> dict[str, str]:
        """The parameters; of repeated ones the last counts, blank values are kept."""
        if self._query is None:
            raw = self.environ.get("QUERY_STRING") or ""
            pairs = parse_qsl(raw, keep_blank_values=True, errors="surrogateescape") if raw else ()
            self._query = dict(pairs)
        return self._query

    @property
    def content_length(self) -> int | None:
        """The announced length in bytes, or None; the engine has refused malformed ones."""
        text = self.environ.get("CONTENT_LENGTH")
        return int(text) if text else None

    @property
    def chunked(self) -> bool:
        """Whether the body's end is marked in the body itself."""
        return "HTTP_TRANSFER_ENCODING" in self.environ

    def header(self, name: str, default: str | None = None) -> str | None:
        """Return one header in any case, or the default."""
        key = name.upper().replace("-", "_")
        if key not in _BARE:
            key = f"HTTP_{key}"
        value: str | None = self.environ.get(key, default)
        return value

    def headers(self) -> Iterator[tuple[str, str]]:
        """Yield (Title-Case-Name, value) of all headers."""
        for key, value in self.environ.items():
            if key.startswith("HTTP_"):
                yield title(key), value
            elif key in _BARE and value:
                yield _BARE[key], value

    def split_path(self, minimum: int, maximum: int, *, rest_with_last: bool = False) -> list[str | None]:
        """Return the path's segments, None for the missing ones up to `maximum`.

        With `rest_with_last` the last segment takes what remains, slashes included.

        Raises:
            Refused: with status 404 when there are too few, too many or empty segments.
        """
        pieces = self.path[1:].split("/", maximum - 1) if rest_with_last else self.path[1:].split("/")
        if not rest_with_last and len(pieces) == maximum + 1 and not pieces[-1]:
            pieces.pop()
        if len(pieces) > minimum and not pieces[-1]:
            pieces.pop()
        if not self.path.startswith("/") or not minimum <= len(pieces) <= maximum or not all(pieces):
            raise Refused(f"Invalid path: {self.path}", 404)
        return [*pieces, *[None] * (maximum - len(pieces))]

    def timestamp(self) -> Timestamp:
        """Return X-Timestamp; raise Refused when it is missing or malformed."""
        text = self.environ.get("HTTP_X_TIMESTAMP")
        if not text:
            raise Refused("Missing X-Timestamp header")
        try:
            return Timestamp.parse(text)
        except ValueError as problem:
            raise Refused(f"X-Timestamp should be a UNIX timestamp, not {text!r}") from problem


def title(key: str) -> str:
    """Return the Title-Case name of an `HTTP_*` environ key; non-ASCII names keep their case."""
    name = _TITLES.get(key)
    if name is None:
        words = key[5:].split("_")
        name = "-".join(word.capitalize() if word.isascii() else word for word in words)
        if len(_TITLES) < _TITLES_MAX:
            _TITLES[key] = name
    return name
