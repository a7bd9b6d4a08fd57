"""Which requests the log tells of, and what it says of each.

    request ──asked_for()──▶ None: its bucket has no log      (one look at what is known of the container)
                         └──▶ Record ──begun()──▶ the answer's body, counted ──its end──▶ spool

Both doors lead to a bucket, so requests of the store's own API are told, too. Neither who asks nor whether
they may is decided here; when the log cannot be written, the request has gone well nevertheless.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .....common import endings
from .....common.errors import ApusError
from .....common.http.transfer import CountedBody
from .....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, to_wsgi
from ....info import ContainerInfo, container_info_at, get_container_info
from ...proxy_logging import shown_path
from ...refusals import names_in
from ..configuration import documents
from ..operations import subresource
from ..request import VERSION, Request
from ..settings import S3Config
from . import further
from .delivery import LINES, Courier, Patience
from .destination import DOCUMENT, Logging, logging_of, place
from .line import Entry, line
from .operation_names import operation_name
from .spool import Bounds, Full, Spool

log = logging.getLogger(__name__)

_SYSMETA = f"s3api-{DOCUMENT}"
_REVEALED = 16  # Characters of a signature: enough to find it again, too few to use it.


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a request before it is served."""

    logging: Logging | None
    """None where only what it does besides may be told."""
    account: str
    bucket: str
    key: str | None
    operation: str
    request_line: str
    length: str | None
    """Of the body that comes, where that is known."""
    signature_version: str | None
    authentication_type: str | None

    @classmethod
    def of(
        cls,
        environ: Environ,
        said: Logging | None,
        names: tuple[str, str, str | None],
        operation: str,
    ) -> Known:
        """Note what will not be in the environ any more when the request is over."""
        path = shown_path(environ, environ.get("QUERY_STRING"), _REVEALED)
        protocol = environ.get("SERVER_PROTOCOL", "HTTP/1.1")
        request_line = f"{environ['REQUEST_METHOD']} {path} {protocol}"
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        length = None if is_chunked else environ.get("CONTENT_LENGTH") or "0"
        return cls(said, *names, operation, request_line, length, *_signature(environ))


