"""A response body on its way from a storage server to the client, surviving the server's death.

    FailoverBody ──transfer(socket)──▶ client        kernel to kernel, no byte enters Python
                 └──iter()──────────▶ middleware     where somebody wants to look at the bytes
    breaks off ──▶ successor.next() ──▶ the rest from another replica, same version, next byte

It does not know how a successor is found, nor what a ring is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..common.errors import Unavailable
from ..common.http.client import Response
from ..common.http.errors import ClientTimeout
from ..common.http.transfer import RawSocket, client_fault
from ..common.http.wire import WireTimeout
from .resume import Progress


class Successor(Protocol):
    """Finds who carries on."""

    def next(self, progress: Progress | None, problem: Unavailable) -> Response:
        """Return an answer that begins with the next byte owed, or raise the problem."""


class FailoverBody:
    """The body of one download, from as many replicas as it takes."""

    def __init__(self, response: Response, progress: Progress | None, successor: Successor) -> None:
        self._response = response
        self._progress = progress
        self._successor = successor

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                for chunk in self._response.chunks():
                    if self._progress is not None:
                        self._progress.sent += len(chunk)
                    yield chunk
                return
            except Unavailable as problem:
                if self._is_complete():
                    return
                self._carry_on(problem)

    def transfer(self, wire: RawSocket) -> int:
        """Move the body to the client's connection; return how many bytes went."""
        total = 0
        while True:
            try:
                return total + _move(self._response, wire)
            except Unavailable as problem:
                moved: int = getattr(problem, "bytes_moved", 0)
                total += moved
                if self._progress is not None:
                    self._progress.sent += moved
                if self._is_complete():
                    return total
                self._carry_on(problem)

    def _is_complete(self) -> bool:
        return self._progress is not None and self._progress.remaining == 0

    def _carry_on(self, problem: Unavailable) -> None:
        self._response.close()
        self._response = self._successor.next(self._progress, problem)

    def close(self) -> None:
        """Let go of the storage server; whatever it still has to say is not wanted."""
        self._response.close()


def _move(response: Response, wire: RawSocket) -> int:
    """Move a whole body; an Unavailable says in `bytes_moved` how far it came."""
    body = response.body()
    if body.transfer is not None:
        return body.transfer(wire)
    moved = 0
    try:
        for chunk in response.chunks():
            _send(chunk, wire)
            moved += len(chunk)
    except Unavailable as problem:
        problem.bytes_moved = moved  # type: ignore[attr-defined]  # as the engine's own bodies say it
        raise
    return moved


def _send(chunk: bytes, wire: RawSocket) -> None:
    try:
        wire.send(chunk, wire.patience_seconds)
    except WireTimeout as silence:
        raise ClientTimeout("the client does not take its answer") from silence
    except OSError as problem:
        raise client_fault(problem) from problem
