"""Signatures: JSON Web Signatures with Ed25519, and the keys by which they are checked.

    purpose, JSON object ──sign(key)──▶ head.body.signature ──Keys.opened()──▶ JSON object, or Forged

The head names the key (`kid`) and what the signature is good for (`typ`): what was signed as a list of
revocations is no token, whatever it says. Only Ed25519 is believed, whatever algorithm the head names.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..errors import ApusError

ALGORITHM = "EdDSA"
TOKEN = "apus-token"  # noqa: S105 - what a signature is good for.
NOTICES = "apus-notices"
KEY_ID_BYTES = 9
LENGTHS_MAX = {TOKEN: 16384, NOTICES: 64 << 20}  # No server of ours takes a longer header than a token.


class Forged(ApusError):
    """Not signed by a known key for that purpose."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs."""

    private: Ed25519PrivateKey
    key_id: str

    @classmethod
    def of(cls, private: Ed25519PrivateKey) -> SigningKey:
        """Return it under the id that follows from its public half."""
        return cls(private, key_id_of(private.public_key()))


@dataclass(frozen=True, slots=True)
class Keys:
    """The public keys that are believed, by their ids."""

    by_id: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)

    def opened(self, text: str, purpose: str) -> dict[str, Any]:
        """Return what was signed.

        Raises:
            Forged: for anything that a known key has not signed for this purpose.
        """
        if len(text) > LENGTHS_MAX[purpose] or not text.isascii():
            raise Forged("the token is no token of ours")
        try:
            head = jwt.get_unverified_header(text)
            key = self.by_id.get(str(head.get("kid")))
            if key is None or head.get("typ") != purpose:
                raise Forged("the token is signed by a key that is not known here")
            said = json.loads(jwt.PyJWS(algorithms=[ALGORITHM]).decode(text, key, algorithms=[ALGORITHM]))
        except (jwt.PyJWTError, ValueError) as problem:
            raise Forged("the token's signature does not hold") from problem
        if not isinstance(said, dict):
            raise Forged("the token says nothing")
        return said


def sign(said: Mapping[str, Any], purpose: str, key: SigningKey) -> str:
    """Return the signed text."""
    body = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    return jwt.PyJWS(algorithms=[ALGORITHM]).encode(
        body, key.private, algorithm=ALGORITHM, headers={"kid": key.key_id, "typ": purpose}
    )


def key_id_of(public: Ed25519PublicKey) -> str:
    """Return the id of a key: the beginning of it, so that nobody need keep names."""
    return base64.urlsafe_b64encode(public.public_bytes_raw()[:KEY_ID_BYTES]).decode("ascii")


def public_text(public: Ed25519PublicKey) -> str:
    """Return a public key as PEM."""
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode("ascii")


def public_key_in(text: str) -> Ed25519PublicKey:
    """Return the key of a PEM text.

    Raises:
        Forged: when it holds none, or one of another kind.
    """
    try:
        key = serialization.load_pem_public_key(text.encode())
    except ValueError as problem:
        raise Forged("not a public key") from problem
    if not isinstance(key, Ed25519PublicKey):
        raise Forged("not an Ed25519 key")
    return key
