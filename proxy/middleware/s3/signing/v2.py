"""Signatures of version 2: HMAC-SHA1, in the Authorization header or in the query.

    Authorization: AWS KEY:SIGNATURE, Date   ──▶ check_header() ──▶ Signed, or S3Error
    AWSAccessKeyId, Signature, Expires       ──▶ check_query()  ──▶ Signed, or S3Error
    policy of a form                         ──▶ check_policy() ──▶ Signed, or S3Error

Old, and nevertheless what boto3 makes a presigned URL of unless told otherwise. It signs the method, a few
headers, all of x-amz-, the path, and those parameters that name a subresource or override a header of the
answer; other parameters it does not sign, so nothing may depend on them.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from itertools import chain, islice, product
from urllib.parse import parse_qsl, unquote_to_bytes

from .....common.http.wsgi import Environ, from_wsgi, to_wsgi
from ...access_keys import Secret, Secrets
from ..errors import S3Error
from ..numbers import whole
from ..settings import S3Config
from ..signed import Kind, Signed, unsigned_payload
from .canonical import raw_path, trimmed
from .moments import require_recent, require_running, signed_at
from .v4 import hoist, is_same, require_token, secret_of

PARAMETERS = ("AWSAccessKeyId", "Signature", "Expires")
SIGNED_PARAMETERS = frozenset(
    (
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    )
)
_EXPIRES_MAX = 10**11  # Of which a calendar still knows the year.
META = "x-amz-meta-"
SPELLINGS_MAX = 64
"""So many ways to write dashes and underscores are tried where a signature does not fit."""
_Header = tuple[str, str]
UNSIGNED_WORDS = frozenset(
    (
        "abac",
        "annotation",
        "append",
        "attributes",
        "encryption",
        "intelligent-tiering",
        "legal-hold",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "ownershipControls",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "retention",
        "session",
    )
)
"""Subresources that came later, and that a signature of this version therefore says nothing of."""


def check_header(
    environ: Environ, secrets: Secrets, config: S3Config, now: float, host_bucket: str | None
) -> Signed:
    """Check the signature in the Authorization header; `host_bucket` is the bucket that Host names."""
    access_key, colon, signature = environ["HTTP_AUTHORIZATION"][4:].strip().rpartition(":")
    if not colon or not access_key or not signature:
        raise S3Error(
            "InvalidArgument",
            "The Authorization header must be of the form AWS ACCESS-KEY:SIGNATURE.",
            ArgumentName="Authorization",
        )
    moment = signed_at(environ)
    require_recent(moment, now, config.allowable_clock_skew)
    _refuse_unsigned(name for name, _ in parse_qsl(environ.get("QUERY_STRING") or "", keep_blank_values=True))
    access_key = from_wsgi(access_key)
    secret = secret_of(access_key, secrets)
    date = "" if "HTTP_X_AMZ_DATE" in environ else environ["HTTP_DATE"]
    _require(environ, secret, access_key, signature, date, host_bucket)
    require_token(secret, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
    return Signed(Kind.V2_HEADER, access_key, secret, unsigned_payload(environ))


def check_query(
    environ: Environ, secrets: Secrets, config: S3Config, now: float, host_bucket: str | None
) -> Signed:
    """Check the signature in the query."""
    query = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True, errors="surrogateescape")
    names = [name for name, _ in query]
    if any(names.count(name) != 1 for name in PARAMETERS):
        raise S3Error("AccessDenied", f"A signed query has each of {', '.join(PARAMETERS)} once.")
    _refuse_unsigned(names)
    values = dict(query)
    access_key, signature, expires = (values[name] for name in PARAMETERS)
    ends = whole(expires, most=_EXPIRES_MAX)
    if ends is None:
        raise S3Error("AccessDenied", "Expires must be a number of seconds since 1970.")
    require_running(0, ends, now, skew_seconds_max=config.allowable_clock_skew)
    secret = secret_of(access_key, secrets)
    hoist(environ, query)  # boto3 writes into the query what it has signed as headers.
    if values.get("content-type", "").isprintable() and not environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = to_wsgi(values.get("content-type", ""))
    _require(environ, secret, access_key, to_wsgi(signature), expires, host_bucket)
    require_token(secret, environ.get("HTTP_X_AMZ_SECURITY_TOKEN"))
    return Signed(Kind.V2_QUERY, access_key, secret, unsigned_payload(environ))


def _refuse_unsigned(names: Iterable[str]) -> None:
    """Refuse parameters that whoever has seen the request could have added, to make another one of it."""
    added = UNSIGNED_WORDS.intersection(names)
    if added:
        raise S3Error("AccessDenied", f"Version 2 does not sign the parameter {min(added)}; use version 4.")


def check_policy(fields: Mapping[str, str], secrets: Secrets) -> Signed:
    """Check the signature of a browser's form, over its policy as it came; names are in lower case."""
    access_key, policy = fields["awsaccesskeyid"], fields["policy"]
    secret = secret_of(access_key, secrets)
    signature = fields.get("signature", "")
    if not is_same(signature_of(secret, to_wsgi(policy)), to_wsgi(signature)):
        raise S3Error(
            "SignatureDoesNotMatch",
            AWSAccessKeyId=access_key,
            StringToSign=policy,
            SignatureProvided=signature,
            Hint="The policy is signed as it stands in the form, in base64.",
        )
    require_token(secret, fields.get("x-amz-security-token"))
    return Signed(Kind.FORM, access_key, secret)


