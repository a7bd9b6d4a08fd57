"""The body of a large object: the bodies of its segments, one after the other.

    pieces (what of which object, or bytes) ──▶ SegmentedBody
        begin()     the first segment is open; or 409, 503
        transfer()  kernel to kernel, segment by segment
        iter()      where somebody looks at the bytes
                    meanwhile the next few are opened, if they come soon

Each segment is read with the client's rights, and must still be what the manifest says: its size, and its
ETag where that is known. What is found wrong later than the first segment breaks the body off, so that no
client takes it for whole, and not before its turn has come. It does not know how a manifest looks.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ...common.concurrency import Task, spawn
from ...common.errors import ApusError, Refused, Unavailable
from ...common.http.transfer import RawSocket, send
from ...common.http.wsgi import Environ, WSGIApp, from_wsgi, let_go
from ...common.ranges import Span
from .inner import Reply, ask, path_of

log = logging.getLogger(__name__)

AHEAD_MAX = 4
"""Segments that are opened while one is sent: of many small ones, the time to open is all that counts."""
AHEAD_BYTES_MAX = 1 << 20
"""How far ahead they begin at most: over there, nobody waits long for a client who comes much later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of an object, which must be of that size and that ETag, if one is known."""

    path: str
    """Container and object, as text, without a slash before them."""
    size: int
    span: Span
    etag: str | None = None

    @property
    def length(self) -> int:
        """How many bytes of it belong to the body."""
        return self.span[1] - self.span[0]


@dataclass(slots=True)
class _Part:
    """An open piece of the body."""

    body: Iterable[bytes]
    length: int
    name: str = "inline data"

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes; Unavailable when there are fewer than it should have."""
        seen = 0
        for data in self.body:
            seen += len(data)
            yield data
        self._require(seen)

    def move(self, wire: RawSocket) -> int:
        """Move its bytes to the client; an exception says in `bytes_moved` how far that came."""
        transfer: Any = getattr(self.body, "transfer", None)
        moved = 0
        if transfer is not None:
            moved = transfer(wire)
        else:
            try:
                for data in self.body:
                    send(wire, data)
                    moved += len(data)
            except BaseException as problem:
                problem.bytes_moved = moved  # type: ignore[attr-defined]  # for whoever counts
                raise
        try:
            self._require(moved)
        except Unavailable as problem:
            problem.bytes_moved = moved  # type: ignore[attr-defined]  # as above
            raise
        return moved

    def _require(self, count: int) -> None:
        if count != self.length:
            raise Unavailable(f"{self.name} ended after {count} of {self.length} bytes")

    def opened(self) -> _Part:
        """Return itself: it is open."""
        return self

    def close(self) -> None:
        """Let go of it."""
        let_go(self.body)


@dataclass(slots=True)
class _Coming:
    """A piece that is being opened, or that could not be: whose turn has not come need not know."""

    task: Task[_Part]
    length: int

    def opened(self) -> _Part:
        """Return it when it is open.

        Raises:
            Refused, Unavailable: as `SegmentedBody.begin`.
        """
        return self.task.wait()

    def close(self) -> None:
        """Let go of it as soon as there is something to let go of; nobody waits for that."""
        if self.task.done:
            self._close()
        else:
            spawn(self._close)

    def _close(self) -> None:
        with suppress(ApusError):  # It was not wanted in the end.
            self.task.wait().close()


