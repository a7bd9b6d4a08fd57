"""The keys that sign tokens and encrypt credentials, as files that only this service can read.

    private/ID.pem          Ed25519; the newest (by date, then name) signs      public half ──▶ public/ID.pem
    private/credentials.key one Fernet key a line; the first encrypts, all decrypt

A new key signs at once; the old ones' tokens stay good until the last of them has expired, then `retire()`
ends them.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ...common.errors import Corrupt, Refused
from ...common.identity.signature import SigningKey, public_text

CREDENTIALS = "credentials.key"


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[tuple[str, int], ...]
    keys: tuple[SigningKey, ...]
    created: tuple[float, ...]
    box: MultiFernet


class KeyFolder:
    """The private folder, and the public one beside it."""

    def __init__(self, private: str | os.PathLike[str], public: str | os.PathLike[str]) -> None:
        self._private = Path(private)
        self._public = Path(public)
        self._known: _Read | None = None

    def found(self) -> None:
        """Make what is missing: folders, a first key for signing and one for credentials."""
        self._private.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._public.mkdir(parents=True, exist_ok=True)
        if not (self._private / CREDENTIALS).exists():
            _write(self._private / CREDENTIALS, Fernet.generate_key() + b"\n", 0o600)
        if not list(self._private.glob("*.pem")):
            self.rotate()
        for key in self.signing_keys():
            self._show(key)

    def rotate(self) -> SigningKey:
        """Make a new key, which signs from now on; its public half is there before it is used."""
        key = SigningKey.of(Ed25519PrivateKey.generate())
        self._show(key)
        raw = key.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(self._private / f"{key.key_id}.pem", raw, 0o600)
        return key

    def retire(self, *, older_than_seconds: float, now: float) -> list[str]:
        """Remove keys whose successor has signed for so long; return their ids."""
        known = self._read()
        gone = []
        for key, successor_created in zip(known.keys[1:], known.created, strict=False):
            if now - successor_created > older_than_seconds:
                for folder in (self._private, self._public):
                    (folder / f"{key.key_id}.pem").unlink(missing_ok=True)
                gone.append(key.key_id)
        return gone

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return all keys, first the one that signs."""
        return self._read().keys

    def public_keys(self) -> list[Ed25519PublicKey]:
        """Return the keys whose signatures count."""
        return [key.private.public_key() for key in self.signing_keys()]

    def seal(self, text: str) -> str:
        """Return a text encrypted."""
        return self._read().box.encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str:
        """Return the text.

        Raises:
            Corrupt: when no key fits.
        """
        try:
            return self._read().box.decrypt(sealed.encode()).decode()
        except InvalidToken as problem:
            raise Corrupt("a stored credential was encrypted with a key that is not there") from problem

    def _show(self, key: SigningKey) -> None:
        path = self._public / f"{key.key_id}.pem"
        if not path.exists():
            _write(path, public_text(key.private.public_key()).encode(), 0o644)

    def _read(self) -> _Read:
        """Return the keys; read again only when the folder has changed."""
        try:
            files = [*self._private.glob("*.pem"), self._private / CREDENTIALS]
            stamp = tuple(sorted((path.name, path.stat().st_mtime_ns) for path in files))
            if self._known is not None and stamp == self._known.stamp:
                return self._known
            dated = sorted(
                ((path.stat().st_mtime, path.name, path) for path in files if path.name != CREDENTIALS),
                reverse=True,
            )
            keys = tuple(_signing_key(path) for _, _, path in dated)
            lines = (self._private / CREDENTIALS).read_bytes().split()
        except OSError as problem:
            raise Refused(
                f"the keys in {self._private} cannot be read ({problem.strerror}); "
                "`apus-cloud bootstrap` makes them"
            ) from problem
        if not keys or not lines:
            raise Refused(f"{self._private} lacks keys; `apus-cloud bootstrap` makes them")
        box = MultiFernet([Fernet(line) for line in lines])
        self._known = _Read(stamp, keys, tuple(moment for moment, _, _ in dated), box)
        return self._known


def _signing_key(path: Path) -> SigningKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused(f"{path} is no Ed25519 key")
    return SigningKey.of(key)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that nobody ever sees half written, nor anyone who may not."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