def _require(
    environ: Environ,
    secret: Secret,
    access_key: str,
    signature: str,
    date: str,
    host_bucket: str | None,
) -> None:
    headers = _amazon_headers(environ)
    message = string_to_sign(environ, headers, date, host_bucket)
    if is_same(signature_of(secret, message), signature):
        return
    for other in islice(product(*map(_spellings, headers)), 1, SPELLINGS_MAX):
        if is_same(signature_of(secret, string_to_sign(environ, other, date, host_bucket)), signature):
            return
    raise S3Error(
        "SignatureDoesNotMatch",
        AWSAccessKeyId=access_key,
        StringToSign=message,
        SignatureProvided=signature,
        Hint="Compare the string with the client's own: where they are equal the secret key is wrong.",
    )


def signature_of(secret: Secret, message: str) -> str:
    """Return a signature."""
    key = secret.key.encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.digest(key, message.encode("latin-1"), "sha1")).decode("ascii")


def string_to_sign(environ: Environ, headers: Iterable[_Header], date: str, host_bucket: str | None) -> str:
    """Return what is signed; `date` is that of the request, or when a signed query ends."""
    value = environ.get
    lines = "".join([f"{name}:{trimmed(text)}\n" for name, text in sorted(headers)])
    kind, md5 = value("CONTENT_TYPE") or "", value("HTTP_CONTENT_MD5") or ""
    head = f"{environ['REQUEST_METHOD']}\n{md5}\n{kind}\n{date}\n"
    return f"{head}{lines}{_resource(environ, host_bucket)}"


def _amazon_headers(environ: Environ) -> list[_Header]:
    return [
        (key[5:].lower().replace("_", "-"), environ[key]) for key in environ if key.startswith("HTTP_X_AMZ_")
    ]


def _spellings(header: _Header) -> list[_Header]:
    """Return how a client may have spelt the name of metadata: WSGI knows no underscores in it."""
    name, value = header
    if not name.startswith(META):
        return [header]
    words = name[len(META) :].split("-")[: SPELLINGS_MAX.bit_length()]
    rest = name[len(META) + len("-".join(words)) :]
    marks = product("-_", repeat=len(words) - 1)
    return [
        (META + "".join(chain(*zip(words, (*between, ""), strict=True))) + rest, value) for between in marks
    ]


def _resource(environ: Environ, host_bucket: str | None) -> str:
    """Return path, as it was sent, and the parameters that count."""
    bucket = "" if host_bucket is None else f"/{to_wsgi(host_bucket)}"
    # Names are decoded as values are: an encoded one means the same, and could else be added by anybody.
    pieces = (piece.partition("=") for piece in environ["QUERY_STRING"].split("&"))
    decoded = ((_decoded(name), equals, value) for name, equals, value in pieces)
    parameters = sorted(each for each in decoded if each[0] in SIGNED_PARAMETERS)
    said = "&".join([f"{name}{equals}{_decoded(value)}" for name, equals, value in parameters])
    return f"{bucket}{raw_path(environ)}{'?' if said else ''}{said}"


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.encode("latin-1")).decode("latin-1") if "%" in text else text
