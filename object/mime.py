"""Bodies that bring metadata behind their data, as stock Swift's proxy sends them for some middleware.

    --boundary CRLF headers CRLF CRLF data CRLF --boundary CRLF headers CRLF CRLF JSON CRLF --boundary--
        ──receive()──▶ data to the writer, JSON to the footers

Encryption needs it: a body's real ETag is known only at its end. A proxy asks before it sends such a body
(X-Backend-Obj-Metadata-Footer with Expect: 100-continue), and only sends one to who says it can.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import orjson

from ..common.errors import Refused
from ..common.http.errors import ClientDisconnect
from ..common.http.request import Request
from .context import flag
from .files.metadata import Metadata
from .request_metadata import SYSTEM, TRANSIENT, USER

FOOTER_BYTES_MAX = 1 << 20
_LINE_BYTES_MAX = 8192


def is_wanted(request: Request) -> bool:
    """Whether the body has footers; raise Refused for the two-phase form of erasure-coded policies."""
    if flag(request, "HTTP_X_BACKEND_OBJ_MULTIPHASE_COMMIT"):
        raise Refused("Two-phase PUT is not offered here", 501)
    return flag(request, "HTTP_X_BACKEND_OBJ_METADATA_FOOTER")


def receive(request: Request, write: Callable[[bytes], None], footers: Metadata, limit: int) -> None:
    """Split the body into the object's data, and the metadata that follows it.

    Raises:
        Refused: when it is not built as announced.
    """
    boundary = request.header("X-Backend-Obj-Multipart-Mime-Boundary")
    if not boundary:
        raise Refused("no MIME boundary")
    promise = getattr(request.body, "promise", None)
    if promise is not None:
        promise("X-Obj-Metadata-Footer", "yes")
    parts = _Parts(request.body, b"--" + boundary.encode("latin-1"), limit)
    parts.open()
    for data in parts.content():
        write(data)
    headers = parts.headers()
    document = b"".join(parts.content(FOOTER_BYTES_MAX))
    if hashlib.md5(document, usedforsecurity=False).hexdigest() != headers.get("content-md5"):
        raise Refused("footer MD5 mismatch", 422)
    try:
        values = orjson.loads(document)
        footers.update((_titled(name), str(value)) for name, value in values.items())
    except (ValueError, AttributeError) as problem:
        raise Refused("invalid JSON for footer doc") from problem
    request.body.read()


def kept(footers: Metadata) -> Metadata:
    """Return what of the footers is stored."""
    return {key: value for key, value in footers.items() if key.lower().startswith((USER, SYSTEM, TRANSIENT))}


def _titled(name: str) -> str:
    return "-".join(word.capitalize() for word in name.split("-"))


class _Parts:
    """The parts of a MIME body, one after another."""

    def __init__(self, source: object, mark: bytes, limit: int) -> None:
        self._read: Callable[[int], bytes] = source.read  # type: ignore[attr-defined]  # WSGI's input
        self._mark = mark
        self._limit = limit
        self._buffer = b""

    def _more(self) -> None:
        data = self._read(self._limit)
        if not data:
            raise ClientDisconnect("the body ends inside a MIME part")
        self._buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _LINE_BYTES_MAX:
                raise Refused("a MIME header is too long")
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def open(self) -> None:
        """Take the first boundary and the headers behind it."""
        if self._line() != self._mark:
            raise Refused("the body does not begin with its boundary")
        self.headers()

    def headers(self) -> dict[str, str]:
        """Take the headers of a part."""
        found = {}
        while line := self._line():
            name, _, value = line.partition(b":")
            found[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
        return found

    def content(self, bytes_max: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a part up to the boundary behind it."""
        ending = b"\r\n" + self._mark
        taken = 0
        while (at := self._buffer.find(ending)) < 0:
            safe = len(self._buffer) - len(ending) + 1
            if safe > 0:
                piece, self._buffer = self._buffer[:safe], self._buffer[safe:]
                taken += len(piece)
                if bytes_max is not None and taken > bytes_max:
                    raise Refused("the footer is too long")
                yield piece
            self._more()
        if at:
            yield self._buffer[:at]
        self._buffer = self._buffer[at + len(ending) :]
        while len(self._buffer) < 2:
            self._more()
        self._buffer = self._buffer[2:]
