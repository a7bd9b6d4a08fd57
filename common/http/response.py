"""A peer's answer, and what becomes of its connection.

    head + rest of the buffer + wire ──▶ Response ──read to the end──▶ connection back to the pool
                                             └──closed before──────▶ connection closed
    Response.body() ──transfer──▶ spliced to another wire through a pipe: no byte enters Python

It does not know how the request was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from . import framing
from .body import NO_BODY, Body, ChunkedBody, EndlessBody, LengthBody, WholeBody
from .errors import BadFraming, PeerDisconnect, PeerTimeout
from .headers import Headers
from .idle import Address
from .transfer import PIPE_BYTES, Pipe, RawSocket, send
from .wire import PIECE_BYTES, Wire, WireTimeout

T = TypeVar("T")

SPLICE_BYTES_MIN = 32768  # Below this two copies cost less than a pipe's system calls.


def _framing(status: int, method: str, minor: int, headers: Headers) -> tuple[int, bool]:
    """Return the length of an answer's body, or CHUNKED or UNTIL_CLOSE, and if the connection outlives it."""
    layout = headers.layout
    if layout.says_only_length:  # As nearly all answers do.
        at = layout.length_at
        text = None if at is None else headers.values_in_order[at]
        length = framing.answer_body(status, method, text, None)
        return length, minor > 0 and length != framing.UNTIL_CLOSE
    get = headers.get
    length = framing.answer_body(status, method, get("content-length"), get("transfer-encoding"))
    return length, length != framing.UNTIL_CLOSE and framing.keeps_alive(get("connection"), minor)


class PeerSource:
    """The wire to a peer, watched."""

    __slots__ = ("_wire", "timeout_seconds")

    continue_due = False
    broken = False  # A response that fails closes its connection by itself.

    def __init__(self, wire: Wire, timeout_seconds: float) -> None:
        self._wire = wire
        self.timeout_seconds = timeout_seconds

    def receive(self, size: int) -> bytes:
        """Return the next bytes of the body."""
        data = self._watched(self._wire.receive, size)
        if not data:
            raise PeerDisconnect("the peer ended the connection in the middle of its answer")
        return data

    def receive_into(self, view: memoryview) -> int:
        """Receive the next bytes of the body into a buffer."""
        count = self._watched(self._wire.receive_into, view)
        if not count:
            raise PeerDisconnect("the peer ended the connection in the middle of its answer")
        return count

    def ends(self) -> bool:
        """Whether the peer has ended the connection; waits until that, or more, has come."""
        return not self._watched(self._peek, 1)

    def _peek(self, size: int, timeout_seconds: float) -> bytes:
        return self._wire.peek(size, timeout_seconds)

    def _watched(self, receive: Callable[[Any, float], T], what: Any) -> T:
        try:
            return receive(what, self.timeout_seconds)
        except WireTimeout as silence:
            raise PeerTimeout("the peer sent nothing more of its answer") from silence
        except OSError as reset:
            raise PeerDisconnect("the peer broke the connection in the middle of its answer") from reset


