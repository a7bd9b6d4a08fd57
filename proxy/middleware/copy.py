"""Copies of objects, made inside the cluster.

    COPY c/o, Destination: d/p ──┐
    PUT d/p, X-Copy-From: c/o ───┴▶ GET c/o ──body, piece by piece──▶ PUT d/p ──▶ 201, X-Copied-From: c/o

Range and conditions are about the source, but for `If-None-Match: *`, which of a source could never hold: it
is about the copy. The client's rights decide about both ends. The copy is verified
against the source's etag, and a source that breaks off leaves the destination as it was. With ?heartbeat=on
the answer is 202 at once, and its body tells how it went.

Which headers go along is copy_headers.py's affair. It does not know large objects, versions and links: they
are behind it, and it reads and writes as a client does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

from ...common.config import parse, setting, true_value
from ...common.errors import Refused, Unavailable
from ...common.http.answer import Answer, status_line
from ...common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ..call import has_body
from . import copy_headers
from .inner import BodySource, Reply, call, heard, inner_environ
from .named_paths import account_name, container_and_object
from .shortcut import Affair, Shortcut, passable
from .slow_answers import beating, document, form_for

log = logging.getLogger(__name__)

FROM, FROM_ACCOUNT = "HTTP_X_COPY_FROM", "HTTP_X_COPY_FROM_ACCOUNT"
TO, TO_ACCOUNT = "HTTP_DESTINATION", "HTTP_DESTINATION_ACCOUNT"
IF_NONE_MATCH = "HTTP_IF_NONE_MATCH"
PREFLIGHT = "HTTP_ACCESS_CONTROL_REQUEST_METHOD"
FORMS = ("text/plain", "application/json")
NOT_THE_SOURCES = frozenset(
    (FROM, FROM_ACCOUNT, TO, TO_ACCOUNT, "HTTP_TRANSFER_ENCODING", "HTTP_X_BACKEND_STORAGE_POLICY_INDEX")
)
NOT_THE_COPYS = frozenset(
    (FROM, FROM_ACCOUNT, TO, TO_ACCOUNT, "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_RANGE")
)
_INTERNAL = ("x-object-sysmeta-", "x-backend", "x-object-transient-sysmeta-")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyConfig:
    """The filter's settings."""

    yield_frequency: float = setting(
        10.0, help="Seconds between the heartbeats of an answer to ?heartbeat=on.", minimum=0.01
    )


@dataclass(frozen=True, slots=True)
class Place:
    """An object's names."""

    account: str
    container: str
    name: str

    @property
    def inside(self) -> str:
        """The path inside the account."""
        return f"{self.container}/{self.name}"

    def path(self, version: str) -> str:
        """Return the path of a request for it."""
        return f"/{version}/{self.account}/{self.inside}"