class SegmentedBody:
    """The bytes of many objects as one body."""

    def __init__(self, app: WSGIApp, environ: Environ, pieces: Iterator[Piece | bytes]) -> None:
        self._app = app
        self._environ = environ
        self._account = from_wsgi(environ["PATH_INFO"].split("/", 3)[2])
        self._name = environ["PATH_INFO"]
        self._pieces = pieces
        self._open: deque[_Part | _Coming] = deque()
        self._has_more = True

    def begin(self) -> None:
        """Open the first segment, so that an answer which cannot be given is not begun.

        Raises:
            Refused: 409, when it is not what the manifest says.
            Unavailable: when it cannot be read now.
        """
        try:
            for piece in self._pieces:
                self._open.append(self._opened(piece))
                if isinstance(piece, Piece):
                    return
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._parts():
                yield from part.pieces()
        except (Refused, Unavailable) as problem:
            self._report(problem)
            raise

    def transfer(self, wire: RawSocket) -> int:
        """Move the body to the client's connection; return how many bytes went."""
        total = 0
        try:
            for part in self._parts():
                total += part.move(wire)
        except BaseException as problem:
            problem.bytes_moved = total + getattr(problem, "bytes_moved", 0)  # type: ignore[attr-defined]
            if isinstance(problem, Refused | Unavailable):
                self._report(problem)
            raise
        return total

    def close(self) -> None:
        """Let go of what is open; what has not been asked for never is."""
        with ExitStack() as last:
            while self._open:
                last.callback(self._open.popleft().close)
            last.callback(let_go, self._pieces)

    def _parts(self) -> Iterator[_Part]:
        while True:
            if not self._open:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._open.append(self._opened(piece))
            part = self._open[0].opened()
            self._open[0] = part
            self._look_ahead()
            yield part
            self._open.popleft()
            part.close()

    def _look_ahead(self) -> None:
        """Have the next pieces opened that begin soon."""
        distance = sum(part.length for part in self._open)
        while self._has_more and len(self._open) <= AHEAD_MAX and distance <= AHEAD_BYTES_MAX:
            try:
                piece = next(self._pieces, None)
            except ApusError as problem:  # A manifest behind this one, in its turn.
                self._has_more = False
                self._open.append(_Coming(spawn(_raise, problem), 0))
                return
            if piece is None:
                self._has_more = False
            elif isinstance(piece, bytes):
                self._open.append(self._opened(piece))
                distance += len(piece)
            else:
                self._open.append(_Coming(spawn(self._opened, piece), piece.length))
                distance += piece.length

    def _opened(self, piece: Piece | bytes) -> _Part:
        if isinstance(piece, bytes):
            return _Part([piece], len(piece))
        whole = piece.length == piece.size
        headers = {} if whole else {"Range": f"bytes={piece.span[0]}-{piece.span[1] - 1}"}
        if "HTTP_X_OPEN_EXPIRED" in self._environ:
            headers["X-Open-Expired"] = self._environ["HTTP_X_OPEN_EXPIRED"]
        # Sub-manifests have been resolved before: any other manifest counts as the bytes that are stored.
        reply = ask(
            self._app,
            self._environ,
            "GET",
            path_of(self._environ, self._account, piece.path),
            headers=headers,
            query={"multipart-manifest": "get"},
        )
        problem = _problem(reply, piece)
        if problem is None:
            return _Part(reply.body, piece.length, piece.path)
        reply.close()
        sentence = f"Segment {quote(piece.path, errors='surrogateescape')} {problem}.\n"
        if reply.status // 100 == 5:
            raise Unavailable(sentence)
        raise Refused(sentence, 409)

    def _report(self, problem: Refused | Unavailable) -> None:
        status = problem.status if isinstance(problem, Refused) else 503
        fields = {"path": self._name, "problem": str(problem).strip(), "status": status}
        log.error("a large object could not be read to its end", extra=fields)


def _raise(problem: Exception) -> _Part:
    raise problem


def _problem(reply: Reply, piece: Piece) -> str | None:
    """Return what keeps an answer from being this piece, or None."""
    if reply.status // 100 != 2:
        return f"cannot be read: the answer was {reply.status}"
    etag = reply.headers.get("etag", "").strip('"')
    if piece.etag is not None and etag != piece.etag:
        return f"has changed: its ETag is {etag}, not {piece.etag}"
    length = reply.headers.get("content-length")
    if reply.status != (200 if piece.length == piece.size else 206) or length != str(piece.length):
        return f"has changed: it was {piece.size} bytes long when the manifest was written"
    return None
