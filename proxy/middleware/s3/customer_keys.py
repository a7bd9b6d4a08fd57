"""Objects encrypted with a key that the client keeps: SSE-C.

    PUT with a key ──▶ EncryptedBody: what is stored is encrypted, and beside it what knows the key again
    GET with the same key ──▶ DecryptedBody     with another one ──▶ 403     without ──▶ 400

The key is nowhere stored, so nobody who has the disks can read the object, nor can we. What is kept is the
beginning of the counter, and an HMAC of it under the key. The Swift API sees encrypted bytes, and the ETag is
theirs, as it is at Amazon: no MD5 of what the client has sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..encryption.body import DecryptedBody, decryption_of
from ..encryption.cipher import IV_BYTES, KEY_BYTES, counter_mode
from ..inner import Reply
from . import metadata
from .errors import S3Error

ALGORITHM = "AES256"
SEALED = metadata.SYSMETA + "customer-key"
"""Tells which key an object is encrypted with, without telling the key."""
SEALED_KEY = "HTTP_" + SEALED.upper().replace("-", "_")
NAME = "x-amz-server-side-encryption-customer-"
SOURCE_NAME = "x-amz-copy-source-server-side-encryption-customer-"
"""What the headers begin with that tell a key: of what is written or read, and of the source of a copy."""
_WORDS = ("algorithm", "key", "key-md5")
_PURPOSE = b"apus: which key a customer's object is encrypted with"
_KEYS = {
    name: tuple(f"HTTP_{name}{word}".upper().replace("-", "_") for word in _WORDS)
    for name in (NAME, SOURCE_NAME)
}


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A key, for the time of one request."""

    secret: bytes
    md5: str

    def headers(self) -> dict[str, str]:
        """Return what answers say of it."""
        return {f"{NAME}algorithm": ALGORITHM, f"{NAME}key-MD5": self.md5}

    def seal(self, iv: bytes) -> str:
        """Return what knows the key again, and where the counter began."""
        mark = hmac.digest(self.secret, _PURPOSE + iv, "sha256")
        return base64.b64encode(iv + mark).decode("ascii")

    def opened(self, sealed: str) -> bytes | None:
        """Return where the counter began; None where it was another key."""
        iv = base64.b64decode(sealed)[:IV_BYTES]
        return iv if hmac.compare_digest(self.seal(iv), sealed) else None


def asked(environ: Mapping[str, Any], name: str = NAME) -> CustomerKey | None:
    """Return the key that a request tells.

    Raises:
        S3Error: for half a key, and for one that is not what its MD5 says.
    """
    keys = _KEYS[name]
    if keys[0] not in environ and keys[1] not in environ:
        return None
    algorithm, secret, digest = (environ.get(key) for key in keys)
    for word, value in zip(_WORDS, (algorithm, secret, digest), strict=True):
        if not value:
            raise _wrong(name, word, f"A key of the client's needs the header {name}{word}.")
    if algorithm != ALGORITHM:
        raise S3Error("InvalidEncryptionAlgorithmError", ArgumentName=f"{name}algorithm")
    try:
        raw = base64.b64decode(secret or "", validate=True)
    except (binascii.Error, ValueError) as problem:
        raise _wrong(name, "key", "The key of the client's is no base64.") from problem
    if len(raw) != KEY_BYTES:
        raise _wrong(name, "key", f"A key of the client's has {KEY_BYTES} bytes.")
    md5 = base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode("ascii")
    if not hmac.compare_digest(md5.encode(), (digest or "").encode("latin-1")):
        raise _wrong(name, "key-md5", "The key of the client's is not what its MD5 says.")
    return CustomerKey(raw, md5)


def _wrong(name: str, word: str, sentence: str) -> S3Error:
    return S3Error("InvalidArgument", sentence, ArgumentName=name + word)


class EncryptedBody:
    """Stands where `wsgi.input` was; holds what passes against the MD5 that the client has announced."""

    def __init__(self, source: Any, key: CustomerKey, length: int | None, md5: bytes | None) -> None:
        iv = secrets.token_bytes(IV_BYTES)
        self.sealed = key.seal(iv)
        self._source = source
        self._context = counter_mode(key.secret, iv)
        self._left = length
        self._expected = md5
        self._digest = hashlib.md5(usedforsecurity=False)
        if length == 0:
            self._check()  # Nobody will read it.

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, encrypted; none at the end."""
        data: bytes = self._source.read(size)
        self._digest.update(data)
        if self._left is not None:
            self._left -= len(data)
        is_end = self._left == 0 if self._left is not None else not data and size != 0
        if is_end:
            self._check()
        return self._context.update(data)

    def _check(self) -> None:
        if self._expected is not None and self._digest.digest() != self._expected:
            raise S3Error("BadDigest")


def opened(
    environ: Mapping[str, Any], sealed: str | None, name: str = NAME
) -> tuple[CustomerKey, bytes] | None:
    """Return the key that an object needs, and where its counter began; None where it needs none.

    `sealed` is what the object says of its key.

    Raises:
        S3Error: for a key that is missing or wrong, and for one where nothing is encrypted with any.
    """
    key = asked(environ, name)
    if sealed is None:
        if key is not None:
            raise S3Error("InvalidRequest", "The object is not encrypted with a key of the client's.")
        return None
    if key is None:
        raise S3Error(
            "InvalidRequest", "The object is encrypted with a key of the client's, which is missing."
        )
    iv = key.opened(sealed)
    if iv is None:
        raise S3Error("AccessDenied", "The object is encrypted with another key of the client's.")
    return key, iv


def decrypted(reply: Reply, key: CustomerKey, iv: bytes) -> DecryptedBody:
    """Return the body of an answer, which may be of ranges, as it was before it was encrypted."""
    return DecryptedBody(reply.body, decryption_of(reply.status, reply.headers, key.secret, iv))
