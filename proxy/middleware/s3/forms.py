"""Uploads from a page in a browser: POST of a form to a bucket.

    multipart/form-data ──▶ fields, until a file comes ──▶ signature and policy hold? ──▶ PUT of the object
        done ──▶ 204, 200 or 201 with a document, or 303 to where the form says

What counts is in the fields, which are signed; headers of the request that mean something to S3 are the
browser's, or an attacker's, and are dropped. What comes behind the file counts for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from ....common.errors import Refused
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, from_wsgi, to_wsgi
from ..access_keys import Secret, secrets_behind
from ..multipart import Multipart, Part, attributes_of
from . import names, post_policy, signing
from .errors import S3Error
from .markup import element, render
from .notification.meaning import means
from .post_policy import Policy
from .request import Request
from .signing import v2, v4
from .signing.canonical import header_key, is_header_name

FIELDS_BYTES_MAX = 1 << 16
"""All fields together; AWS takes 20 KB."""
FILE = "file"
FILE_NAME = "${filename}"
_PLAIN_HEADERS = frozenset(
    ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
)
_AMAZON_HEADERS = frozenset(
    (
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-server-side-encryption",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
    )
)
_AMAZON_PREFIXES = (
    "x-amz-meta-",
    "x-amz-checksum-",
    "x-amz-grant-",
    "x-amz-server-side-encryption-customer-",
)
_DROPPED_PREFIXES = ("HTTP_IF_", "HTTP_X_AMZ_", "HTTP_CONTENT_")
_URLS_OWN = "%/:?#[]@!$&'()*+,;=~"
_V4_FIELDS = ("x-amz-credential", "x-amz-signature")
_V2_FIELDS = ("awsaccesskeyid", "signature")
_DROPPED = frozenset(("HTTP_CACHE_CONTROL", "HTTP_EXPIRES", "HTTP_RANGE", "HTTP_AUTHORIZATION"))


@dataclass(frozen=True, slots=True)
class Form:
    """A form up to its file."""

    fields: Mapping[str, str]
    """By name, in lower case."""
    parts: Multipart
    """Its file is the current part."""


def post(request: Request) -> Answer:
    """Serve POST of a form to a bucket."""
    from . import operations  # It names us.

    environ = request.environ
    form = _read(environ)
    now = time.time()
    policy = _allowed(request, form.fields, now)
    key = form.fields["key"]
    names.check_key(key)
    environ.update(_stored_headers(environ, form.fields))
    size_max = None if policy is None else policy.size_max
    environ["wsgi.input"] = FileBody(form.parts, 0 if policy is None else policy.size_min, size_max)
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    environ.pop("CONTENT_LENGTH", None)
    request.become_upload(key)
    signing.receive(environ, signing.Signed(signing.Kind.FORM))
    for guard in operations.GUARDS:
        guard(request)
    means(environ, "ObjectCreated:Post")
    stored = operations.OPERATIONS["object", "PUT", ""](request)
    return told(request, form.fields, stored.headers)


OPERATIONS = {("bucket", "POST", ""): post}


# --- reading ---------------------------------------------------------------------------------


def _read(environ: Environ) -> Form:
    """Return the form, read up to its file."""
    kind, attributes = attributes_of(environ.get("CONTENT_TYPE", ""))
    boundary = attributes.get("boundary")
    if kind != "multipart/form-data" or not boundary:
        raise S3Error("MalformedPOSTRequest", "The body must be multipart/form-data, with a boundary.")
    parts = Multipart(environ["wsgi.input"], boundary.encode("latin-1"))
    fields: dict[str, str] = {}
    left = FIELDS_BYTES_MAX
    try:
        for part in parts:
            name = part.attributes.get("name", "").lower()
            if name == FILE:
                _expand(fields, part)
                return Form(fields, parts)
            value = _value(parts, left)
            left -= len(name) + len(value)
            if left < 0:
                raise _too_long()
            if not name or name in fields:
                raise S3Error("MalformedPOSTRequest", "Each field of the form has a name of its own.")
            fields[name] = value.decode("utf-8", "surrogateescape")
    except Refused as problem:
        raise S3Error("MalformedPOSTRequest", f"The form cannot be read: {problem}.") from problem
    raise S3Error("InvalidArgument", "The form has no field named file, or no file.", ArgumentName=FILE)


def _value(parts: Multipart, bytes_max: int) -> bytes:
    value = b""
    while data := parts.read():
        value += data
        if len(value) > bytes_max:
            raise _too_long()
    return value


def _too_long() -> S3Error:
    return S3Error("MaxMessageLengthExceeded", f"The fields are longer than {FIELDS_BYTES_MAX} bytes.")


def _expand(fields: dict[str, str], part: Part) -> None:
    """Say the file's name, without folders, where the key asks for it; the policy judges the outcome."""
    if "key" not in fields:
        raise S3Error("UserKeyMustBeSpecified")
    name = part.attributes.get("filename", "").replace("\\", "/").rpartition("/")[2]
    fields["key"] = fields["key"].replace(FILE_NAME, name)
    if not fields["key"]:
        raise S3Error("UserKeyMustBeSpecified")


