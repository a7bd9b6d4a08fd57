"""What can go wrong on a connection, one class per reaction.

from the side of a server (its client's fault or fate):
ClientDisconnect   nobody is left to answer; what came so far is not the whole body
ClientTimeout      answer 408 and close
BadFraming         answer 4xx/501 and close: where the next request begins is unknown
from the side of a client (its peer's): all are Unavailable, try another replica
ConnectFailed      nothing was sent
PeerTimeout        connected, but silent
PeerDisconnect     gone, or talking nonsense, before its answer was complete
"""

from __future__ import annotations

from ..errors import ApusError, Unavailable


class ClientDisconnect(ApusError):
    """The client closed the connection before its request was complete."""


class ClientTimeout(ApusError):
    """The client was silent for too long in the middle of its request."""


class BadFraming(ApusError):
    """The bytes are not the HTTP that we accept; the status says how to refuse them."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class ConnectFailed(Unavailable):
    """No connection could be made."""


class PeerTimeout(Unavailable):
    """The peer is connected but did not answer, or did not go on, in time."""


class PeerDisconnect(Unavailable):
    """The peer closed the connection, or broke the protocol, before its answer was complete."""
