"""One change at a time of what an object says of itself, and of whether it stays.

    with turns.taken(environ, app, path) as moment: ──HEAD──▶ judged ──POST at `moment`, or DELETE──▶
             └ waits while somebody else's is valid; Unavailable when that takes too long

A POST replaces all metadata: who changes one thing says the others again as they were. Of two at once one
would take back what the other has said, a lock among it; and a version might go whose lock was just granted.
So each takes the object's turn first: a small object by the hash of its path in an account of nobody's,
written under `If-None-Match: *`. The turn of somebody who died is void after LEASE_SECONDS. Who was held up
for longer can do no harm by a POST: its moment is that of the turn, and later ones win.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5

from .....common.concurrency import sleep
from .....common.errors import Unavailable
from .....common.http.wsgi import Environ, WSGIApp
from .....common.timestamp import Timestamp, now
from ...inner import Reply, ask

ACCOUNT = ".s3_turns"
LEASE_SECONDS = 60.0
WAIT_SECONDS = 20.0
_POLL_SECONDS = 0.05
_POLL_SECONDS_MAX = 1.0
_REFUSED = (409, 412)


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to change an object."""

    moment: Timestamp
    """When it was given."""
    since: float

    def require(self) -> None:
        """Raise when there is too little left of it to begin something that cannot be taken back.

        Raises:
            Unavailable: then nothing has been done.
        """
        if time.monotonic() - self.since > LEASE_SECONDS / 2:
            raise Unavailable("The store is too slow to change this object safely; try again")


@contextmanager
def taken(environ: Environ, app: WSGIApp, path: str) -> Iterator[Turn]:
    """Take the turn of an object as long as the block lasts; `path` is the object's, text.

    Raises:
        Unavailable: when others have it all the time, or nobody knows.
    """
    with_turn = _Turns(environ, app, path)
    turn = with_turn.take()
    try:
        yield turn
    finally:
        with_turn.give_back(turn)


class _Turns:
    """The turns of one object, as one who wants one sees them."""

    def __init__(self, environ: Environ, app: WSGIApp, path: str) -> None:
        name = md5(path.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        self._environ, self._app = environ, app
        self._container = f"/v1/{ACCOUNT}/turns_{name[0]}"
        self._path = f"{self._container}/{name}"
        self._token = secrets.token_hex(16).encode("ascii")

    def take(self) -> Turn:
        """Wait for a turn."""
        until, pause = time.monotonic() + WAIT_SECONDS, _POLL_SECONDS
        while True:
            since = time.monotonic()
            if self._write({"If-None-Match": "*"}) or self._inherit():
                return Turn(now(), since)
            if time.monotonic() > until:
                raise Unavailable("Others are changing this object; try again")
            sleep(pause)
            pause = min(2 * pause, _POLL_SECONDS_MAX)

    def give_back(self, turn: Turn) -> None:
        """Let others have it; one that is nearly void becomes so by itself, and may be somebody else's."""
        if time.monotonic() - turn.since < LEASE_SECONDS / 2:
            self._ask("DELETE", {}).close()

    def _inherit(self) -> bool:
        """Take the turn of somebody who has had it for too long; tell whether that was so."""
        found = self._ask("HEAD", {"X-Newest": "true"})
        found.close()
        if found.status == 404:
            return False
        if not found.is_good:
            raise Unavailable("Whether others are changing this object cannot be known now; try again")
        if time.time() - float(found.headers["x-timestamp"]) < LEASE_SECONDS:
            return False
        return self._write({"If-Match": found.headers["etag"]})

    def _write(self, condition: Mapping[str, str]) -> bool:
        """Write the turn down as ours; tell whether it was free."""
        reply = self._put(condition)
        if reply.status == 404:
            self._ask("PUT", {}, self._container).close()
            reply = self._put(condition)
        if reply.status == 501:  # Storage servers without registers: a turn is as exclusive as they can.
            reply = self._put({})
        if not reply.is_good and reply.status not in _REFUSED:
            raise Unavailable("Nobody can be kept from changing this object at the same time; try again")
        return reply.is_good

    def _put(self, condition: Mapping[str, str]) -> Reply:
        reply = self._ask("PUT", {"Content-Type": "text/plain", **condition}, body=self._token)
        reply.close()
        return reply

    def _ask(
        self, method: str, headers: Mapping[str, str], path: str | None = None, body: bytes = b""
    ) -> Reply:
        return ask(
            self._app, self._environ, method, path or self._path, headers=headers, body=body, trusted=True
        )
