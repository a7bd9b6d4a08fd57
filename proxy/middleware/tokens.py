"""Tokens that say who somebody is, signed so that any proxy can check one alone.

    user, expiry ──sign(key)──▶ AUTH_tk<base64url of: MAC · expiry · user> ──open_token()──▶ Claim
                                                                  Claim + the user's key ──is_genuine()

    MAC      24 bytes of HMAC-SHA256 over the rest
    expiry    6 bytes, seconds since the epoch, big-endian
    user      UTF-8, "account:user"

The MAC's key mixes the cluster's token secret with the user's own key, so that a changed password
or a removed user ends all of that user's tokens at once, and rights are never carried in a token.
It does not know the clock, the users, or HTTP.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

MAC_BYTES = 24  # 192 bits: out of reach of guessing, and a multiple of three spares base64 padding.
EXPIRY_BYTES = 6
USER_BYTES_MAX = 512  # Bounds what is decoded before anything is known to be genuine.
_DERIVATION = b"apus token key 1"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says, not yet believed."""

    user: str
    expires: int
    signed: bytes
    mac: bytes


def derive_secret(cluster_secret: str, prefix: bytes, suffix: bytes) -> bytes:
    """Return the token secret of a cluster whose configuration names none.

    It comes from what all its proxies share anyway: the cluster secret, or the hash path's salt.
    """
    source = cluster_secret.encode() or prefix + b"\0" + suffix
    return hmac.digest(source, _DERIVATION, "sha256")


def signing_key(secret: bytes, user: str, user_key: str) -> bytes:
    """Return the key of one user's MACs; compute it once per user, not per token."""
    name = user.encode()
    return hmac.digest(
        secret, len(name).to_bytes(4) + name + user_key.encode("utf-8", "surrogateescape"), "sha256"
    )


def sign(user: str, expires: int, *, key: bytes) -> str:
    """Return the token, without its reseller prefix."""
    signed = expires.to_bytes(EXPIRY_BYTES) + user.encode()
    return base64.urlsafe_b64encode(_mac(signed, key) + signed).rstrip(b"=").decode("ascii")


def open_token(text: str) -> Claim | None:
    """Read what a token says, or None when it is no token at all."""
    if len(text) > (MAC_BYTES + EXPIRY_BYTES + USER_BYTES_MAX) * 4 // 3:
        return None
    try:
        packed = text.encode("ascii").translate(_TO_STANDARD) + b"=" * (-len(text) % 4)
        blob = binascii.a2b_base64(packed, strict_mode=True)
        user = blob[MAC_BYTES + EXPIRY_BYTES :].decode()
    except (UnicodeError, binascii.Error):
        return None
    if not user:
        return None
    signed = blob[MAC_BYTES:]
    return Claim(user, int.from_bytes(signed[:EXPIRY_BYTES]), signed, blob[:MAC_BYTES])


def is_genuine(claim: Claim, *, key: bytes) -> bool:
    """Whether the token was signed with this key; takes the same time for every wrong MAC."""
    return hmac.compare_digest(claim.mac, _mac(claim.signed, key))


_TO_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")  # The standard alphabet's own signs become invalid.


def _mac(signed: bytes, key: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")[:MAC_BYTES]
