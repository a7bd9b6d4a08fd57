"""Letting everybody know which keys count and which tokens have ended.

    tables.revocations, public keys ──publish()──▶ FOLDER/notices.jws, replaced as a whole
    board.current() ──▶ the same for this service's own checks, read again after so many seconds

Workers take turns by a lock on a file: the one that writes last has also read last, so that nothing
published is taken back. Revocations of tokens that have expired by themselves are forgotten.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
from sqlalchemy import select

from ...common.concurrency import sleep
from ...common.identity import Revocation
from ...common.identity.notice_board import FILE, FolderBoard, Notices, notices_text
from ..catalogue import Catalogue
from . import tables
from .keys import KeyFolder

PERIOD_SECONDS = 15.0
TURN_SECONDS = 0.005
TURN = ".turn"
"""The file that is locked; its date tells when the tables were last looked at."""


class Publisher:
    """Writes the notices, and reads them for this service."""

    def __init__(
        self,
        catalogue: Catalogue,
        keys: KeyFolder,
        folder: str,
        *,
        memory_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalogue = catalogue
        self._keys = keys
        self._folder = Path(folder)
        self._memory_seconds = memory_seconds
        self._clock = clock
        self._board = FolderBoard(folder)

    def current(self) -> Notices:
        """Return what counts; what another machine's process has put into the database arrives in a while."""
        if not self._is_fresh():
            self.publish()
        return self._board.current()

    def text(self) -> str:
        """Return the signed notices, for whom they are sent to."""
        if not self._is_fresh():
            self.publish()
        return (self._folder / FILE).read_text()

    def publish(self) -> None:
        """Write the notices."""
        with self._turn():
            now = self._clock()
            horizon = now - self._memory_seconds
            with self._catalogue.read() as connection:
                rows = connection.execute(
                    select(tables.revocations.c.before, tables.revocations.c.names)
                    .where(tables.revocations.c.before > horizon)
                    .order_by(tables.revocations.c.id)
                ).all()
            items = [Revocation(before=row.before, **row.names) for row in rows]
            keys, signer = self._keys.public_keys(), self._keys.signing_keys()[0]
            text = notices_text(keys, items, by=signer, now=now)
            if not self._says_the_same(text):
                fresh = self._folder / f".{FILE}.{os.getpid()}"
                fresh.write_text(text)
                fresh.replace(self._folder / FILE)
            os.utime(self._folder / TURN)

    def _says_the_same(self, text: str) -> bool:
        """Whether nothing is new: verifiers forget all tokens that they know when the file changes."""
        try:
            known = (self._folder / FILE).read_text()
        except FileNotFoundError:
            return False
        return _content(known) == _content(text)

    def forget(self) -> int:
        """Delete revocations that mean no living token any more; return how many."""
        horizon = self._clock() - self._memory_seconds
        table = tables.revocations
        return self._catalogue.transaction(
            lambda connection: connection.execute(table.delete().where(table.c.before < horizon)).rowcount
        )

    def _is_fresh(self) -> bool:
        try:
            os.stat(self._folder / FILE)
            return time.time() - os.stat(self._folder / TURN).st_mtime < PERIOD_SECONDS
        except FileNotFoundError:
            return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else publishes meanwhile, in this process or another; waiting lets other requests go on."""
        with open(self._folder / TURN, "a") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    sleep(TURN_SECONDS)
            yield


def _content(text: str) -> object:
    """Return what notices say and who says it, but for when; they are our own, so nothing is verified."""
    head = jwt.get_unverified_header(text)
    said = json.loads(jwt.PyJWS().decode(text, options={"verify_signature": False}))
    return head, said["keys"], said["revocations"]
