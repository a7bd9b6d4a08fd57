"""Objects of several parts that are encrypted with a key that the client keeps.

    CreateMultipartUpload ──mark()──▶ what knows the key again, kept with the upload, then with the object
    UploadPart ──required()──▶ the same key, or S3Error; each part is encrypted by itself (customer_keys.py)
    GET ──decrypted()──▶ the manifest's parts: each tells where its counter began as soon as it is reached

Whoever reads a range asks only the parts that it touches.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ....common.errors import Unavailable
from ....common.http.wsgi import Environ, WSGIApp
from ..encryption.body import DecryptedBody
from ..encryption.cipher import IV_BYTES, CannotDecrypt, counter_mode
from ..inner import Reply, ask, path_of
from . import customer_keys, metadata
from .customer_keys import CustomerKey
from .errors import S3Error

MANIFEST_BYTES_MAX = 16 << 20  # Ten thousand parts with longest names, each byte of which may be escaped.
_UPLOAD = metadata.SYSMETA + "upload-id"


def mark(key: CustomerKey) -> str:
    """Return what knows an upload's key again, and nothing else: each part has a counter of its own."""
    return key.seal(secrets.token_bytes(IV_BYTES))


def required(environ: Mapping[str, Any], upload: Mapping[str, str]) -> CustomerKey | None:
    """Return the key that a part of an upload, by the headers of what stands for it, is encrypted with.

    Raises:
        S3Error: unless it is the one that the upload was begun with.
    """
    key, sealed = customer_keys.asked(environ), upload.get(customer_keys.SEALED)
    if sealed is None:
        if key is not None:
            raise S3Error("InvalidRequest", "The upload was begun without a key of the client's.")
        return None
    if key is None:
        raise S3Error("InvalidRequest", "The upload was begun with a key of the client's, which is missing.")
    if key.opened(sealed) is None:
        raise S3Error("InvalidRequest", "The upload was begun with another key of the client's.")
    return key


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is."""

    account: str
    bucket: str
    key: str
    version: Mapping[str, str]
    """What a query says of its version."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of an object's parts."""

    path: str
    """Container and name, with a slash in front."""
    size: int


class Parts:
    """Bytes of an object, from an offset on, each part's encrypted from a beginning of its own."""

    def __init__(
        self, secret: bytes, parts: Sequence[Part], offset: int, begin: Callable[[Part], bytes]
    ) -> None:
        self._secret = secret
        self._parts = _from(parts, offset)
        self._begin = begin
        self._left = 0
        self._context = counter_mode(secret, bytes(IV_BYTES))

    def take(self, data: bytes) -> bytes:
        """Return the next bytes, decrypted."""
        found = []
        while data:
            if not self._left:
                self._next()
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            found.append(self._context.update(piece))
        return b"".join(found)

    def rest(self) -> bytes:
        """Nothing is ever held back."""
        return b""

    def _next(self) -> None:
        part, skipped = next(self._parts, (None, 0))
        if part is None:
            raise CannotDecrypt("the object has more bytes than its parts")
        self._left = part.size - skipped
        self._context = counter_mode(self._secret, self._begin(part), skipped)


def _from(parts: Sequence[Part], offset: int) -> Iterator[tuple[Part, int]]:
    """Yield the parts from an offset on, with how much of each is not wanted."""
    for part in parts:
        if offset < part.size:
            yield part, offset
        offset = max(0, offset - part.size)


def decrypted(
    app: WSGIApp, environ: Environ, place: Place, reply: Reply, key: CustomerKey, iv: bytes
) -> DecryptedBody:
    """Return the body of an answer, of the object or of a range of it, as it was before it was encrypted.

    Raises:
        S3Error: for several ranges of several parts, of which nobody has need.
        Unavailable: when the object has been replaced meanwhile.
    """
    is_large = metadata.is_large(reply.headers)
    if not is_large and _UPLOAD not in reply.headers:
        return customer_keys.decrypted(reply, key, iv)
    try:
        if not is_large:
            raise S3Error(
                "InvalidRequest", "A copy by the other API has lost where its parts were encrypted."
            )
        return DecryptedBody(reply.body, _of_parts(app, environ, place, reply, key))
    except BaseException:
        reply.close()
        raise


def _of_parts(app: WSGIApp, environ: Environ, place: Place, reply: Reply, key: CustomerKey) -> Parts:
    if reply.headers.get("content-type", "").lower().startswith("multipart/byteranges"):
        raise S3Error("NotImplemented", "Several ranges of such an object are not implemented.")
    offset = 0
    if reply.status == 206:
        offset = int(reply.headers["content-range"].partition(" ")[2].partition("-")[0])
    parts = _parts(app, environ, place, reply.headers.get(_UPLOAD))

    def begin(part: Part) -> bytes:
        path = path_of(environ, place.account) + part.path
        head = ask(app, environ, "HEAD", path, trusted=True)
        head.close()
        if not head.is_good:
            raise Unavailable("A part of the object cannot be read; try again.")
        iv = key.opened(head.headers.get(customer_keys.SEALED, ""))
        if iv is None:
            raise CannotDecrypt("a part of the object is encrypted with another key")
        return iv

    return Parts(key.secret, parts, offset, begin)


def _parts(app: WSGIApp, environ: Environ, place: Place, upload_id: str | None) -> list[Part]:
    """Return the parts of the object that was made of this upload."""
    query = {**place.version, "multipart-manifest": "get"}
    path = path_of(environ, place.account, place.bucket, place.key)
    reply = ask(app, environ, "GET", path, query=query, trusted=True)
    document = reply.read(MANIFEST_BYTES_MAX)
    if not reply.is_good or reply.headers.get(_UPLOAD) != upload_id:
        raise Unavailable("The object has been replaced meanwhile; try again.")
    return [Part(row["name"], row["bytes"]) for row in orjson.loads(document)]
