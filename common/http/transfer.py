"""Bodies that move themselves to a socket without entering Python.

    FileBody ──sendfile──▶ wire            (disk to client)
    client.AnswerBody ──splice──▶ pipe ──splice──▶ wire     (backend to client)
    CountedBody: passes either through, and tells how many bytes went

The server asks a WSGI result for `transfer`; a result that has none, or None there, is iterated. Every body
here can be iterated too, for middleware that looks at bytes. It does not know HTTP.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from .errors import ClientDisconnect, ClientTimeout
from .wire import PIECE_BYTES, Wire, WireTimeout

RawSocket = Wire
SENDFILE_BYTES_MAX = 1 << 20  # One call; other green threads get their turn in between.
PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
_GONE = frozenset((errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EBADF))


class TransferBody(Protocol):
    """A body that may be iterated or told to move itself."""

    def __iter__(self) -> Iterator[bytes]: ...

    def transfer(self, wire: RawSocket) -> int:
        """Move all of it to the wire; return the bytes moved."""

    def close(self) -> None:
        """Give back what it holds, whether it was moved or not."""


class FileBody:
    """A part of an open file; it closes the descriptor at the end."""

    __slots__ = ("_descriptor", "_left", "_offset")

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        assert offset >= 0
        assert length >= 0
        self._descriptor = descriptor
        self._offset = offset
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            data = os.pread(self._descriptor, min(self._left, PIECE_BYTES), self._offset)
            if not data:
                return
            self._offset += len(data)
            self._left -= len(data)
            yield data

    def transfer(self, wire: RawSocket) -> int:
        """Move it by sendfile; a file that is too short ends it early, which the server notices."""
        whole = self._left
        try:
            send_held(wire)
            while self._left and self._move_some(wire):
                pass
        except BaseException as problem:
            problem.bytes_moved = whole - self._left  # type: ignore[attr-defined]  # for CountedBody
            raise
        return whole - self._left

    def _move_some(self, wire: RawSocket) -> bool:
        """Move what the wire takes; return False at the file's end."""
        count = min(self._left, SENDFILE_BYTES_MAX)
        try:
            sent = os.sendfile(wire.descriptor, self._descriptor, self._offset, count)
        except BlockingIOError:
            wait_for_room(wire)
            return True
        except OSError as problem:
            raise client_fault(problem) from problem
        self._offset += sent
        self._left -= sent
        return sent > 0

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class CountedBody:
    """Another body, whose end is reported once: bytes handed over, and what ended it if not its end."""

    __slots__ = ("_body", "_count", "_on_done", "transfer")

    def __init__(self, body: Iterable[bytes], on_done: Callable[[int, BaseException | None], None]) -> None:
        self._body = body
        self._count = 0
        self._on_done: Callable[[int, BaseException | None], None] | None = on_done
        inner: Any = getattr(body, "transfer", None)
        self.transfer: Callable[[RawSocket], int] | None = self._transfer if inner is not None else None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._body:
                yield piece
                self._count += len(piece)  # Behind the yield: it has been taken.
        except GeneratorExit:
            raise
        except BaseException as problem:
            self._report(problem)
            raise
        self._report(None)

    def _transfer(self, wire: RawSocket) -> int:
        body: Any = self._body
        try:
            self._count = body.transfer(wire)
        except BaseException as problem:
            self._count = getattr(problem, "bytes_moved", 0)
            self._report(problem)
            raise
        self._report(None)
        return self._count

    def close(self) -> None:
        """Close the body; if it was not read to its end, that is its end."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._report(None)

    def _report(self, problem: BaseException | None) -> None:
        on_done, self._on_done = self._on_done, None
        self.transfer = None  # It names us, and so would keep all of an answer until a collection.
        if on_done is not None:
            on_done(self._count, problem)


def send_held(wire: Wire) -> None:
    """Send the head that waits for its body."""
    _named(wire.send_held, wire)


def send(wire: Wire, data: bytes | memoryview) -> None:
    """Send bytes of a body, in the terms of a client."""
    _named(lambda timeout_seconds: wire.send(data, timeout_seconds), wire)


def _named(act: Callable[[float], None], wire: Wire) -> None:
    try:
        act(wire.patience_seconds)
    except WireTimeout as silence:
        raise ClientTimeout("the client does not take its answer") from silence
    except OSError as problem:
        raise client_fault(problem) from problem


def wait_for_room(wire: Wire) -> None:
    """Sleep until the client takes more."""
    _named(wire.wait_writable, wire)


def client_fault(problem: OSError) -> Exception:
    """Return the error that an OSError of a send means; what is not the client's fault stays as it is."""
    if problem.errno in _GONE:
        return ClientDisconnect("the client does not want the rest of its answer")
    return problem


class Pipe:
    """A kernel buffer between two splices; kept for reuse while it is empty."""

    __slots__ = ("held", "reading", "writing")

    _spare: list[Pipe] = []  # noqa: RUF012 - shared on purpose: pipes outlive the bodies that use them
    _spare_max = 64

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0  # Bytes that are in it.
        try:
            fcntl.fcntl(self.writing, _F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # The user's share of pipe memory is used up; a small pipe does it too.

    @classmethod
    def borrow(cls) -> Pipe:
        """Return an empty pipe."""
        return cls._spare.pop() if cls._spare else cls()

    def give_back(self) -> None:
        """Keep it for the next one, or close it if anything is in it."""
        if not self.held and len(self._spare) < self._spare_max:
            self._spare.append(self)
        else:
            os.close(self.reading)
            os.close(self.writing)

    def fill(self, source: int, limit: int) -> int:
        """Move up to `limit` bytes into it; 0 at the source's end; may raise BlockingIOError."""
        assert not self.held
        self.held = os.splice(source, self.writing, limit, flags=_SPLICE)
        return self.held

    def empty_into(self, wire: Wire) -> None:
        """Move all that it holds to the wire."""
        send_held(wire)
        while self.held:
            try:
                self.held -= os.splice(self.reading, wire.descriptor, self.held, flags=_SPLICE)
            except BlockingIOError:
                wait_for_room(wire)
            except OSError as problem:
                raise client_fault(problem) from problem


_SPLICE = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