class Response:
    """A peer's answer; read it to its end, or close it."""

    __slots__ = (
        "_address",
        "_body",
        "_done",
        "_keep",
        "_release",
        "_source",
        "_wire",
        "headers",
        "reason",
        "status",
        "whole",
    )

    def __init__(
        self,
        wire: Wire,
        head: tuple[int, str, int, Headers],
        data: bytes,
        *,
        method: str,
        timeout_seconds: float,
        release: Callable[[Address, Wire], None] | None,
        address: Address,
    ) -> None:
        self._wire = wire
        self._release = release
        self._address = address
        self.status, self.reason, minor, self.headers = head
        length, keeps = _framing(self.status, method, minor, self.headers)
        self._keep = keeps and release is not None
        self.whole: bytes | None = None
        """The body, where all of it came with the head; for who asks before anybody has read."""
        if length == len(data):  # It has come whole, as small ones do.
            self.whole = data
            self._body: Body = WholeBody(data) if data else NO_BODY
            self._done = True
            if keeps and release is not None:
                release(address, wire)
            else:
                wire.close()
            return
        self._done = False
        self._source = PeerSource(wire, timeout_seconds)
        self._body = self._choose_body(length, data)
        if self._body.finished:
            self._settle()

    def _choose_body(self, length: int, data: bytes) -> Body:
        if length == framing.CHUNKED:
            return ChunkedBody(self._source, data)
        if length == framing.UNTIL_CLOSE:
            return EndlessBody(self._source, data)
        return LengthBody(self._source, length, data)

    def read(self, size: int = -1) -> bytes:
        """Return exactly `size` bytes, or all that are left when there are fewer or size is negative."""
        if (
            self._done
        ):  # Nothing of it is on the wire: nothing can go wrong, and nothing is to be done behind.
            return self._body.read(size)
        return self._watched(lambda: self._body.read(size))

    @property
    def is_bare(self) -> bool:
        """Whether it is a head and nothing more, and its connection can be used again: all such are alike."""
        return self._done and self._keep and self._body is NO_BODY

    def readinto(self, buffer: memoryview | bytearray) -> int:
        """Put what has arrived, at least one byte, into the buffer; return how much, 0 at the end."""
        return self._watched(lambda: self._body.readinto(buffer))

    def chunks(self, size: int = PIECE_BYTES) -> Iterator[bytes]:
        """Yield the body in pieces as they arrive, each of at most `size` bytes."""
        while piece := self._watched(lambda: self._body.piece(size)):
            yield piece

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks()

    def body(self) -> AnswerBody:
        """Return the body as a WSGI result that can move itself to a client."""
        return AnswerBody(self)

    def drain(self, limit: int = PIECE_BYTES) -> None:
        """Skip the body so that the connection can be used again; close it if that is not cheap."""
        if not self._done:
            try:
                self._watched(lambda: self._body.drain(limit))
            finally:
                self.close()

    def close(self) -> None:
        """End it; what has not been read ends the connection too."""
        if not self._done:
            self._done = True
            self._wire.close()

    def __del__(self) -> None:
        if not getattr(self, "_done", True):
            self.close()

    def _watched(self, read: Callable[[], T]) -> T:
        try:
            result = read()
        except BadFraming as nonsense:
            self.close()
            raise PeerDisconnect(f"the peer's answer is malformed: {nonsense}") from nonsense
        except BaseException:
            self.close()
            raise
        if not self._done and self._body.finished:
            self._settle()
        return result

    def _settle(self) -> None:
        """The body has left the wire: give the connection back if it can serve again."""
        self._done = True
        if self._keep and self._release is not None and not self._body.leftover:
            self._release(self._address, self._wire)
        else:
            self._wire.close()


class AnswerBody:
    """A peer's body on its way to a client."""

    __slots__ = ("_response", "transfer")

    def __init__(self, response: Response) -> None:
        self._response = response
        body = response._body
        worthwhile = isinstance(body, LengthBody) and (body.missing or 0) >= SPLICE_BYTES_MIN
        self.transfer: Callable[[RawSocket], int] | None = self._transfer if worthwhile else None

    def __iter__(self) -> Iterator[bytes]:
        return self._response.chunks()

    def close(self) -> None:
        """Give the connection back, or close it when the body was not wanted to its end."""
        self._response.close()

    def _transfer(self, wire: RawSocket) -> int:
        """Move the body from wire to wire, first what is already here."""
        response = self._response
        body = response._body
        assert isinstance(body, LengthBody)
        ahead = body.take_ahead()
        moved, awaited = len(ahead), body.missing or 0
        try:
            if ahead:
                send(wire, ahead)
            moved += self._splice(body, wire)
        except BaseException as problem:
            response.close()
            passed_on = moved + awaited - (body.missing or 0)
            problem.bytes_moved = passed_on  # type: ignore[attr-defined]  # for CountedBody
            raise
        response._settle()
        return moved

    def _splice(self, body: LengthBody, wire: RawSocket) -> int:
        source, moved = self._response._wire, 0
        pipe = Pipe.borrow()
        try:
            while body.missing:
                count = self._fill(pipe, source, body.missing)
                body.skipped(count)
                pipe.empty_into(wire)
                moved += count
        finally:
            pipe.give_back()
        return moved

    def _fill(self, pipe: Pipe, source: Wire, missing: int) -> int:
        timeout_seconds = self._response._source.timeout_seconds
        while True:
            try:
                count = pipe.fill(source.descriptor, min(missing, PIPE_BYTES))
                break
            except BlockingIOError:
                try:
                    source.wait_readable(timeout_seconds)
                except WireTimeout as silence:
                    raise PeerTimeout("the peer sent nothing more of its answer") from silence
            except OSError as reset:
                raise PeerDisconnect("the peer broke the connection in the middle of its answer") from reset
        if not count:
            raise PeerDisconnect("the peer ended the connection in the middle of its answer")
        return count
