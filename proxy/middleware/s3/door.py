"""The filter: which requests are S3's, who sends them, and how every one of them is answered.

    request ──is S3's?──no──▶ pipeline, untouched
        └──▶ signing: who asks ──▶ names: which bucket, key ──▶ guards ──▶ operation ──▶ finishers

It stands before the filter that knows the users, which it asks for their secrets, and to which it introduces
the caller; and before formpost, which would take its forms. What an operation does is not known here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

from ....common import info
from ....common.config import parse
from ....common.errors import OutOfSpace, Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.errors import BadFraming, ClientTimeout
from ....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ...authorization import RULING
from ...info import plain_memory
from ..access_keys import KNOWN_CALLER, NoSecrets, secrets_behind
from ..host_names import domains_of, host_of
from ..shortcut import Affair, note_plain, passable
from . import names, operations, signing
from .access_logging.recording import AccessLog, Known, Record
from .configuration import judging, sharing
from .configuration.other_door import OtherDoor
from .errors import S3Error, from_swift
from .listing.etags import ListedEtags
from .marks import OPERATION
from .request import Request
from .settings import S3Config

log = logging.getLogger(__name__)

EXPECTED_OWNER = "HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"
_SIGNED_QUERY = ("X-Amz-Algorithm=", "AWSAccessKeyId=", "X-Amz-Credential=", "x-amz-algorithm=")
_STORES_OWN = frozenset(
    ("", "v1", "v1.0", "info", "auth", "healthcheck", "metrics", "endpoints", "recon", "crossdomain.xml")
)
"""First words of paths that are the store's own, unless a signature says otherwise."""


