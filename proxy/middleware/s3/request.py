"""An S3 request, and how it becomes requests of the store.

    environ, translated to the store's path ──▶ Request ──passed()──▶ the client's own request, in place
                                                  └──────ask()──▶ another one on the caller's behalf ──▶ Reply

Passing costs no copy of anything and leaves the body where it is. What an operation means is not known here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ....common.http.wsgi import Environ, WSGIApp, to_wsgi
from ...info import ContainerInfo, get_container_info
from .. import inner
from ..access_keys import KNOWN_CALLER, Secret
from ..shortcut import is_noted_plain
from . import checksums, xml
from .errors import S3Error
from .settings import S3Config
from .sieve import Sieve

VERSION = "v1"
_KEPT_PREFIXES = ("HTTP_X_AMZ_", "HTTP_X_FORWARDED_")
_KEPT = frozenset(
    (
        "HTTP_X_BACKEND_INBOUND_X_TIMESTAMP",
        "HTTP_X_CLUSTER_CLIENT_IP",
        "HTTP_X_REAL_IP",
        "HTTP_X_TRANS_ID_EXTRA",
    )
)
_DROPPED = frozenset(("HTTP_ETAG", "HTTP_DESTINATION", "HTTP_DESTINATION_ACCOUNT"))


class Request:
    """One S3 request; its environ is on the way to be the store's."""

    __slots__ = (
        "account",
        "app",
        "bucket",
        "caller",
        "config",
        "environ",
        "key",
        "method",
        "query",
        "request_id",
        "user",
    )

    def __init__(
        self,
        environ: Environ,
        app: WSGIApp,
        config: S3Config,
        *,
        account: str,
        bucket: str | None,
        key: str | None,
        query: dict[str, str],
        user: str | None = None,
        caller: object = None,
    ) -> None:
        self.environ = environ
        self.app = app
        self.config = config
        self.method: str = environ["REQUEST_METHOD"]
        self.account = account
        """The storage account whose buckets these are."""
        self.bucket = bucket
        self.key = key
        self.query = query
        """Decoded; a word without a value has an empty one."""
        self.user = user
        """The access key; None for a stranger."""
        self.caller = caller
        """Who asks, as the auth filter knows them; None for a stranger."""
        self.request_id: str = environ.get("swift.trans_id", "")
        drop_foreign_headers(environ)
        self._turn_to(self.bucket, self.key)

    @property
    def is_form(self) -> bool:
        """Whether it is a browser's form, whose fields say who sends it."""
        form = self.environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
        return form and self.method == "POST" and self.key is None

    def adopt(self, secret: Secret, access_key: str) -> None:
        """Take the request for one of somebody whose signature was found to hold; their account is meant."""
        self.caller = self.environ[KNOWN_CALLER] = secret.caller
        self.user = access_key
        if self.account == self.config.default_account:  # No other one was named.
            self.account = secret.account
            self._turn_to(self.bucket, self.key)

    def become_upload(self, key: str) -> None:
        """Take the request for a PUT of this key, which a browser's form has said behind its head."""
        self.method = self.environ["REQUEST_METHOD"] = "PUT"
        self.key = key
        self._turn_to(self.bucket, key)

    @property
    def owner(self) -> str:
        """Who owns the buckets and all that is in them, as documents name them: the account."""
        return self.account

    @property
    def resource(self) -> str:
        """What it is for, as errors name it."""
        return "/" + "/".join(name for name in (self.bucket, self.key) if name is not None)

    def path(self, bucket: str | None = None, key: str | None = None) -> str:
        """Return the store's path of a bucket or an object of the same account; text."""
        if key is not None:
            return f"/{VERSION}/{self.account}/{bucket}/{key}"
        return f"/{VERSION}/{self.account}" if bucket is None else f"/{VERSION}/{self.account}/{bucket}"

    def header(self, name: str) -> str | None:
        """Return a header of the client's, as a WSGI string; the name is in any case."""
        key = name.upper().replace("-", "_")
        said: str | None = self.environ.get(key if key in _PLAIN_KEYS else "HTTP_" + key)
        return said

    def container(self) -> ContainerInfo:
        """Return what is known of the bucket's container; nobody's leave is asked."""
        return get_container_info(self.environ, self.app)

    @property
    def is_plain(self) -> bool:
        """Whether bucket and account are known to be there, with nothing that S3 keeps of buckets."""
        return is_noted_plain(self.environ)

    def bucket_exists(self) -> bool:
        """Whether there is such a bucket."""
        return self.bucket is not None and self.container().exists

    def grant(self) -> None:
        """Let the request and all that is asked on its behalf go on, whatever the store's own lists say.

        Whoever calls this has judged all that the operation reads and writes: the lifecycle's daemon.
        """
        allow = _allow
        self.environ["swift.authorize_override"] = True
        self.environ["apus.authorize"] = self.environ["swift.authorize"] = allow

    def body(self, bytes_max: int = xml.BYTES_MAX) -> bytes:
        """Return the whole body, which is what its Content-MD5 says."""
        announced = self.environ.get("CONTENT_LENGTH")
        if announced and announced.isdigit() and int(announced) > bytes_max:
            raise S3Error("MaxMessageLengthExceeded", f"The body is longer than {bytes_max} bytes.")
        pieces, size = [], 0
        source = self.environ["wsgi.input"]
        while piece := source.read(min(65536, bytes_max + 1 - size)):
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise S3Error("MaxMessageLengthExceeded", f"The body is longer than {bytes_max} bytes.")
        body = b"".join(pieces)
        expected = self.header("Content-MD5")
        if expected is not None:
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            if not hmac.compare_digest(decoded_md5(expected), digest):
                found = base64.b64encode(digest).decode()
                raise S3Error("BadDigest", ExpectedDigest=expected, CalculatedDigest=found)
        return body

    def require_sum(self) -> None:
        """Refuse a document of which nobody can tell whether it came as it was sent."""
        if self.header("Content-MD5") is None and checksums.RECEIVED not in self.environ:
            raise S3Error(
                "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            )

    def xml(self, root: str, bytes_max: int = xml.BYTES_MAX) -> xml.Node:
        """Return the document that is the body."""
        body = self.body(bytes_max)
        if not body:
            raise S3Error("MissingRequestBodyError")
        return xml.parse(body, root, bytes_max=bytes_max)

    def ask(
        self,
        method: str,
        bucket: str | None = None,
        key: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | inner.Source = b"",
        length: int | None = None,
        trusted: bool = False,
    ) -> inner.Reply:
        """Ask something of the store, with the caller's rights, or with all; names are text."""
        return inner.ask(
            self.app,
            self.environ,
            method,
            self.path(bucket, key),
            headers=headers,
            query=query,
            body=body,
            length=length,
            trusted=trusted,
        )

    def passed(
        self,
        *,
        method: str | None = None,
        bucket: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        """Return what the store answers to the client's own request; None takes a header away.

        The query is what is given here, never the client's; names of the answer's headers are as the store
        spells them.
        """
        environ = self.environ
        if method is not None:
            environ["REQUEST_METHOD"] = method
        if bucket is not None or key is not None:
            self._turn_to(bucket or self.bucket, self.key if key is None else key)
        if headers:
            self._say(headers)
        environ["QUERY_STRING"] = urlencode(query, quote_via=quote) if query else ""
        return inner.heard(self.app, environ)

    def _turn_to(self, bucket: str | None, key: str | None) -> None:
        """Make the client's request one for this; RAW_PATH_INFO, which the log shows, stays as it came."""
        path = to_wsgi(self.path(bucket, key))
        self.environ["PATH_INFO"] = self.environ["swift.backend_path"] = path

    def _say(self, headers: Mapping[str, str | None]) -> None:
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            if key not in _PLAIN_KEYS:
                key = "HTTP_" + key
            if value is None:
                self.environ.pop(key, None)
            else:
                self.environ[key] = value


_PLAIN_KEYS = frozenset(("CONTENT_LENGTH", "CONTENT_TYPE"))


def _allow(_request: Any) -> None:
    """Ask nobody."""


def decoded_md5(text: str) -> bytes:
    """Return the sixteen bytes of a Content-MD5.

    Raises:
        S3Error: InvalidDigest.
    """
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise S3Error("InvalidDigest") from problem
    if len(digest) != 16:
        raise S3Error("InvalidDigest")
    return digest


def drop_foreign_headers(environ: Environ) -> None:
    """Take away headers that mean something to the store and nothing to S3 (CVE-2026-71192)."""
    for key in _foreign.among(environ):
        del environ[key]


def _is_foreign(key: str) -> bool:
    if key in _DROPPED:
        return True
    return key.startswith("HTTP_X_") and key not in _KEPT and not key.startswith(_KEPT_PREFIXES)


_foreign = Sieve(_is_foreign)
