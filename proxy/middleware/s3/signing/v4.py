"""Signatures of version 4: AWS4-HMAC-SHA256, in the Authorization header or in the query.

    Authorization, x-amz-date, headers ──▶ check_header() ──▶ Signed, or S3Error
    X-Amz-Credential, X-Amz-Date, …    ──▶ check_query()  ──▶ Signed, or S3Error
    policy of a form                   ──▶ check_policy() ──▶ Signed, or S3Error

Every x-amz- header must be signed: one that somebody adds to a request which another has signed would make
it do something else (CVE-2026-71191). It does not know what a request asks for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from .....common.http.wsgi import Environ, from_wsgi, to_wsgi
from ...access_keys import Secret, Secrets
from ..errors import S3Error
from ..numbers import whole
from ..settings import S3Config
from ..sieve import Sieve
from ..signed import (
    OF_NOTHING,
    STREAMING_SIGNED,
    STREAMING_SIGNED_TRAILER,
    UNSIGNED,
    Kind,
    Signed,
    payload_of,
    unsigned_payload,
)
from .canonical import HeaderLines, header_key, is_header_name, request_text
from .hints import mismatch
from .moments import compact, compact_moment, require_recent, require_running, signed_at

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "s3"
EXPIRES_SECONDS_MAX = 604800  # A week, as AWS has it.
_TOO_LONG = f"X-Amz-Expires must be less than {EXPIRES_SECONDS_MAX} seconds"
REGIONS = frozenset(("us-east-1", "US", ""))
"""What clients say by default, and s3cmd before it has asked: always taken."""
_NEED_NOT_BE_SIGNED = frozenset(("HTTP_X_AMZ_CF_ID", "HTTP_X_AMZ_CONTENT_SHA256", "HTTP_X_AMZ_DATE"))
"""CloudFront's own; and two that a signature covers elsewhere, or that allow a URL's holder nothing more."""
_BLOCK_BYTES = 64  # SHA-256's.
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_must_be_signed = Sieve(lambda key: key.startswith("HTTP_X_AMZ_") and key not in _NEED_NOT_BE_SIGNED)
KNOWN_CLAIM_MAX = 700
"""Characters of a claim that is remembered: else who has no key could fill the memory with names."""
_PARAMETER = re.compile(r"\s*(Credential|SignedHeaders|Signature)\s*=\s*([^,]*?)\s*")
_QUERY_NAMES = {
    name: f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
}
_OWN_NAMES = frozenset(name.lower() for name in _QUERY_NAMES.values())


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says about their signature."""

    access_key: str
    date: str
    region: str
    service: str
    signed_names: str
    lines: HeaderLines
    """The signed headers."""
    keys: frozenset[str]
    scope: str
    """What the signing key was made for."""

    @classmethod
    def of(cls, credential: str, signed_names: str, *, code: str) -> Claim:
        """Read the two parameters that say it; access keys may have slashes.

        Raises:
            S3Error: of this code.
        """
        parts = credential.rsplit("/", 4)
        if len(parts) != 5 or parts[4] != "aws4_request" or not parts[0]:
            raise S3Error(code, "The credential must be ACCESS-KEY/DATE/REGION/s3/aws4_request.")
        access_key, date, region, service, _ = parts
        scope = f"{date}/{region}/{service}/aws4_request"
        if compact_moment(f"{date}T000000Z") is None:
            raise S3Error(code, f"The credential has the date {date}; it must be of the form YYYYMMDD.")
        lowered = signed_names.lower()
        names = lowered.split(";") if lowered else []
        if not all(map(is_header_name, names)):
            raise S3Error(code, "SignedHeaders must name headers, with semicolons between them.")
        pairs = tuple([(name, header_key(name)) for name in names])
        keys = frozenset(key for _, key in pairs)
        return cls(from_wsgi(access_key), date, region, service, lowered, HeaderLines(pairs), keys, scope)

    def require(self, moment: int, config: S3Config, *, code: str) -> None:
        """Refuse a credential that is made for another day, region or service."""
        if self.service != SERVICE:
            raise S3Error(
                code, f"The credential is for the service {self.service}; it must be for {SERVICE}."
            )
        if self.region != config.location and self.region not in REGIONS:
            raise S3Error(
                code,
                f"The credential is for the region {self.region}; this is {config.location}.",
                Region=config.location,
            )
        if not compact(moment).startswith(self.date):
            raise S3Error(
                code, f"The credential is of {self.date}, but the request was signed at {compact(moment)}."
            )


@lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key of one day: four HMACs that are worth remembering."""
    key = ("AWS4" + secret).encode("utf-8", "surrogateescape")
    for word in (date, region, service, "aws4_request"):
        key = hmac.digest(key, word.encode("latin-1"), "sha256")
    return key


def key_of(secret: Secret, claim: Claim) -> bytes:
    """Return the signing key."""
    return signing_key(secret.key, claim.date, claim.region, claim.service)


def string_to_sign(timestamp: str, claim: Claim, text: str) -> str:
    """Return what is signed in the place of a canonical request."""
    digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{timestamp}\n{claim.scope}\n{digest}"


def signature_of(key: bytes, message: str) -> str:
    """Return a signature: the message's HMAC."""
    inner, outer = _begun(key)
    taken, ended = inner.copy(), outer.copy()
    taken.update(message.encode("latin-1"))
    ended.update(taken.digest())
    return ended.hexdigest()


@lru_cache(maxsize=1024)
def _begun(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return both hashes of an HMAC as the key leaves them (RFC 2104): the library begins anew each time."""
    assert len(key) <= _BLOCK_BYTES, len(key)
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def is_same(ours: str, theirs: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(ours.encode("latin-1"), theirs.encode("latin-1", "replace"))


# --- in a header -----------------------------------------------------------------------------


def check_header(environ: Environ, secrets: Secrets, config: S3Config, now: float) -> Signed:
    """Check the signature in the Authorization header."""
    code = "AuthorizationHeaderMalformed"
    beginning, mark, signature = environ["HTTP_AUTHORIZATION"].rpartition("Signature=")
    if mark and "," not in signature:
        claim = _known_claim(beginning) if len(beginning) <= KNOWN_CLAIM_MAX else _claim(beginning)
        signature = signature.strip()
    else:
        claim, signature = _claim_in_any_order(environ["HTTP_AUTHORIZATION"])
    moment = signed_at(environ)
    payload = payload_of(environ)
    if payload is None:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    claim.require(moment, config, code=code)
    require_recent(moment, now, config.allowable_clock_skew)
    secret = secret_of(claim.access_key, secrets)
    _require_signed(environ, claim)
    text = request_text(
        environ,
        claim.lines.of(environ),
        claim.signed_names,
        environ["HTTP_X_AMZ_CONTENT_SHA256"],
    )
    timestamp = environ.get("HTTP_X_AMZ_DATE") or ""
    if compact_moment(timestamp) is None:
        timestamp = compact(moment)
    key = key_of(secret, claim)
    message = string_to_sign(timestamp, claim, text)
    if not is_same(signature_of(key, message), signature):
        raise _refusal(environ, claim, key, message, text, signature, timestamp)
    require_token(secret, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
    signer = None
    if payload in (STREAMING_SIGNED, STREAMING_SIGNED_TRAILER):
        signer = ChainedSigner(key, timestamp, claim.scope, signature)
    return Signed(Kind.V4_HEADER, claim.access_key, secret, payload, signer)


@lru_cache(maxsize=512)
def _known_claim(beginning: str) -> Claim:
    """Return what stands before the signature, which a client repeats all day."""
    return _claim(beginning)


def _claim(beginning: str) -> Claim:
    return _claim_of({**_parameters(beginning), "Signature": "?"})


def _claim_in_any_order(authorization: str) -> tuple[Claim, str]:
    parameters = _parameters(authorization)
    return _claim_of(parameters), parameters.get("Signature", "")


def _parameters(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for piece in text.partition(" ")[2].split(","):
        match = _PARAMETER.fullmatch(piece)
        if match is not None and match[1] not in parameters:
            parameters[match[1]] = match[2]
        elif piece.strip():
            raise S3Error("AuthorizationHeaderMalformed")
    return parameters


def _claim_of(parameters: Mapping[str, str]) -> Claim:
    code = "AuthorizationHeaderMalformed"
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parameters.get(name):
            raise S3Error(code, f"The Authorization header has no {name}.")
    return Claim.of(parameters["Credential"], parameters["SignedHeaders"], code=code)


def secret_of(access_key: str, secrets: Secrets) -> Secret:
    """Return the secret of an access key.

    Raises:
        S3Error: InvalidAccessKeyId.
    """
    secret = secrets.s3_secret(access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key)
    return secret


def require_token(secret: Secret, shown: str | None) -> None:
    """Refuse a temporary key without its token, and a token that belongs to no key."""
    if shown is None and secret.session_token is None:
        return
    if shown is None or secret.session_token is None or not is_same(to_wsgi(secret.session_token), shown):
        raise S3Error("InvalidToken")


def _require_signed(environ: Environ, claim: Claim) -> None:
    keys, asked = claim.keys, _must_be_signed.among(environ)
    missing = [key for key in asked if key not in keys] if asked else []
    if "HTTP_HOST" not in keys:
        missing.append("HTTP_HOST")
    if missing:
        names = ", ".join(sorted(key[5:].lower().replace("_", "-") for key in missing))
        raise S3Error(
            "AccessDenied", "There are headers in the request that are not signed.", HeadersNotSigned=names
        )


def _refusal(
    environ: Environ,
    claim: Claim,
    key: bytes,
    message: str,
    text: str,
    signature: str,
    timestamp: str,
    *,
    without: str = "",
) -> S3Error:
    """Return the refusal, with what we signed and what may be the matter."""

    def fits(changed: Environ, **how: object) -> bool:
        other = request_text(
            changed,
            claim.lines.of(changed),
            claim.signed_names,
            text.rpartition("\n")[2],
            without=without,
            **how,  # type: ignore[arg-type]
        )
        return is_same(signature_of(key, string_to_sign(timestamp, claim, other)), signature)

    return mismatch(environ, claim.access_key, signature, message, text, fits)


# --- in the query ----------------------------------------------------------------------------


def check_query(environ: Environ, secrets: Secrets, config: S3Config, now: float) -> Signed:
    """Check the signature in the query; what the query says in the place of headers becomes headers."""
    code = "AuthorizationQueryParametersError"
    query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True, errors="surrogateescape")
    said = _said(query)
    if said["Algorithm"] != ALGORITHM:
        raise S3Error(code, f"X-Amz-Algorithm must be {ALGORITHM}.")
    claim = Claim.of(to_wsgi(said["Credential"]), to_wsgi(said["SignedHeaders"]), code=code)
    moment = compact_moment(said["Date"])
    if moment is None:
        raise S3Error(code, "X-Amz-Date must be of the form YYYYMMDDThhmmssZ.")
    lasts = _lasts(said["Expires"])
    claim.require(moment, config, code=code)
    skew = config.allowable_clock_skew
    require_running(moment, moment + lasts, now, skew_seconds_max=skew, lasts=lasts)
    secret = secret_of(claim.access_key, secrets)
    _require_signed(environ, claim)
    lines = claim.lines.of(environ)
    payload = dict(query).get("X-Amz-Content-Sha256") or _signed_payload(environ, claim)
    text = request_text(environ, lines, claim.signed_names, to_wsgi(payload), without="X-Amz-Signature")
    key = key_of(secret, claim)
    message = string_to_sign(said["Date"], claim, text)
    if not is_same(signature_of(key, message), to_wsgi(said["Signature"])):
        signature = to_wsgi(said["Signature"])
        raise _refusal(environ, claim, key, message, text, signature, said["Date"], without="X-Amz-Signature")
    hoist(environ, query)
    require_token(secret, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
    return Signed(Kind.V4_QUERY, claim.access_key, secret, unsigned_payload(environ))


def _signed_payload(environ: Environ, claim: Claim) -> str:
    """Return what the signature was made over in the place of the body's sum."""
    key = "HTTP_X_AMZ_CONTENT_SHA256"
    said: str = environ.get(key) or UNSIGNED
    return said if key in claim.keys else UNSIGNED


def _said(query: list[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of the signature, each of which must be there once."""
    names = [name for name, _ in query]
    for name in _QUERY_NAMES.values():
        if names.count(name) != 1:
            raise S3Error(
                "AuthorizationQueryParametersError",
                f"A signed query has each of {', '.join(_QUERY_NAMES.values())} once.",
            )
    values = dict(query)
    return {short: values[name] for short, name in _QUERY_NAMES.items()}


def _lasts(text: str) -> int:
    seconds = whole(text, least=1, most=EXPIRES_SECONDS_MAX)
    if seconds is None:
        sentence = "X-Amz-Expires should be a number"
        if whole(text.removeprefix("-"), most=2**63 - 1) is not None:
            is_short = text.startswith("-") or not int(text)
            sentence = "X-Amz-Expires must be non-negative" if is_short else _TOO_LONG
        raise S3Error("AuthorizationQueryParametersError", sentence)
    return seconds


def hoist(environ: Environ, query: list[tuple[str, str]]) -> None:
    """Make headers of what the signer has put into the query in their place; all of it is signed."""
    for name, value in query:
        lowered = name.lower()
        if not lowered.startswith("x-amz-") or lowered in _OWN_NAMES or not is_header_name(lowered):
            continue
        if not value.isprintable():
            raise S3Error(
                "InvalidArgument", f"{name} has characters that no header may have.", ArgumentName=name
            )
        key, text = header_key(lowered), to_wsgi(value)
        if environ.setdefault(key, text) != text:
            raise S3Error("AccessDenied", f"{name} is in the query and, with another value, in a header.")


# --- in a form, and in a body ----------------------------------------------------------------


def check_policy(fields: Mapping[str, str], secrets: Secrets, config: S3Config) -> Signed:
    """Check the signature of a browser's form, over its policy as it came; names are in lower case."""
    code = "AuthorizationQueryParametersError"
    if fields.get("x-amz-algorithm") != ALGORITHM:
        raise S3Error(code, f"x-amz-algorithm must be {ALGORITHM}.")
    claim = Claim.of(to_wsgi(fields.get("x-amz-credential", "")), "", code=code)
    moment = compact_moment(fields.get("x-amz-date", ""))
    if moment is None:
        raise S3Error(code, "x-amz-date must be of the form YYYYMMDDThhmmssZ.")
    claim.require(moment, config, code=code)
    secret = secret_of(claim.access_key, secrets)
    policy, signature = fields["policy"], fields.get("x-amz-signature", "")
    if not is_same(signature_of(key_of(secret, claim), to_wsgi(policy)), to_wsgi(signature)):
        raise S3Error(
            "SignatureDoesNotMatch",
            AWSAccessKeyId=claim.access_key,
            StringToSign=policy,
            SignatureProvided=signature,
            Hint="The policy is signed as it stands in the form, in base64.",
        )
    require_token(secret, fields.get("x-amz-security-token"))
    return Signed(Kind.FORM, claim.access_key, secret)


class ChainedSigner:
    """Signatures inside of a body, each of which covers the one before; the first is the request's."""

    __slots__ = ("_before", "_key", "_scope", "_timestamp")

    def __init__(self, key: bytes, timestamp: str, scope: str, before: str) -> None:
        self._key = key
        self._timestamp = timestamp
        self._scope = scope
        self._before = before

    def check_chunk(self, signature: str, sha256: str) -> None:
        """Check a chunk by the SHA-256 of its data, in hexadecimal."""
        self._check("PAYLOAD", f"{OF_NOTHING}\n{sha256}", signature)

    def check_trailer(self, signature: str, lines: bytes) -> None:
        """Check the trailers."""
        self._check("TRAILER", hashlib.sha256(lines).hexdigest(), signature)

    def _check(self, what: str, digests: str, signature: str) -> None:
        message = f"{ALGORITHM}-{what}\n{self._timestamp}\n{self._scope}\n{self._before}\n{digests}"
        expected = signature_of(self._key, message)
        if not is_same(expected, signature):
            raise S3Error(
                "SignatureDoesNotMatch",
                StringToSign=message,
                SignatureProvided=signature,
                Hint="A signature inside of the body is not the one that was computed for its bytes.",
            )
        self._before = signature
