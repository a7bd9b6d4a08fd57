"""Who has signed a request, and whether the signature holds.

    environ ──check()────▶ Signed(kind, access key, secret, payload, chunk signer), or S3Error
               ├ AWS4-HMAC-SHA256: v4.py; what is signed is written down by canonical.py
               ├ AWS: v2.py
               └ nothing: ANONYMOUS, whom ACLs and policies may let in
            ──receive()──▶ the body is held against what Signed says of it, as it is read (payload.py)

It does not know what an access key is (access_keys.py), nor what the request asks for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from .....common.http.wsgi import Environ
from ...access_keys import Secret, Secrets
from ...host_names import domains_of, host_of
from .. import names
from ..errors import S3Error
from ..payload import receive
from ..settings import S3Config
from ..signed import ChunkSigner, Kind, Signed, unsigned_payload
from . import v2, v4

__all__ = (
    "ChunkSigner",
    "Kind",
    "Secret",
    "Secrets",
    "Signed",
    "check",
    "claimed_key",
    "judged",
    "receive",
)

_V4_PARAMETERS = ("X-Amz-Algorithm=", "X-Amz-Credential=", "X-Amz-Signature=")
_V2_PARAMETER = "AWSAccessKeyId="
_credential = re.compile(r"Credential=([^,\s]+)").search


def check(environ: Environ, secrets: Secrets, config: S3Config) -> Signed:
    """Return who has signed a request; see `judged`."""
    return judged(environ, secrets, config, now=time.time())


def judged(environ: Environ, secrets: Secrets, config: S3Config, *, now: float) -> Signed:
    """Return who has signed a request.

    What a signed query says in the place of headers stands among the headers then.

    Raises:
        S3Error: for a signature that does not hold, or cannot be read.
    """
    authorization = environ.get("HTTP_AUTHORIZATION")
    query = environ.get("QUERY_STRING") or ""
    version = _version_in_query(query) if query else 0
    if authorization:
        if version:
            raise S3Error(
                "InvalidArgument", "A request is signed in its header or in its query, not in both."
            )
        if authorization.startswith(v4.ALGORITHM + " "):
            return v4.check_header(environ, secrets, config, now)
        return _otherwise_signed(authorization, environ, secrets, config, now)
    if version == 4:
        return v4.check_query(environ, secrets, config, now)
    if version == 2:
        return v2.check_query(environ, secrets, config, now, _host_bucket(environ, config))
    return Signed(Kind.ANONYMOUS, payload=unsigned_payload(environ))


def claimed_key(environ: Environ, query: Mapping[str, str]) -> str | None:
    """Return the access key that a request names, whether or not its signature holds."""
    authorization = environ.get("HTTP_AUTHORIZATION") or ""
    if authorization.startswith("AWS "):
        return authorization[4:].rpartition(":")[0].strip() or None
    named = _credential(authorization)
    credential = named[1] if named is not None else query.get("X-Amz-Credential")
    return credential.rsplit("/", 4)[0] if credential else query.get("AWSAccessKeyId")


def _version_in_query(query: str) -> int:
    if any(name in query for name in _V4_PARAMETERS):
        return 4
    return 2 if _V2_PARAMETER in query else 0


def _otherwise_signed(
    authorization: str, environ: Environ, secrets: Secrets, config: S3Config, now: float
) -> Signed:
    if authorization.startswith("AWS "):
        return v2.check_header(environ, secrets, config, now, _host_bucket(environ, config))
    if authorization.startswith("AWS4-ECDSA"):
        raise S3Error("NotImplemented", f"Signatures of version 4A are not known here; use {v4.ALGORITHM}.")
    raise S3Error(
        "InvalidArgument",
        f"The Authorization header must begin with {v4.ALGORITHM} or with AWS, and a blank.",
        ArgumentName="Authorization",
    )


def _host_bucket(environ: Environ, config: S3Config) -> str | None:
    """Return the bucket that Host names, which version 2 signs as a part of the path."""
    return names.bucket_of_host(host_of(environ)[0], domains_of(config.storage_domain))
