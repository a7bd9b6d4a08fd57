"""An object's body on its way into the store: encrypted piece by piece, and what is then said of it.

    wsgi.input ──▶ EncryptedBody.read() ──▶ encrypted bytes
    at its end ──▶ tell(footers) ──▶ ETag of what is stored; the client's ETag, sealed; an HMAC of it

The ETag that clients know is nowhere stored in the open. Its HMAC is what object servers compare with, where
a client sends conditions; what listings show is sealed with the container's key, so that a listing needs one
key and not one for each object.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from ....common.conditions import normalized
from ....common.errors import Refused
from ..keymaster import Keys
from .cipher import IV_BYTES, KEY_BYTES, Crypto, WrappedKey, counter_mode, seal

ETAG = "X-Object-Sysmeta-Crypto-Etag"
ETAG_MAC = "X-Object-Sysmeta-Crypto-Etag-Mac"
BODY_META = "X-Object-Sysmeta-Crypto-Body-Meta"
LISTED_ETAG = "X-Object-Sysmeta-Container-Update-Override-Etag"
MD5_OF_NOTHING = hashlib.md5(b"", usedforsecurity=False).hexdigest()

Footers = dict[str, str]
Tell = Callable[[Footers], None]
Randomness = Callable[[int], bytes]


def etag_mac(key: bytes, etag: str) -> str:
    """Return what stands for an ETag where object servers see it."""
    return base64.b64encode(hmac.digest(key, etag.encode("latin-1"), "sha256")).decode("ascii")


class EncryptedBody:
    """Stands where `wsgi.input` was; encrypts nothing before there is something to encrypt."""

    def __init__(self, source: Any, keys: Keys, randomness: Randomness) -> None:
        self._source = source
        self._keys = keys
        self._randomness = randomness
        self._plain = hashlib.md5(usedforsecurity=False)
        self._stored = hashlib.md5(usedforsecurity=False)
        self._crypto: Crypto | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, encrypted; none at the end."""
        data: bytes = self._source.read(size)
        if not data:
            return data
        if self._crypto is None:
            self._begin()
        self._plain.update(data)
        encrypted = self._context.update(data)
        self._stored.update(encrypted)
        return encrypted

    def _begin(self) -> None:
        iv, key = self._randomness(IV_BYTES), self._randomness(KEY_BYTES)
        wrapped = WrappedKey.of(key, self._keys["object"], self._randomness(IV_BYTES))
        self._crypto = Crypto(iv, self._keys["id"], wrapped)
        self._context = counter_mode(key, iv)

    @property
    def etag(self) -> str | None:
        """The ETag of what the client has sent; None when that was nothing."""
        return None if self._crypto is None else self._plain.hexdigest()

    @property
    def stored_etag(self) -> str:
        """The ETag of what has been passed on."""
        return self._stored.hexdigest()

    def tell(self, footers: Footers, *, announced: str | None, listed: str | None) -> None:
        """Put what is to be stored with the body to the footers, which others may have begun.

        Raises:
            Refused: (422) when the body is not the announced one.
        """
        etag, keys = self.etag, self._keys
        if self._crypto is None:
            if announced is not None:
                footers.setdefault("Etag", announced)
        else:
            assert etag is not None
            expected = footers.get("Etag") or announced
            if expected is not None and normalized(expected).lower() != etag:
                raise Refused("The body does not match its ETag.", 422)
            footers["Etag"] = self.stored_etag
            footers[ETAG] = seal(etag, keys["object"], self._randomness(IV_BYTES))
            footers[BODY_META] = self._crypto.dump()
            footers[ETAG_MAC] = etag_mac(keys["object"], etag)
        shown = footers.get(LISTED_ETAG, listed)
        if shown is None:
            shown = etag
        # What listings show of an empty object tells nobody anything, and stays in the open.
        if shown and (shown != MD5_OF_NOTHING or etag is not None):
            footers[LISTED_ETAG] = seal(shown, keys["container"], self._randomness(IV_BYTES), keys["id"])
