"""What a signature has shown, as far as the rest of S3 needs it."""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from typing import NamedTuple, Protocol

from ....common.http.wsgi import Environ
from ..access_keys import Secret
from .errors import S3Error

UNSIGNED = "UNSIGNED-PAYLOAD"
OF_NOTHING = hashlib.sha256().hexdigest()
"""Said of an empty body."""
STREAMING_UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING = frozenset((STREAMING_UNSIGNED, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER))
_ASYMMETRIC = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
_PAYLOAD = "HTTP_X_AMZ_CONTENT_SHA256"
_is_sha256 = re.compile("[0-9A-Fa-f]{64}").fullmatch


class Kind(Enum):
    """How a request is signed."""

    ANONYMOUS = "not at all"
    V4_HEADER = "AWS4-HMAC-SHA256 in the Authorization header"
    V4_QUERY = "AWS4-HMAC-SHA256 in the query"
    V2_HEADER = "AWS in the Authorization header"
    V2_QUERY = "AWSAccessKeyId, Signature and Expires in the query"
    FORM = "fields of a browser's form"


class ChunkSigner(Protocol):
    """Checks the signatures inside of a body, in their order."""

    def check_chunk(self, signature: str, sha256: str) -> None:
        """Check a chunk by the SHA-256 of its data, in hexadecimal."""

    def check_trailer(self, signature: str, lines: bytes) -> None:
        """Check the trailers, one `name:value` and a line feed after another."""


class Signed(NamedTuple):
    """A request whose signature, if there is one, holds; a tuple, as every request makes one."""

    kind: Kind
    access_key: str | None = None
    """What the signer is known by; None where nobody has signed."""
    secret: Secret | None = None
    """What belongs to that key."""
    payload: str = UNSIGNED
    """What was said of the body: its SHA-256 in hexadecimal, UNSIGNED or one of STREAMING.

    Where the signature does not cover it, it may be anything: no body is that.
    """
    chunk_signer: ChunkSigner | None = None
    """There where chunks of the body are signed."""


def payload_of(environ: Environ) -> str | None:
    """Return what a request says of its body; None where it says nothing.

    Raises:
        S3Error: InvalidArgument for what nobody could mean.
    """
    said: str | None = environ.get(_PAYLOAD)
    if said is None or said == UNSIGNED or said in STREAMING:
        return said
    if _is_sha256(said):
        return said
    if said.startswith(_ASYMMETRIC):
        raise S3Error("NotImplemented", "Signatures of version 4A are not known here; use AWS4-HMAC-SHA256.")
    raise S3Error(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {', '.join((UNSIGNED, *sorted(STREAMING)))} or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=said,
    )


def unsigned_payload(environ: Environ) -> str:
    """Return the same where no signature covers chunks of the body.

    Raises:
        S3Error: where the body is said to have signed chunks nevertheless.
    """
    payload: str = environ.get(_PAYLOAD) or UNSIGNED
    if payload in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER):
        raise S3Error("InvalidRequest", "Signed chunks need a signature of version 4 in a header.")
    return payload
