"""What may be the matter with a signature that does not fit.

    the request, a way to try others ──▶ mismatch() ──▶ SignatureDoesNotMatch: what we signed, and a hint

Most who meet it have a right key and a proxy in between that changes Host or path: those are tried. That a
signature would fit another request tells nobody more than its signer knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import quote

from .....common.http.wsgi import Environ
from ..errors import S3Error
from .canonical import canonical_path


class Fits(Protocol):
    """Whether the signature is that of another request."""

    def __call__(self, changed: Environ, **how: object) -> bool:
        """Return whether it is; `how` goes to `request_text`."""


def mismatch(
    environ: Environ, access_key: str, signature: str, message: str, text: str, fits: Fits
) -> S3Error:
    """Return the refusal."""
    return S3Error(
        "SignatureDoesNotMatch",
        AWSAccessKeyId=access_key,
        StringToSign=message,
        SignatureProvided=signature,
        StringToSignBytes=_bytes(message),
        CanonicalRequest=text,
        CanonicalRequestBytes=_bytes(text),
        Hint=_hint(environ, fits),
    )


def _hint(environ: Environ, fits: Fits) -> str:
    host = environ.get("HTTP_HOST", "")
    for other in _hosts(environ, host):
        if fits({**environ, "HTTP_HOST": other}):
            return (
                f"The signature is right for the host {other}, but the request came with {host}: "
                "a proxy in between must pass Host on unchanged."
            )
    if fits(environ, path=lambda path: quote(canonical_path(path))):
        return "The signature is right for a path that is encoded twice; S3 encodes it once."
    if fits(environ, path=lambda path: path):
        return "The signature is right for the path as it was sent; each of its bytes must be encoded, once."
    return (
        "Compare the canonical request with the client's own: where they are equal the secret key is a wrong "
        f"one; else look at the first line that differs. The request came with the host {host}."
    )


def _hosts(environ: Environ, host: str) -> Iterator[str]:
    """Other hosts that the client may have meant."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        yield name
    else:
        for port in ("80", "443", environ.get("SERVER_PORT", "8080")):
            yield f"{host}:{port}"
    for key in ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_SERVER"):
        forwarded = environ.get(key)
        if forwarded:
            yield forwarded.split(",")[0].strip()
    if "SERVER_NAME" in environ:
        yield f"{environ['SERVER_NAME']}:{environ.get('SERVER_PORT', '')}"


def _bytes(text: str) -> str:
    return text.encode("latin-1", "replace").hex(" ")
