"""Encrypts what goes into the store, and asks for it by what is stored.

    PUT, POST ──▶ metadata sealed, body encrypted, its sums told behind it ──▶ the rest of the pipeline
    GET, HEAD ──▶ to each ETag in a condition, what stands for it in the store under each root secret

All else passes untouched. It does not decrypt: see decrypter.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

from ....common.conditions import normalized, seconds, tags
from ....common.constraints import Constraints, check_metadata
from ....common.errors import Refused
from ....common.http.answer import Answer
from ....common.http.request import title
from ....common.http.wsgi import Environ, StartResponse, WSGIApp
from ...footers import FOOTERS
from ..keymaster import Keys, UnknownSecret
from .cipher import IV_BYTES, Crypto, seal
from .keys import Locked, all_keys_for, keys_for, refusal
from .upload import ETAG_MAC, LISTED_ETAG, EncryptedBody, Footers, Randomness, Tell, etag_mac

_USER = "HTTP_X_OBJECT_META_"
_SEALED = "HTTP_X_OBJECT_TRANSIENT_SYSMETA_CRYPTO_META"
_LISTED = "HTTP_" + LISTED_ETAG.upper().replace("-", "_")
_ETAG_IS_AT = "HTTP_X_BACKEND_ETAG_IS_AT"
_CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE")


class Encrypter:
    """Encrypts objects' bodies and metadata."""

    def __init__(
        self,
        app: WSGIApp,
        limits: Constraints,
        *,
        is_writing: bool = True,
        randomness: Randomness = os.urandom,
    ) -> None:
        self.app = app
        self._limits = limits
        self._is_writing = is_writing
        self._randomness = randomness

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request for an object."""
        method = environ["REQUEST_METHOD"]
        try:
            if method in ("GET", "HEAD"):
                return self._read(environ, start_response)
            if method in ("PUT", "DELETE") and _mask(environ):
                start_response = _without_stored_etag(start_response)
            if method == "PUT" and self._is_writing:
                return self._put(environ, start_response)
            if method == "POST" and self._is_writing:
                self._seal_metadata(environ, keys_for(environ))
        except Refused as refused:
            return Answer.text(refused.status, str(refused))(environ, start_response)
        except (Locked, UnknownSecret) as problem:
            return refusal(problem, environ["PATH_INFO"])(environ, start_response)
        return self.app(environ, start_response)

    def _put(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        keys = keys_for(environ, of=("object", "container"))
        self._seal_metadata(environ, keys)
        body = EncryptedBody(environ["wsgi.input"], keys, self._randomness)
        environ["wsgi.input"] = body
        environ[FOOTERS] = partial(
            _tell,
            body,
            earlier=environ.get(FOOTERS),
            announced=environ.pop("HTTP_ETAG", None),
            listed=environ.get(_LISTED),
        )

        def start(status: str, headers: list[tuple[str, str]], problem: object = None) -> object:
            # Another ETag than that of what we have passed on is left for the client to see.
            shown = [
                (name, body.etag)
                if name.lower() == "etag" and body.etag and normalized(value) == body.stored_etag
                else (name, value)
                for name, value in headers
            ]
            return start_response(status, shown, problem) if problem else start_response(status, shown)

        return self.app(environ, start)

    def _seal_metadata(self, environ: Environ, keys: Keys) -> None:
        named = [(key, environ[key]) for key in environ if key.startswith(_USER)]
        # What is stored is longer than what the client sent, which is what the limits are about.
        check_metadata([(title(key)[len(_USER) - 5 :], value) for key, value in named], self._limits)
        sealed = [(key, value) for key, value in named if value]
        for key, value in sealed:
            iv = self._randomness(IV_BYTES)
            environ[f"{_SEALED}_{key[len(_USER) :]}"] = seal(value, keys["object"], iv)
            del environ[key]
        if sealed:
            environ[_SEALED] = Crypto(key_id=keys["id"]).dump()

    def _read(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        before = _mask(environ)
        if not before:
            return self.app(environ, start_response)
        try:
            return self.app(environ, start_response)
        finally:
            for key, value in before.items():
                if value is None:
                    del environ[key]
                else:
                    environ[key] = value


def _mask(environ: Environ) -> dict[str, str | None]:
    """Have conditions speak of what is stored; return what the environ had instead."""
    earlier = {key: environ[key] for key in _CONDITIONS if key in environ}
    if not earlier:
        return {}
    masked = _masked(earlier, all_keys_for(environ))
    if masked != earlier:
        names = environ.get(_ETAG_IS_AT)
        masked[_ETAG_IS_AT] = f"{names},{ETAG_MAC}" if names else ETAG_MAC
    before = {key: environ.get(key) for key in masked}
    environ.update(masked)
    return before


def _without_stored_etag(start_response: StartResponse) -> StartResponse:
    """Return what answers without the ETag that a refused condition found: it is the stored body's."""

    def start(status: str, headers: list[tuple[str, str]], problem: object = None) -> object:
        if status.startswith("412"):
            headers = [(name, value) for name, value in headers if name.lower() != "etag"]
        return start_response(status, headers, problem) if problem else start_response(status, headers)

    return start


def _tell(
    body: EncryptedBody, footers: Footers, *, earlier: Tell | None, announced: str | None, listed: str | None
) -> None:
    """Let who has asked before us tell first; then tell of the encryption."""
    if earlier is not None:
        earlier(footers)
    body.tell(footers, announced=announced, listed=listed)


def _masked(conditions: dict[str, str], keys: list[Keys]) -> dict[str, str]:
    """Return the conditions with, beside each ETag, what stands for it in the store.

    The ETags themselves stay: what was stored before there was encryption is known by them.
    """
    masked = dict(conditions)
    for name in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"):
        wanted = sorted(tags(conditions.get(name, "")))
        if wanted and wanted != ["*"]:
            more = [etag_mac(each["object"], tag) for tag in wanted if tag != "*" for each in keys]
            masked[name] = ", ".join(tag if tag == "*" else f'"{tag}"' for tag in (*wanted, *more))
    whole = conditions.get("HTTP_IF_RANGE")
    if whole is not None and seconds(whole) is None and not whole.strip().startswith("W/"):
        # Only one ETag can stand here: where it is not the one, the client gets the whole object, as it must.
        masked["HTTP_IF_RANGE"] = f'"{etag_mac(keys[0]["object"], normalized(whole))}"'
    return masked