class Copy:
    """The filter."""

    def __init__(self, app: WSGIApp, config: CopyConfig) -> None:
        self.app = app
        self._beat_seconds = config.yield_frequency

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        if method not in ("COPY", "PUT", "OPTIONS") or (method == "PUT" and not environ.get(FROM)):
            return self.app(environ, start_response)
        pieces = environ["PATH_INFO"].split("/", 4)
        if len(pieces) < 5 or not all(pieces[1:]):
            return self.app(environ, start_response)
        if method == "OPTIONS":
            return self._options(environ, start_response)
        here = Place(*map(from_wsgi, pieces[2:]))
        try:
            if method == "COPY":
                return self._copy(environ, start_response, here, _destination(environ, here))
            return self._copy(environ, start_response, _source(environ, here), here)
        except Refused as refusal:
            return Answer.text(refusal.status, str(refusal))(environ, start_response)

    def _copy(
        self, environ: Environ, start_response: StartResponse, origin: Place, goal: Place
    ) -> Iterable[bytes]:
        if has_body(environ):
            raise Refused("Copy requests require a zero byte body")
        version = environ["PATH_INFO"].split("/", 2)[1]
        query = dict(parse_qsl(environ.get("QUERY_STRING") or "", keep_blank_values=True))
        source = call(self.app, _reading(environ, origin.path(version), query))
        if source.status >= 300:
            return source.answer()(environ, start_response)
        length = source.headers.get("content-length", "")
        if not length.isdigit():  # A large object of more segments than were looked at.
            source.close()
            raise Refused("The source is too large to be copied: copy its manifest, or its segments.", 413)
        made, headers = _writing(environ, goal.path(version), query, source)
        said = copy_headers.announced(source.headers, headers, account=origin.account, path=origin.inside)
        if true_value(query.get("heartbeat", "")):
            form = form_for(environ, FORMS)
            work = partial(self._written_slowly, made, source, said, form)
            start_response(status_line(202), [("Content-Type", form)])
            return beating(work, form=form, every_seconds=self._beat_seconds)
        try:
            status, answered, body = heard(self.app, made)
        finally:
            source.close()
        if status[0] == "2":
            answered = [*answered, *said.items()]
        start_response(status, answered)
        return body

    def _written_slowly(self, made: Environ, source: Reply, said: Mapping[str, str], form: str) -> bytes:
        """Store the copy; return the document that tells how it went."""
        answered: list[tuple[str, str]] = []
        try:
            status, answered, body = heard(self.app, made)
            text = b"".join(body).decode("utf-8", "replace")
        except Exception as problem:  # noqa: BLE001 - the status line is gone: only the document can tell
            log.exception("copy failed", extra={"path": made["PATH_INFO"]})
            status, text = status_line(500), str(problem)
        finally:
            source.close()
        shown = [pair for pair in (*said.items(), *answered) if not pair[0].lower().startswith(_INTERNAL)]
        facts = {"Response Status": status, "Response Body": text, **dict(shown)}
        errors = [] if status[0] == "2" else [(said["X-Copied-From"], status)]
        return document(form, facts, errors, root="copy")

    def _options(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Name COPY among what an object can be asked for, to pages of other origins, too."""
        if environ.get(PREFLIGHT) == "COPY":
            environ[PREFLIGHT] = "PUT"  # Behind this filter a copy is a PUT, and COPY nothing that is known.
        status, headers, body = heard(self.app, environ)
        if status[0] == "2":
            headers = [(name, _with_copy(name, value)) for name, value in headers]
        start_response(status, headers)
        return body


def _destination(environ: Environ, here: Place) -> Place:
    if not environ.get(TO):
        raise Refused("Destination header required", 412)
    account = account_name(environ[TO_ACCOUNT]) if TO_ACCOUNT in environ else here.account
    return Place(account, *container_and_object(environ[TO], "Destination"))


def _source(environ: Environ, here: Place) -> Place:
    account = account_name(environ[FROM_ACCOUNT]) if environ.get(FROM_ACCOUNT) else here.account
    return Place(account, *container_and_object(environ[FROM], "X-Copy-From"))


def _reading(environ: Environ, path: str, query: Mapping[str, str]) -> Environ:
    """Return the request for the source: with the client's conditions and range."""
    made = inner_environ(environ, "GET", path, query=copy_headers.source_query(query))
    said = {
        key: value for key, value in environ.items() if key.startswith("HTTP_") and key not in NOT_THE_SOURCES
    }
    if _must_be_new(environ):
        del said[IF_NONE_MATCH]
    return {**made, **said, "HTTP_X_NEWEST": "true", "swift.source": "SSC"}


def _must_be_new(environ: Environ) -> bool:
    """Tell whether there may be nothing yet where the copy is to be."""
    return bool(environ.get(IF_NONE_MATCH, "").strip() == "*")


def _writing(
    environ: Environ, path: str, query: Mapping[str, str], source: Reply
) -> tuple[Environ, dict[str, str]]:
    """Return the request that stores the copy, and its headers."""
    verified = copy_headers.is_verified(source.status, source.headers, query)
    headers = copy_headers.merged(source.headers, _said(environ), verified=verified)
    if verified:
        headers["etag"] = source.headers["etag"]
    if query.get("multipart-manifest") == "get" and copy_headers.MANIFEST in source.headers:
        headers[copy_headers.MANIFEST] = source.headers[copy_headers.MANIFEST]
    length = int(source.headers["content-length"])
    made = inner_environ(
        environ,
        "PUT",
        path,
        query=copy_headers.copy_query(query, source.headers),
        body=_Source(source.body, length),
        length=length,
    )
    made.update({copy_headers.key_of(name): value for name, value in headers.items()})
    if _must_be_new(environ):
        made[IF_NONE_MATCH] = "*"
    made["CONTENT_TYPE"] = environ.get("CONTENT_TYPE") or source.headers.get("content-type", "")
    made["swift.source"] = "SSC"
    return made, headers


class _Source(BodySource):
    """The source's body, which must be as long as it was announced."""

    def __init__(self, pieces: Iterable[bytes], length: int) -> None:
        super().__init__(pieces)
        self._missing = length

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        data = super().read(size)
        self._missing -= len(data)
        if not data and size and self._missing > 0:
            raise Unavailable("The source of the copy broke off; ask again.")
        return data


def _said(environ: Environ) -> dict[str, str]:
    """Return the client's headers that are about the copy, in lower case."""
    return {
        copy_headers.name_of(key): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in NOT_THE_COPYS and not key.startswith("HTTP_IF_")
    }


def _with_copy(name: str, value: str) -> str:
    if name.lower() in ("allow", "access-control-allow-methods") and "COPY" not in value:
        return f"{value}, COPY"
    return value


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#copy`."""
    config = parse(CopyConfig, {**global_conf, **local_conf})
    return passable(lambda app: Copy(app, config), Affair(headers=frozenset((FROM,))))