# --- judging ---------------------------------------------------------------------------------


def _allowed(request: Request, fields: Mapping[str, str], now: float) -> Policy | None:
    """Find out who has signed the form, and refuse what its policy does not allow; None for a stranger."""
    is_v4 = "x-amz-credential" in fields or "x-amz-algorithm" in fields or "x-amz-signature" in fields
    is_signed = is_v4 or "awsaccesskeyid" in fields or "signature" in fields
    if not is_signed and "policy" not in fields:
        if not request.account:
            raise S3Error("AccessDenied")
        return None
    for name in ("policy", *(_V4_FIELDS if is_v4 else _V2_FIELDS)):
        if not fields.get(name):
            raise S3Error("InvalidArgument", f"The form lacks the field {name}.", ArgumentName=name)
    secrets = secrets_behind(request.app)
    signed = v4.check_policy(fields, secrets, request.config) if is_v4 else v2.check_policy(fields, secrets)
    assert signed.secret is not None
    assert signed.access_key is not None
    policy = post_policy.read(fields["policy"])
    policy.require({**fields, "bucket": _spoken_bucket(request, signed.secret)}, now)
    request.adopt(signed.secret, signed.access_key)
    return policy


def _spoken_bucket(request: Request, secret: Secret) -> str:
    """Return the bucket as a policy must name it: with its account, where that is not the signer's."""
    is_own = request.account in (request.config.default_account, secret.account)
    return (request.bucket or "") if is_own else f"{request.account}:{request.bucket}"


def _stored_headers(environ: Environ, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of the upload, as keys of the environ, which loses the request's own."""
    for key in [key for key in environ if key.startswith(_DROPPED_PREFIXES) or key in _DROPPED]:
        del environ[key]
    environ.pop("CONTENT_TYPE", None)
    headers = {}
    for name, value in fields.items():
        header = "x-amz-acl" if name == "acl" else name
        is_ours = header in _PLAIN_HEADERS or header in _AMAZON_HEADERS or header.startswith(_AMAZON_PREFIXES)
        if not is_ours and header not in ("content-type", "x-amz-acl"):
            continue
        if not (is_header_name(header) and value.isprintable()):
            raise S3Error("InvalidArgument", f"The field {name} has characters that no header may have.")
        headers[header_key(header)] = to_wsgi(value)
    return headers


class FileBody:
    """The file of a form as a body, held to its sizes."""

    __slots__ = ("_parts", "_size", "_size_max", "_size_min")

    def __init__(self, parts: Multipart, size_min: int, size_max: int | None) -> None:
        self._parts = parts
        self._size_min = size_min
        self._size_max = size_max
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end.

        Raises:
            S3Error: EntityTooLarge, EntityTooSmall; where the form breaks off, MalformedPOSTRequest.
        """
        try:
            data = self._parts.read(size)
        except Refused as problem:
            raise S3Error("MalformedPOSTRequest", f"The form cannot be read: {problem}.") from problem
        self._size += len(data)
        if self._size_max is not None and self._size > self._size_max:
            raise S3Error("EntityTooLarge", ProposedSize=self._size, MaxSizeAllowed=self._size_max)
        if not data and size and self._size < self._size_min:
            raise S3Error("EntityTooSmall", ProposedSize=self._size, MinSizeAllowed=self._size_min)
        return data


# --- answering -------------------------------------------------------------------------------


def told(request: Request, fields: Mapping[str, str], stored: Mapping[str, str]) -> Answer:
    """Return what the form wants to hear of its success; a failure is never sent elsewhere."""
    etag = stored.get("ETag", "")
    bucket, key = request.bucket or "", request.key or ""
    location = f"{_origin(request.environ)}/{quote(bucket)}/{quote(key)}"
    kept = {name: value for name, value in stored.items() if not name.lower().startswith("content-")}
    target = fields.get("success_action_redirect") or fields.get("redirect")
    if target and _is_url(target):
        query = urlencode({"bucket": bucket, "key": key, "etag": etag}, quote_via=quote, safe="")
        mark = "&" if "?" in target else "?"
        return Answer(303, {**kept, "Location": f"{quote(target, safe=_URLS_OWN)}{mark}{query}"})
    headers = {**kept, "Location": to_wsgi(location)}
    status = fields.get("success_action_status")
    if status == "201":
        names_and_values = (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag))
        document = element("PostResponse", *(element(name, value) for name, value in names_and_values))
        return Answer(201, {**headers, "Content-Type": "application/xml"}, render(document, namespace=""))
    return Answer(200 if status == "200" else 204, headers)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and text.isprintable()


def _origin(environ: Environ) -> str:
    host = from_wsgi(environ.get("HTTP_HOST") or environ["SERVER_NAME"])
    return f"{environ.get('wsgi.url_scheme', 'http')}://{host}"
