"""An upload on its way to all replicas of an object.

    client ──▶ small body: read whole, then one send per replica         send_small()
          └──▶ large body: Expect: 100-continue to each, then chunk by   Stream
                           chunk to all that live; quorum kept, else 503

Either way the outcome is a list of replies that quorum.py judges. It knows no ACL and no container.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..common import body_sums
from ..common.concurrency import Queue, spawn
from ..common.errors import Refused, Unavailable
from ..common.http.client import Exchange, Sendable, with_more
from ..common.http.errors import BadFraming, ClientDisconnect, ClientTimeout
from .backend import SMALL_UPLOAD, Backend, Question
from .fanout import Replies, Reply, collect
from .footers import Mime
from .nodes import Candidate
from .quorum import quorum_size
from .witness import Witness

log = logging.getLogger(__name__)

CONTINUE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What an upload is held to."""

    max_file_size: int
    chunk_size: int
    answer_grace_seconds: float


@dataclass(slots=True)
class Lane:
    """One replica's open PUT."""

    candidate: Candidate
    exchange: Exchange
    turn: int
    """Which of the requests it carries."""
    alive: bool = True

    @property
    def takes_sums(self) -> bool:
        """Whether the object server believes what we tell of the body behind it."""
        return self.exchange.continue_headers.get(body_sums.HEADER) == body_sums.VERSION


def read_body(source: Any, length: int) -> bytes:
    """Return a small body of known length; Refused with 499 when the client breaks off."""
    try:
        body: bytes = source.read(length)
        while len(body) < length:
            more = source.read(length - len(body))
            if not more:
                raise ClientDisconnect("the body was shorter than announced")
            body += more
    except (ClientTimeout, ClientDisconnect, BadFraming):
        with _named:
            raise
    return body


