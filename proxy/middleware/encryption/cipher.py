"""AES in counter mode with 256-bit keys, and the words in which what is needed to undo it is kept.

    Crypto(iv, key_id, body_key) ──dump()──▶ text of a header ──load()──▶ Crypto
    value ──seal()──▶ "base64; swift_meta=dumped" ──unseal()──▶ value

Byte for byte as stock Swift writes it: each side reads what the other has encrypted. Pure: random bytes come
in as arguments.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from ....common.errors import ApusError
from ..keymaster import KeyId

NAME = "AES_CTR_256"
KEY_BYTES = 32
IV_BYTES = 16
_MARK = "swift_meta="
_COUNTERS = 1 << 8 * IV_BYTES


class CannotDecrypt(ApusError):
    """What is stored cannot be turned back into what was stored."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key that another key has encrypted."""

    key: bytes
    iv: bytes

    @classmethod
    def of(cls, key: bytes, wrapping: bytes, iv: bytes) -> WrappedKey:
        """Return the key encrypted."""
        return cls(counter_mode(wrapping, iv).update(key), iv)

    def unwrap(self, wrapping: bytes) -> bytes:
        """Return the key."""
        return counter_mode(wrapping, self.iv).update(self.key)


@dataclass(frozen=True, slots=True)
class Crypto:
    """How something was encrypted; what is None was not said."""

    iv: bytes | None = None
    key_id: KeyId | None = None
    body_key: WrappedKey | None = None

    def dump(self) -> str:
        """Return it as the value of a header."""
        said: dict[str, Any] = {"cipher": NAME}
        if self.iv is not None:
            said["iv"] = _text(self.iv)
        if self.key_id is not None:
            said["key_id"] = self.key_id
        if self.body_key is not None:
            said["body_key"] = {"iv": _text(self.body_key.iv), "key": _text(self.body_key.key)}
        return quote_plus(json.dumps(said, sort_keys=True))

    @classmethod
    def load(cls, text: str) -> Crypto:
        """Return what a header says.

        Raises:
            CannotDecrypt: when it says nothing that makes sense, or names another cipher.
        """
        try:
            said = json.loads(unquote_plus(text))
            if said["cipher"] != NAME:
                raise CannotDecrypt(f"it was encrypted by {said['cipher']}, not by {NAME}")
            key_id = said.get("key_id")
            wrapped = said.get("body_key")
            return cls(
                _bytes(said["iv"], IV_BYTES) if "iv" in said else None,
                {str(name): value for name, value in key_id.items()} if key_id else None,
                WrappedKey(_bytes(wrapped["key"], KEY_BYTES), _bytes(wrapped["iv"], IV_BYTES))
                if wrapped
                else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise CannotDecrypt(f"what is said of its encryption makes no sense: {problem!r}") from problem

    @property
    def needed_iv(self) -> bytes:
        """Return the IV, without which nothing can be decrypted."""
        if self.iv is None:
            raise CannotDecrypt("what is said of its encryption lacks the IV")
        return self.iv


def counter_mode(key: bytes, iv: bytes, offset: int = 0) -> CipherContext:
    """Return what turns plain bytes into encrypted ones and back, beginning `offset` bytes into the whole."""
    assert len(key) == KEY_BYTES
    assert offset >= 0
    blocks, skipped = divmod(offset, IV_BYTES)
    counter = (int.from_bytes(iv, "big") + blocks) % _COUNTERS
    context = Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(IV_BYTES, "big"))).encryptor()
    context.update(bytes(skipped))
    return context


def seal(value: str, key: bytes, iv: bytes, key_id: KeyId | None = None) -> str:
    """Return a header's value encrypted, with what is needed to decrypt it behind it."""
    assert value
    encrypted = _text(counter_mode(key, iv).update(value.encode("latin-1")))
    return f"{encrypted}; {_MARK}{Crypto(iv, key_id).dump()}"


def sealed_by(value: str) -> tuple[str, Crypto] | None:
    """Return a sealed value without what stands behind it, and that; None for a value that is not sealed.

    Raises:
        CannotDecrypt: when what stands behind it makes no sense.
    """
    encrypted, *parameters = value.split(";")
    for parameter in parameters:
        if parameter.strip().startswith(_MARK):
            return encrypted.strip(), Crypto.load(parameter.strip().removeprefix(_MARK))
    return None


def unseal(encrypted: str, crypto: Crypto, key: bytes) -> str:
    """Return a sealed value as it was.

    Raises:
        CannotDecrypt: when it is no base64.
    """
    try:
        data = base64.b64decode(encrypted)
    except ValueError as problem:
        raise CannotDecrypt(f"an encrypted value is no base64: {problem}") from problem
    return counter_mode(key, crypto.needed_iv).update(data).decode("latin-1")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str, length: int) -> bytes:
    data = base64.b64decode(text)
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes instead of {length}")
    return data