class S3:
    """The filter."""

    def __init__(self, app: WSGIApp, config: S3Config) -> None:
        self.app = app
        self.config = config
        self.secrets = secrets_behind(app)
        if isinstance(self.secrets, NoSecrets):
            log.warning("S3 serves strangers only: no filter behind [filter:s3] knows secrets of users")
        self._judge = judging.Judge(app)
        self._other_door = OtherDoor(app)
        self._domains = domains_of(config.storage_domain)
        self._access_log = AccessLog(app, config)
        self._access_log.take_up()
        self._remembers_plain = plain_memory(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ[RULING] = self._judge
        if not self._is_ours(environ):
            return self._passed_on(environ, start_response)
        method, resource, begun = environ["REQUEST_METHOD"], environ["PATH_INFO"], time.time()
        request: Request | None = None
        known: Known | None = None
        code = None
        try:
            request = self._request(environ)
            note_plain(environ, self._remembers_plain)
            known = self._access_log.of_s3(request)
            answer = served(request)
        except S3Error as error:
            code = error.code
            answer = error.answer(environ.get("swift.trans_id", ""), from_wsgi(resource))
            stranger = self._of_stranger(environ) if request is None else None
            if stranger is not None:
                known = self._access_log.of_s3(stranger)
                sharing.finish(stranger, answer)
        if request is not None:
            for finish in operations.FINISHERS:
                finish(request, answer)
        answer.headers["x-amz-request-id"] = answer.headers["x-amz-id-2"] = environ.get("swift.trans_id", "")
        environ["REQUEST_METHOD"] = method
        if known is None and method == "POST" and request is not None:  # A form has told whose bucket it is.
            known = self._access_log.of_s3(request)
        body = answer(environ, start_response)
        if type(body) is list:
            environ.pop(OPERATION, None)  # It names the environ, which would be kept until a collection.
        if known is None:
            return body
        record = Record(known, environ, begun, None if request is None else request.user)
        record.answer(answer.status, answer.headers, code)
        return self._access_log.told(record, body)

    def _passed_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of the store's own API."""
        app = self._other_door
        known = self._access_log.of_swift(environ)
        if known is None:
            return app(environ, start_response)
        return self._access_log.passed(known, app, environ, start_response)

    def _is_ours(self, environ: Environ) -> bool:
        """Tell whether a request is S3's; most are the store's own, and cost two looks."""
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization is not None and authorization.startswith("AWS"):
            return True
        query = environ.get("QUERY_STRING")
        if query and any(word in query for word in _SIGNED_QUERY):
            return True
        path = environ["PATH_INFO"]
        if path.startswith("/v1/") and not self._domains:
            return False
        if self._domains and names.bucket_of_host(host_of(environ)[0], self._domains) is not None:
            return True
        first = path[1:].partition("/")[0]
        if first in _STORES_OWN or environ.get("HTTP_X_AUTH_TOKEN"):
            return False
        return (
            ":" in first
            or bool(self.config.default_account)
            or (
                environ["REQUEST_METHOD"] == "POST"
                and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
            )
        )

    def _request(self, environ: Environ) -> Request:
        """Return the request of somebody whose signature holds, or of a stranger."""
        query = query_of(environ.get("QUERY_STRING") or "")
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return self._preflight(environ, query)
        signed = signing.check(environ, self.secrets, self.config)
        place = self._place(environ)
        secret = signed.secret
        account = self.config.default_account if secret is None else secret.account
        if secret is not None:
            environ[KNOWN_CALLER] = secret.caller
        signing.receive(environ, signed)
        return Request(
            environ,
            self.app,
            self.config,
            account=place.account or account,
            bucket=place.bucket,
            key=place.key,
            query=query,
            user=signed.access_key,
            caller=None if secret is None else secret.caller,
        )

    def _place(self, environ: Environ) -> names.Place:
        """Return what a request is for."""
        host = host_of(environ)[0] if self._domains else ""
        return names.place(host, from_wsgi(environ["PATH_INFO"]), self._domains)

    def _preflight(self, environ: Environ, query: dict[str, str]) -> Request:
        """Return a browser's question whether it may send a request, which is not signed itself.

        A query that has a signature has the one of that request: it tells whose bucket is meant, and no more.
        """
        place = self._place(environ)
        key = signing.claimed_key(environ, query)
        secret = self.secrets.s3_secret(key) if key else None
        account = self.config.default_account if secret is None else secret.account
        return Request(
            environ,
            self.app,
            self.config,
            account=place.account or account,
            bucket=place.bucket,
            key=place.key,
            query={},
        )

    def _of_stranger(self, environ: Environ) -> Request | None:
        """Return a request whose signature does not hold as one that nobody has sent."""
        try:
            return self._preflight(environ, query_of(environ.get("QUERY_STRING") or ""))
        except S3Error:
            return None


def served(request: Request) -> Answer:
    """Return the answer to a request, with what goes wrong below translated.

    Raises:
        S3Error: for whatever S3 has a word for.
    """
    operation = operations.found(request)
    if not request.account and not request.is_form:
        raise S3Error("AccessDenied")
    if request.environ.get(EXPECTED_OWNER, request.owner) != request.owner:
        raise S3Error("AccessDenied", "The bucket has another owner than the request expects.")
    try:
        for guard in operations.GUARDS:
            guard(request)
        return operation(request)
    except ClientTimeout as problem:
        raise S3Error("RequestTimeout", headers={"Connection": "close"}) from problem
    except BadFraming as problem:
        raise S3Error("IncompleteBody", str(problem), headers={"Connection": "close"}) from problem
    except Refused as problem:
        raise from_swift(problem.status, request, body=str(problem).encode()) from problem
    except (Unavailable, OutOfSpace) as problem:
        raise S3Error("ServiceUnavailable", headers={"Retry-After": "1"}) from problem


def query_of(text: str) -> dict[str, str]:
    """Return a query, decoded; of a word that comes twice, what came first.

    Raises:
        S3Error: when it is no UTF-8.
    """
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", encoding="utf-8")
    except ValueError as problem:
        raise S3Error("InvalidArgument", "The query is not UTF-8.") from problem
    return dict(reversed(pairs))


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """PasteDeploy's entry: `use = egg:apus#s3`.

    A bucket of which S3 has to know something is no plain container: its objects' requests come by here.
    """
    config = parse(S3Config, {**global_conf, **local_conf})
    info.register(
        "s3api",
        max_bucket_listing=config.max_bucket_listing,
        max_parts_listing=config.max_bucket_listing,
        max_upload_part_num=config.max_upload_part_num,
        max_multi_delete_objects=config.max_multi_delete_objects,
        allow_multipart_uploads=True,
        min_segment_size=config.min_segment_size,
        s3_acl=False,
    )

    def make(app: WSGIApp) -> WSGIApp:
        return S3(ListedEtags(app), config)

    if config.storage_domain:  # Then any path may be a bucket's, by the request's host.
        return make
    return passable(make, Affair(headers=frozenset(("HTTP_AUTHORIZATION",)), known_facts=True, signed=True))
