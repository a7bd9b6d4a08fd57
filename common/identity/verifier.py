"""Whether a token is good, decided without asking anybody.

    token ──▶ signature ──▶ times ──▶ revocations ──▶ access rules ──▶ Identity, or TokenRefused

What was found good is remembered until it expires or something is revoked, so that a token that comes with
every request is checked once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ..errors import ApusError, Unavailable
from .claims import Identity, Unreadable, identity_in
from .notice_board import FILE, PATH, Board, FolderBoard, Notices, RemoteBoard
from .signature import TOKEN, Forged

REMEMBERED_MAX = 4096
SKEW_SECONDS = 30.0  # By how much the identity service's clock may be ahead of ours.


class TokenRefused(ApusError):
    """The token is forged, over, revoked, or not good for this kind of request."""


class Verifier:
    """Checks tokens, for one service."""

    def __init__(
        self,
        board: Board,
        *,
        service_type: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._board = board
        self._service_type = service_type
        self._clock = clock
        self._known: Notices | None = None
        self._good: dict[str, Identity] = {}

    @classmethod
    def of(cls, token_keys: str, identity_url: str = "", *, service_type: str = "") -> Verifier:
        """Return one that reads its keys and the revocations in a folder, or asks the identity service.

        The folder is the identity service's own (on its machine, or shared), which writes both there;
        elsewhere it holds a copy of a public key only, and `identity_url` (http://HOST:5000) says where the
        rest is to be had.
        """
        if identity_url and not os.path.exists(os.path.join(token_keys, FILE)):
            return cls(RemoteBoard(identity_url.rstrip("/") + PATH, token_keys), service_type=service_type)
        return cls(FolderBoard(token_keys), service_type=service_type)

    def verify(self, token: str, *, method: str = "", path: str = "") -> Identity:
        """Return whom a token speaks for.

        Method and path are those of the request that it came with; a token that is limited to some kinds of
        requests is good for no other, and for nothing where they are not told.

        Raises:
            TokenRefused: when it is good for nothing here.
            Unavailable: when there is no key to judge it by.
        """
        notices = self._board.current()
        if notices is not self._known:
            self._good.clear()
            self._known = notices
        now = self._clock()
        identity = self._good.get(token)
        if identity is None:
            identity = judged(token, notices, now=now)
            if len(self._good) >= REMEMBERED_MAX:
                self._good.clear()
            self._good[token] = identity
        elif identity.expires_at <= now:
            raise TokenRefused("the token has expired")
        if identity.access_rules is not None and not any(
            rule.admits(service=self._service_type, method=method, path=path)
            for rule in identity.access_rules
        ):
            raise TokenRefused("the application credential is not good for this request")
        return identity

    def is_revoked(self, identity: Identity) -> bool:
        """Whether what somebody was known by has been ended since.

        Raises:
            Unavailable: when nothing is known of revocations.
        """
        return self._board.current().revocations.reject(identity)


def judged(token: str, notices: Notices, *, now: float) -> Identity:
    """Return whom a token speaks for, whatever it is shown for.

    Raises:
        TokenRefused: when it is not good.
    """
    try:
        identity = identity_in(notices.keys.opened(token, TOKEN))
    except (Forged, Unreadable) as problem:
        raise TokenRefused(str(problem)) from problem
    if identity.expires_at <= now:
        raise TokenRefused("the token has expired")
    if identity.issued_at > now + SKEW_SECONDS:
        raise TokenRefused("the token is from the future")
    if notices.revocations.reject(identity):
        raise TokenRefused("the token has been revoked")
    return identity


__all__ = ["TokenRefused", "Unavailable", "Verifier", "judged"]
