"""What the identity service publishes, and how verifiers come to know it.

    identity ──publish()──▶ FOLDER/*.pem, FOLDER/notices.jws ──stat with each token──▶ FolderBoard ──▶ Notices
    identity ──GET /v3/apus/notices──▶ RemoteBoard ──at most so often──▶ Notices

Notices are the public keys and the revocations, signed by a key that was known before: so a machine that was
once given one public key hears of the next ones by itself, and nobody between can take a revocation back by
changing it. Ids in a notice are no secrets: with none of them can anything be done without a token.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..errors import Unavailable
from .asking import ask
from .revocation import (
    Revocation,
    Revocations,
    UnreadableNotice,
    revocation_document,
    revocation_in,
)
from .signature import (
    NOTICES,
    Forged,
    Keys,
    SigningKey,
    key_id_of,
    public_key_in,
    public_text,
    sign,
)

log = logging.getLogger(__name__)

FILE = "notices.jws"
PATH = "/v3/apus/notices"
REFRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Notices:
    """What tokens are judged by."""

    keys: Keys
    revocations: Revocations = field(default_factory=Revocations)
    published: float = 0.0


class Board(Protocol):
    """Where notices are read."""

    def current(self) -> Notices:
        """Return what is known now; the same object as before while nothing new is."""


def notices_text(
    keys: Sequence[Ed25519PublicKey], items: Sequence[Revocation], *, by: SigningKey, now: float
) -> str:
    """Return signed notices."""
    said = {
        "published": now,
        "keys": [public_text(key) for key in keys],
        "revocations": [revocation_document(item) for item in items],
    }
    return sign(said, NOTICES, by)


def notices_in(text: str, keys: Keys) -> Notices:
    """Return notices that a known key has signed.

    Raises:
        Forged: when none has.
        UnreadableNotice: when they say what is not understood here.
    """
    said = keys.opened(text.strip(), NOTICES)
    try:
        told = _keys_of(public_key_in(each) for each in said["keys"])
        items = [revocation_in(each) for each in said["revocations"]]
        return Notices(Keys(told), Revocations(items), float(said["published"]))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise UnreadableNotice("the notices cannot be read") from problem


def _keys_of(keys: Any) -> dict[str, Ed25519PublicKey]:
    return {key_id_of(key): key for key in keys}


def keys_in(folder: Path) -> Keys:
    """Return the public keys in a folder.

    Raises:
        Unavailable: when there is none.
    """
    try:
        texts = [path.read_text() for path in sorted(folder.glob("*.pem"))]
    except OSError as problem:
        raise Unavailable(f"the public keys in {folder} cannot be read: {problem.strerror}") from problem
    if not texts:
        raise Unavailable(f"{folder} holds no public key (*.pem) of the identity service")
    return Keys(_keys_of(public_key_in(text) for text in texts))


class FolderBoard:
    """A folder on this machine, into which the identity service writes."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._file = os.path.join(folder, FILE)
        self._seen: tuple[int, ...] | None = None
        self._notices: Notices | None = None

    def current(self) -> Notices:
        """Return what the folder says; one look at the file's date tells whether that is new.

        Raises:
            Unavailable: while it cannot be read; nobody is let in then.
        """
        try:
            facts = os.stat(self._file)
            seen: tuple[int, ...] = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
        except FileNotFoundError:
            seen = ()
        if self._notices is None or seen != self._seen:
            self._notices = self._read(written=bool(seen))
            self._seen = seen
        return self._notices

    def _read(self, *, written: bool) -> Notices:
        keys = keys_in(self._folder)
        if not written:
            return Notices(keys)
        try:
            text = Path(self._file).read_text()
            return notices_in(text, keys)
        except (OSError, Forged, UnreadableNotice) as problem:
            raise Unavailable(f"{self._file} cannot be believed: {problem}") from problem


class RemoteBoard:
    """The identity service itself, asked over HTTP; a folder holds the first keys.

    While it does not answer, what was known last counts on: a token of an hour is good for that hour.
    """

    def __init__(
        self,
        url: str,
        folder: str | os.PathLike[str],
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        assert refresh_seconds > 0
        self._url = url
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._first = FolderBoard(folder)
        self._notices: Notices | None = None
        self._due = -1.0

    def current(self) -> Notices:
        """Return what was heard last, after asking where that is too long ago.

        One caller asks, others go on with what is known.

        Raises:
            Unavailable: when there is no first key to begin with.
        """
        notices = self._notices
        if notices is not None and self._clock() < self._due:
            return notices
        if not self._lock.acquire(blocking=notices is None):
            assert notices is not None
            return notices
        try:
            known = self._notices or self._first.current()
            if self._clock() >= self._due:
                known = self._heard(known)
                self._due = self._clock() + self._refresh_seconds
            self._notices = known
            return known
        finally:
            self._lock.release()

    def _heard(self, known: Notices) -> Notices:
        """Return newer notices, or those that are known when there are none."""
        try:
            heard = notices_in(fetched(self._url), known.keys)
        except (Unavailable, Forged, UnreadableNotice) as problem:
            log.warning(
                "revocations of tokens cannot be asked for; older ones count on",
                extra={"url": self._url, "problem": str(problem)},
            )
            return known
        return heard if heard.published > known.published else known


def fetched(url: str) -> str:
    """Return what the identity service answers to a GET.

    Raises:
        Unavailable: when it does not, or not with 200.
    """
    heard = ask("GET", url)
    if heard.status != 200:
        raise Unavailable(f"the identity service answered {heard.status}")
    return heard.body.decode("utf-8", "replace")