class AccessLog:
    """The logs of all buckets, as one worker of a proxy keeps them."""

    def __init__(self, app: WSGIApp, config: S3Config) -> None:
        self._app = app
        self._region = config.location
        bounds = Bounds(file_bytes=config.access_log_bytes, folder_bytes=config.access_log_spool_bytes_max)
        self._spool = Spool(Path(config.access_log_spool), bounds)
        patience = Patience(
            every_seconds=config.access_log_seconds, keep_seconds=config.access_log_keep_seconds
        )
        self._courier = Courier(app, self._spool, patience)
        self._is_full = False

    def take_up(self) -> None:
        """Deliver what a proxy that was here before has left."""
        if self._spool.has_batches():
            self._start()
            self._courier.hurry()

    def _start(self) -> None:
        if self._courier.start():
            endings.at_end(self._courier.deliver)

    def of_s3(self, request: Request) -> Known | None:
        """Return what is known of an S3 request if its bucket has a log, or the request is a copy."""
        bucket, environ = request.bucket, request.environ
        if bucket is None or not request.account:
            return None
        has_none = request.is_plain or _creates(request)
        found = None if has_none else self._logging_of(environ, request.account, bucket)
        is_copy = "HTTP_X_AMZ_COPY_SOURCE" in environ
        if found is None and not is_copy:
            return None
        word = subresource(request)
        name = operation_name(
            environ["REQUEST_METHOD"], word, has_key=request.key is not None, is_copy=is_copy
        )
        return Known.of(environ, found, (request.account, bucket, request.key), name)

    def of_swift(self, environ: Environ) -> Known | None:
        """Return what is known of a request of the store's own API if its container has a log."""
        path = environ["PATH_INFO"]
        names = names_in(path) if path.startswith("/v1") else None
        account, bucket, key = names or (None, None, None)
        if account is None or bucket is None:
            return None
        found = self._logging_of(environ, account, bucket)
        if found is None:
            return None
        name = f"REST.{environ['REQUEST_METHOD']}.{'BUCKET' if key is None else 'OBJECT'}"
        return Known.of(environ, found, (account, bucket, key), name)

    def _logging_of(self, environ: Environ, account: str, bucket: str) -> Logging | None:
        """Return what a bucket's owner has said of its log."""
        try:
            kept = _info(environ, self._app, account, bucket).sysmeta
            if _SYSMETA not in kept:
                return None
            text = documents.unpacked(DOCUMENT, kept)
        except (ApusError, documents.Torn):
            return None
        return None if text is None else logging_of(text)

    def passed(
        self, known: Known, app: WSGIApp, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Return what an application answers, at whose end the log is told."""
        record = Record(known, environ, time.time())

        def start(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            record.answer(int(status[:3]), dict(headers))
            return start_response(status, headers, problem)

        return self.told(record, app(environ, start))

    def told(self, record: Record, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return an answer's body, at whose end the log is told."""
        if isinstance(body, list):
            self._tell(record, sum(map(len, body)))
            return body
        return CountedBody(body, lambda count, _problem: self._tell(record, count))

    def _tell(self, record: Record, bytes_sent: int) -> None:
        entry = record.entry(bytes_sent)
        if record.known.logging is not None:
            self._append(record.known.logging, record.known.account, entry)
        for deed in further.noted(record.environ):
            account = deed.account or record.known.account
            said = self._logging_of(record.environ, account, deed.bucket)
            if said is not None:
                self._append(said, account, _besides(entry, deed, account))

    def _append(self, said: Logging, account: str, entry: Entry) -> None:
        where = place(said, account=account, region=self._region, bucket=entry.bucket, moment=entry.moment)
        try:
            is_due = self._spool.append(where, line(entry))
        except Full as problem:
            LINES.labels("dropped").inc()
            if not self._is_full:
                log.warning("lines of access logs are dropped", extra={"problem": str(problem)})
            self._is_full = True
            return
        self._is_full = False
        self._start()
        if is_due:
            self._courier.hurry()


@dataclass(slots=True)
class Record:
    """A request that is told, and what has become of it."""

    known: Known
    environ: Environ
    begun: float
    requester: str | None = None
    status: int = 0
    headers: Mapping[str, str] | None = None
    error_code: str | None = None
    answered: float = 0.0

    def answer(self, status: int, headers: Mapping[str, str], error_code: str | None = None) -> None:
        """Note how it was answered."""
        self.answered = time.time()
        self.status, self.error_code = status, error_code
        self.headers = {name.lower(): value for name, value in headers.items()}

    def entry(self, bytes_sent: int) -> Entry:
        """Return what the log says of it, now that it is over."""
        environ, known, headers = self.environ, self.known, self.headers or {}
        request_id = environ.get("swift.trans_id", "")
        version_id = headers.get("x-amz-version-id") or headers.get("x-object-version-id")
        return Entry(
            owner=known.account,
            bucket=known.bucket,
            moment=self.begun,
            remote_address=environ.get("REMOTE_ADDR", ""),
            requester=self.requester or _user(environ),
            request_id=request_id,
            operation=known.operation,
            key=known.key,
            request_line=known.request_line,
            status=self.status,
            error_code=self.error_code,
            bytes_sent=bytes_sent,
            object_size=self._size(),
            total_milliseconds=int((time.time() - self.begun) * 1000),
            turn_around_milliseconds=int((self.answered - self.begun) * 1000)
            if known.length == "0"
            else None,
            referer=environ.get("HTTP_REFERER"),
            user_agent=environ.get("HTTP_USER_AGENT"),
            version_id=version_id,
            host_id=request_id,
            signature_version=known.signature_version,
            authentication_type=known.authentication_type,
            host=environ.get("HTTP_HOST"),
        )

    def _size(self) -> int | None:
        """Return how long the object is that was read or written."""
        if self.known.key is None or self.status // 100 != 2:
            return None
        headers = self.headers or {}
        text = headers.get("content-length")
        if ".GET.OBJECT" not in self.known.operation and ".HEAD.OBJECT" not in self.known.operation:
            writes = self.known.operation in ("REST.PUT.OBJECT", "REST.PUT.PART")
            text = self.known.length if writes else None
        elif "content-range" in headers:
            text = headers["content-range"].rpartition("/")[2]
        return int(text) if text and text.isdigit() else None


def _creates(request: Request) -> bool:
    """Tell whether it creates a bucket: of one that is not there yet nobody knows anything."""
    return request.key is None and request.method == "PUT" and not request.query


def _besides(entry: Entry, deed: further.Deed, account: str) -> Entry:
    return replace(
        entry,
        owner=account,
        bucket=deed.bucket,
        operation=deed.operation,
        key=deed.key,
        request_line=None,
        status=deed.status,
        error_code=deed.error_code,
        bytes_sent=0,
        object_size=deed.object_size,
        version_id=deed.version_id,
    )


def _info(environ: Environ, app: WSGIApp, account: str, bucket: str) -> ContainerInfo:
    """Return what is known of a bucket: nearly always the request's own, for which others will ask, too."""
    path, own = environ["PATH_INFO"], to_wsgi(f"/{VERSION}/{account}/{bucket}")
    if path.startswith(own) and path[len(own) : len(own) + 1] in ("", "/"):
        return get_container_info(environ, app)
    return container_info_at(environ, app, account, bucket)


def _user(environ: Mapping[str, Any]) -> str | None:
    said = environ.get("REMOTE_USER")
    names = from_wsgi(said).split(",") if said else []
    return next((name for name in names if ":" in name), names[0] if names else None)


def _signature(environ: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the version of a request's signature, and where it stands."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    if authorization:
        return "SigV4" if authorization.startswith("AWS4") else "SigV2", "AuthHeader"
    query = environ.get("QUERY_STRING") or ""
    if "X-Amz-Signature=" in query:
        return "SigV4", "QueryString"
    if "AWSAccessKeyId=" in query:
        return "SigV2", "QueryString"
    if "temp_url_sig=" in query:
        return None, "QueryString"
    return None, "AuthHeader" if environ.get("HTTP_X_AUTH_TOKEN") else None
