"""Signatures that stand in for a token: what temporary URLs and upload forms are signed with.

    "sha512:c2ln…" or "a1b2…" ──▶ Signature.parse() ──▶ algorithm, digest
    metadata of account and container ──▶ signing_keys() ──▶ up to four keys, each with its Scope
    Signature.is_by(key, message) ──▶ whether somebody with the key has signed this

The forms are OpenStack Swift's: 40, 64 or 128 hexadecimal digits, or ALGORITHM:BASE64 in either alphabet.
It does not know what is signed.
"""

from __future__ import annotations

import binascii
import enum
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...common.errors import Refused

SUPPORTED = frozenset({"sha1", "sha256", "sha512"})
DEPRECATED = frozenset({"sha1"})
_BY_HEX_DIGITS = {40: "sha1", 64: "sha256", 128: "sha512"}
_STANDARD = str.maketrans("-_", "+/")
_KEY_NAMES = frozenset({"temp-url-key", "temp-url-key-2"})


class Scope(enum.Enum):
    """How far a key reaches."""

    ACCOUNT = "everything in the account"
    CONTAINER = "one container"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that the owner has set."""

    secret: bytes
    scope: Scope


@dataclass(frozen=True, slots=True)
class Signature:
    """What a client has shown; not yet known to be genuine."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read a signature; ValueError when it is none."""
        if not text.isascii():
            raise ValueError("a signature is ASCII")
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            algorithm = _BY_HEX_DIGITS.get(len(text), "")
            if not algorithm:
                raise ValueError("a signature has 40, 64 or 128 hexadecimal digits")
            return cls(algorithm, binascii.unhexlify(text))
        encoded = encoded.rstrip("=").translate(_STANDARD)
        padding = "=" * (-len(encoded) % 4)
        return cls(algorithm, binascii.a2b_base64(encoded + padding, strict_mode=True))

    def is_by(self, key: Key, message: bytes) -> bool:
        """Whether it is the message's, made with the key; takes as long for any wrong signature."""
        return hmac.compare_digest(hmac.digest(key.secret, message, self.algorithm), self.digest)


def signing_keys(account: Mapping[str, str], container: Mapping[str, str]) -> list[Key]:
    """Return the keys in the metadata (without prefix, in lower case) of an account and a container."""
    return [*_keys(account, Scope.ACCOUNT), *_keys(container, Scope.CONTAINER)]


def _keys(metadata: Mapping[str, str], scope: Scope) -> list[Key]:
    return [Key(metadata[name].encode("latin-1"), scope) for name in sorted(_KEY_NAMES & metadata.keys())]


def allowed_digests(words: Iterable[str]) -> frozenset[str]:
    """Return the algorithms that an operator allows.

    Raises:
        Refused: for one that nobody supports, or when none is left.
    """
    allowed = frozenset(word.lower() for word in words)
    unknown = allowed - SUPPORTED
    if unknown or not allowed:
        offered = " ".join(sorted(SUPPORTED))
        raise Refused(f"allowed_digests = {' '.join(sorted(allowed))}: expected some of {offered}")
    return allowed


def published(allowed: frozenset[str]) -> dict[str, list[str]]:
    """Return what /info says of the algorithms."""
    said = {"allowed_digests": sorted(allowed)}
    if allowed & DEPRECATED:
        said["deprecated_digests"] = sorted(allowed & DEPRECATED)
    return said
