"""Gives clients what they have stored, not what is stored.

    GET, HEAD of an object ──▶ metadata and ETag unsealed, body decrypted from where its range begins
    GET of a container     ──▶ the listing's ETags unsealed

An answer in which nothing is encrypted passes as it came. What can't be decrypted is a 500, in a listing the
hash `<unknown>`: never nonsense that looks like data.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable, Mapping

import orjson

from ....common.errors import ApusError
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..inner import Reply, call
from ..keymaster import KeyId, UnknownSecret
from .body import DecryptedBody, decryption_of
from .cipher import NAME, CannotDecrypt, Crypto, sealed_by, unseal
from .keys import Locked, keys_for
from .upload import BODY_META, ETAG, ETAG_MAC, LISTED_ETAG, etag_mac

log = logging.getLogger(__name__)

_BODY, _ETAG, _MAC, _LISTED = (name.lower() for name in (BODY_META, ETAG, ETAG_MAC, LISTED_ETAG))
_METADATA = "x-object-transient-sysmeta-crypto-meta"
_OURS = ("x-object-sysmeta-crypto-", "x-object-transient-sysmeta-crypto-")
_EXPOSED = "access-control-expose-headers"
_UNKNOWN = "<unknown>"
_PROBLEMS = (CannotDecrypt, UnknownSecret, Locked)


class Decrypter:
    """Decrypts what comes out of the store."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def object(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a GET or HEAD of an object."""
        reply = call(self.app, environ)
        if _is_encrypted(reply.headers):
            try:
                _decrypt(environ, reply)
            except _PROBLEMS as problem:
                reply.close()
                fields = {"path": environ["PATH_INFO"], "problem": str(problem)}
                log.error("an object cannot be decrypted", extra=fields)
                return Answer.text(500, "Error decrypting object")(environ, start_response)
        return reply.answer()(environ, start_response)

    def listing(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a GET of a container."""
        reply = call(self.app, environ)
        kind = reply.headers.get("content-type", "").partition(";")[0]
        if reply.is_good and kind == "application/json":
            document = reply.read()
            if b"swift_meta=" in document:
                document = _with_hashes(environ, document)
                reply.headers["content-length"] = str(len(document))
            reply.body = [document]
        return reply.answer()(environ, start_response)


def _is_encrypted(headers: Mapping[str, str]) -> bool:
    return (
        _BODY in headers
        or _ETAG in headers
        or "swift_meta=" in headers.get(_LISTED, "")
        or any(name.startswith(_METADATA) for name in headers)
    )


def _decrypt(environ: Environ, reply: Reply) -> None:
    """Turn the answer into what the client is to see."""
    headers = reply.headers
    body_meta, metadata_meta = headers.get(_BODY), headers.get(_METADATA)
    crypto = None if body_meta is None else Crypto.load(body_meta)
    key_id = None if crypto is None else crypto.key_id
    if _ETAG in headers:
        key = _object_key(environ, key_id)
        headers["etag"] = _required(headers[_ETAG], key)
        if _MAC in headers and not hmac.compare_digest(headers[_MAC], etag_mac(key, headers["etag"])):
            raise CannotDecrypt("the key is another one than the object was encrypted with")
    if _LISTED in headers:
        headers[_LISTED] = _listed(environ, headers[_LISTED], key_id)
    metadata_id = None if metadata_meta is None else Crypto.load(metadata_meta).key_id
    shown = {
        f"x-object-meta-{name[len(_METADATA) + 1 :]}": _required(value, _object_key(environ, metadata_id))
        for name, value in headers.items()
        if name.startswith(f"{_METADATA}-") and value
    }
    headers.update(shown)
    if crypto is not None and environ["REQUEST_METHOD"] == "GET" and reply.is_good:
        reply.body = _decrypted_body(environ, reply, crypto)
    if crypto is not None and reply.is_good:
        headers["x-backend-crypto-cipher"] = NAME
    if _EXPOSED in headers and shown:
        headers[_EXPOSED] = ", ".join((headers[_EXPOSED], *shown))
    for name in [name for name in headers if name.startswith(_OURS)]:
        del headers[name]


def _decrypted_body(environ: Environ, reply: Reply, crypto: Crypto) -> DecryptedBody:
    if crypto.body_key is None:
        raise CannotDecrypt("what is said of the body's encryption lacks its key")
    key = crypto.body_key.unwrap(_object_key(environ, crypto.key_id))
    how = decryption_of(reply.status, reply.headers, key, crypto.needed_iv)
    return DecryptedBody(reply.body, how)


def _object_key(environ: Environ, key_id: KeyId | None) -> bytes:
    return keys_for(environ, key_id)["object"]


def _required(value: str, key: bytes) -> str:
    sealed = sealed_by(value)
    if sealed is None:
        raise CannotDecrypt("a value is not sealed as it should be")
    return unseal(*sealed, key)


def _listed(environ: Environ, value: str, key_id: KeyId | None) -> str:
    """Return what a listing shows; only there does an object without body say which key it was."""
    sealed = sealed_by(value)
    if sealed is None:
        return value
    return unseal(*sealed, keys_for(environ, sealed[1].key_id or key_id, of=("container",))["container"])


def _with_hashes(environ: Environ, document: bytes) -> bytes:
    """Return a listing with its hashes unsealed."""
    rows = orjson.loads(document)
    problems: dict[str, str] = {}
    for row in rows:
        value = row.get("hash")
        if value is not None and "swift_meta=" in value:
            try:
                row["hash"] = from_wsgi(_listed(environ, value, None))
                row["hash"].encode()
            except (*_PROBLEMS, UnicodeError) as problem:
                problems.setdefault(_sentence(problem), row.get("name", ""))
                row["hash"] = _UNKNOWN
    for sentence, name in problems.items():  # Each once, not for each of ten thousand rows.
        fields = {"path": environ["PATH_INFO"], "first_row": name, "problem": sentence}
        log.error("a listing's hashes cannot be decrypted", extra=fields)
    return orjson.dumps(rows)


def _sentence(problem: ApusError | UnicodeError) -> str:
    return (
        str(problem) if isinstance(problem, ApusError) else "the key is another one than it was sealed with"
    )