class _Named:
    """Gives what goes wrong on the client's side its own status."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        if isinstance(problem, ClientTimeout):
            raise Refused("The client was silent for too long.", 408) from problem
        if isinstance(problem, ClientDisconnect):
            raise Refused(
                "The client closed the connection before sending all it had announced.", 499
            ) from problem
        if isinstance(problem, BadFraming):
            raise Refused(str(problem), problem.status) from problem


_named = _Named()


def _pieces(fill: Callable[[memoryview], int], size: int) -> Iterator[memoryview]:
    """Yield a body as it arrives; each piece is good until the next is asked for."""
    view = memoryview(bytearray(size))
    while count := fill(view):
        yield view[:count]


def _filling_from(source: Any) -> Callable[[memoryview], int]:
    """Return what puts the next bytes of a body into a buffer and returns how many; 0 at its end."""
    known: Callable[[memoryview], int] | None = getattr(source, "readinto", None)
    if known is not None:
        return known

    def fill(view: memoryview) -> int:  # Other people's filters may have wrapped the input.
        data = source.read(len(view))
        view[: len(data)] = data
        return len(data)

    return fill


@dataclass(slots=True)
class Stream:
    """A large upload: connections first, then data, then answers."""

    backend: Backend
    question: Question
    limits: UploadLimits
    length: int | None
    mime: Mime | None = None
    """How footers travel, where a filter will tell some."""
    lanes: list[Lane] = field(default_factory=list)
    footer: bytes = b""
    """What is told of the body behind it, to those who take it."""
    early: Replies = field(default_factory=list)
    """Final answers that came instead of 100 Continue."""
    answered: set[int] = field(default_factory=set)
    """Turns of the requests whose answers came in the end."""

    def connect(self, requests: Sequence[Sendable], nodes: Iterator[Candidate]) -> None:
        """Open one lane per request, on stand-ins where a device fails."""
        mailbox: Queue = Queue()
        if self.mime is not None:
            announced = self.mime.headers(self.length)
            requests = [with_more(headers, announced) for headers in requests]
        elif self.length is not None and self.length >= body_sums.BODY_BYTES_MIN:
            requests = [with_more(headers, body_sums.OFFER) for headers in requests]
        for turn, headers in enumerate(requests):
            spawn(self._open, turn, headers, nodes, mailbox)
        for _ in requests:
            opened = mailbox.get()
            if isinstance(opened, Lane):
                self.lanes.append(opened)
            elif opened is not None:
                self.early.append(opened)

    def _open(self, turn: int, headers: Sendable, nodes: Iterator[Candidate], mailbox: Queue) -> None:
        opened: Lane | Reply | None = None
        try:
            for candidate in nodes:
                opened = self._open_lane(turn, candidate, headers)
                if opened is not None:
                    return
        finally:
            mailbox.put(opened)

    def _open_lane(self, turn: int, candidate: Candidate, headers: Sendable) -> Lane | Reply | None:
        device = candidate.device
        try:
            exchange = self.backend.pool.open(
                device.address,
                self.question.method,
                self.question.target(device),
                headers,
                length=None if self.mime else self.length,
                expect_continue=True,
                timeout_seconds=self.question.timeout_seconds,
            )
            if exchange.continue_status == CONTINUE:
                return self._begun(Lane(candidate, exchange, turn))
            response = exchange.response()
            if response.status >= 500:
                self.backend.refused(
                    device, self.question.method, response, length=self.length or SMALL_UPLOAD + 1
                )
                return None
            return Reply(response.status, response.headers, response.read(), candidate, headers)
        except Unavailable as problem:
            self.backend.failed(device, self.question.method, str(problem))
            return None

    def _begun(self, lane: Lane) -> Lane | None:
        """Return the lane ready for the body; None where it does not take what we must tell behind it."""
        if self.mime is None:
            return lane
        if self.mime.is_taken(lane.exchange.continue_headers):
            lane.exchange.send(self.mime.opening())
            return lane
        lane.exchange.abort()
        self.backend.failed(lane.candidate.device, self.question.method, "it takes no metadata behind a body")
        return None

    def tell(self, footers: Mapping[str, str], *, replicas: int) -> None:
        """Send what a filter has told of the body, to all lanes."""
        assert self.mime is not None
        closing = self.mime.closing(footers)
        for lane in self.lanes:
            if lane.alive:
                self._send(lane, closing)
        self.require_quorum(replicas)

    def send_all(self, source: Any, *, replicas: int) -> int:
        """Pass the client's body to all lanes; return its length.

        Raises:
            Refused: 499, 408, 413 when the client does not keep its side.
            Unavailable: when too few replicas are left.
        """
        witness = Witness() if any(lane.takes_sums for lane in self.lanes) else None
        try:
            sent = self._send_watched(source, witness, replicas=replicas)
            if witness is not None:
                self.footer = witness.sums().encode()
        finally:
            if witness is not None:
                witness.close()
        return sent

    def _send_watched(self, source: Any, witness: Witness | None, *, replicas: int) -> int:
        sent, fill, size = 0, _filling_from(source), self.limits.chunk_size
        with _named:
            for piece in _pieces(fill, size) if witness is None else witness.pieces(fill, size):
                sent += len(piece)
                if sent > self.limits.max_file_size:
                    raise Refused("Your request is too large.", 413)
                for lane in self.lanes:
                    if lane.alive:
                        self._send(lane, piece)
                self.require_quorum(replicas)
            if self.length is not None and sent < self.length:
                raise ClientDisconnect("the body was shorter than announced")
        return sent

    def _send(self, lane: Lane, piece: bytes | memoryview) -> None:
        try:
            lane.exchange.send(piece)
        except Unavailable as problem:
            lane.alive = False
            lane.exchange.abort()
            self.backend.failed(lane.candidate.device, self.question.method, str(problem))

    def require_quorum(self, replicas: int) -> None:
        """Refuse to go on when the object could not be stored safely any more."""
        alive = sum(lane.alive for lane in self.lanes)
        if alive < quorum_size(replicas):
            log.error("upload given up: too few replicas left", extra={"left": alive, "replicas": replicas})
            raise Unavailable("Too few storage servers could take the upload; try again.")

    def finish(self, *, is_enough: Any) -> Replies:
        """End the body on all lanes and return the answers."""
        mailbox: Queue = Queue()
        alive = [lane for lane in self.lanes if lane.alive]
        for lane in alive:
            spawn(self._finish, lane, mailbox)
        return collect(
            mailbox, len(alive), is_enough=is_enough, grace_seconds=self.limits.answer_grace_seconds
        )

    def _finish(self, lane: Lane, mailbox: Queue) -> None:
        reply = None
        device = lane.candidate.device
        try:
            lane.exchange.finish(self.footer if lane.takes_sums else b"")
            response = lane.exchange.response(self.question.timeout_seconds)
            lane.alive = False
            if response.status >= 500:
                self.backend.refused(
                    device, self.question.method, response, length=self.length or SMALL_UPLOAD + 1
                )
            else:
                reply = Reply(response.status, response.headers, response.read(), lane.candidate)
                self.answered.add(lane.turn)
        except Unavailable as problem:
            lane.alive = False
            self.backend.failed(device, self.question.method, str(problem))
        finally:
            mailbox.put(reply)

    def abort(self) -> None:
        """Break off every lane without ending its body: nothing of it may become an object."""
        for lane in self.lanes:
            if lane.alive:
                lane.alive = False
                lane.exchange.abort()
