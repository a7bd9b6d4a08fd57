"""Requests for objects of containers that have X-Versions-Enabled.

    PUT c/o ──▶ body into the hidden container, under o and the moment ──▶ a static link to it at c/o
    DELETE c/o ──▶ a delete marker into the hidden container ──▶ the link removed
    GET c/o ──▶ through the link      ?version-id=MOMENT: what the hidden container has

An object from before versions were enabled lies at c/o itself, as version `null`; the first PUT or DELETE
copies it into the hidden container. Data is durable there before the link is moved: who breaks off in between
leaves a version that listings show, and loses none. The bytes are stock Swift's.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote

from ....common.config import true_value
from ....common.errors import Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, StartResponse, WSGIApp, to_wsgi
from ....common.timestamp import Timestamp, now
from ...authorization import denial
from ...info import ContainerInfo
from ..inner import Reply, ask, call, inner_environ, path_of
from ..links import EMPTY_ETAG, OVERRIDE, SLO_ETAG, SLO_SIZE
from ..named_paths import decoded
from ..symlink import KNOWN_BYTES, KNOWN_ETAG
from .copies import DELETE_MARKER_TYPE, RESERVED_NAMES, put_marker, require_good, source, store
from .names import is_version_id, version_id_of, version_name, version_of

IS_LINK = "x-object-sysmeta-versions-symlink"
VERSION, CURRENT_VERSION = "X-Object-Version-Id", "X-Object-Current-Version-Id"
RESERVED = "HTTP_X_BACKEND_ALLOW_RESERVED_NAMES"
NULL = "null"
_EXPIRY = frozenset(("HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER"))
_NOT_OF_LINKS = frozenset(
    (
        "HTTP_ETAG",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_X_IF_DELETE_AT",
        "HTTP_X_OBJECT_MANIFEST",
        "HTTP_X_OBJECT_SYSMETA_SLO_ETAG",
        "HTTP_X_OBJECT_SYSMETA_SLO_SIZE",
        "HTTP_X_STATIC_LARGE_OBJECT",
        "HTTP_X_SYMLINK_TARGET_ACCOUNT",
        "HTTP_X_SYMLINK_TARGET_BYTES",
        "HTTP_X_SYMLINK_TARGET_ETAG",
        "swift.content_type_overridden",
    )
)
"""What a client says of its data, and not of its name."""
NO_CONTAINER = "The versions container does not exist. You may want to re-enable object versioning."


@dataclass(frozen=True, slots=True)
class Versioned:
    """An object of a container that has, or had, versions enabled."""

    account: str
    container: str
    name: str
    hidden: str
    """The container that keeps the versions; empty where there never was one."""
    is_enabled: bool
    info: ContainerInfo


@dataclass(frozen=True, slots=True)
class Data:
    """What a link says of the version that it leads to."""

    version_id: str
    etag: str
    size: str
    content_type: str
    slo_etag: str = ""
    target_etag: str = ""
    """What a version that is a static link itself leads to."""
    s3_etag: str = ""
    """Of one that was uploaded in parts through the S3 door."""


class _Counted:
    """A body of unknown length that is counted as it is read."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        piece: bytes = self._body.read(size)
        self.size += len(piece)
        return piece


def asked_version(environ: Environ) -> str:
    """Return the version that a request is for; empty for the current one."""
    query = environ.get("QUERY_STRING") or ""
    return parse_qs(query).get("version-id", [""])[-1] if "version-id" in query else ""


class Versions:
    """Serves objects with versions."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def current(self, environ: Environ, start_response: StartResponse, target: Versioned) -> Iterable[bytes]:
        """Serve a request for an object as such."""
        method = environ["REQUEST_METHOD"]
        if method in ("GET", "HEAD", "OPTIONS"):
            return self._read(environ, start_response, target)
        if method == "POST":
            return self._post(environ, target)(environ, start_response)
        if not target.is_enabled or method not in ("PUT", "DELETE"):
            return self._app(environ, start_response)
        if method == "PUT" and not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            return self._app(environ, start_response)  # It will be refused for that.
        answer = denial(environ, target.info.write_acl)
        if answer is None:
            answer = (self._put if method == "PUT" else self._delete)(environ, target)
        return answer(environ, start_response)

    def one(
        self, environ: Environ, start_response: StartResponse, target: Versioned, version_id: str
    ) -> Iterable[bytes]:
        """Serve a request for a certain version."""
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            raise Refused("POST to a specific version is not allowed")
        if not target.hidden and version_id != NULL:
            raise Refused("version-aware operations require that the container is versioned")
        if version_id != NULL and not is_version_id(version_id):
            raise Refused("Invalid version parameter")
        if method == "OPTIONS" or (method == "DELETE" and version_id == NULL):
            return self._app(environ, start_response)
        if method == "DELETE":
            answer = self._delete_version(environ, target, version_id)
        elif method == "PUT":
            answer = self._restore(environ, target, version_id)
        elif version_id == NULL:
            answer = self._read_null(environ, target)
        else:
            answer = self._read_version(environ, target, version_id)
        return answer(environ, start_response)

    # --- reading -------------------------------------------------------------------------------

    def _read(self, environ: Environ, start_response: StartResponse, target: Versioned) -> Iterable[bytes]:
        """Let the request through and say which version answers it."""

        def start(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            return start_response(status, with_version(headers, environ, target), problem)

        return self._app(environ, start)

    def _read_null(self, environ: Environ, target: Versioned) -> Answer:
        reply = call(self._app, environ)
        if not reply.is_good:
            return reply.answer()
        if _linked(reply.headers, target)[0]:
            reply.close()
            return Answer.text(404, "This object has no version null: it was made with versions enabled.\n")
        answer = reply.answer()
        answer.headers[VERSION] = NULL
        return answer

    def _read_version(self, environ: Environ, target: Versioned, version_id: str) -> Answer:
        reply = call(self._app, _elsewhere(environ, target, version_id))
        if _is_marker(reply):
            reply.close()
            headers = {VERSION: version_id, "Content-Type": DELETE_MARKER_TYPE}
            return Answer.text(404, "This version is a delete marker.\n", headers)
        answer = reply.answer()
        if reply.is_good:
            answer.headers[VERSION] = version_id
        return answer

    # --- writing -------------------------------------------------------------------------------

    def _put(self, environ: Environ, target: Versioned) -> Answer:
        """Store a new version and lead the name there."""
        if "HTTP_IF_NONE_MATCH" not in environ:  # Where that lets it through there is nothing to keep.
            self._keep_current(environ, target)
        moment = _moment(environ)
        data = self._stored(environ, target, moment)
        if isinstance(data, Answer):
            return data
        answer = self._linked_to(environ, target, data, moment)
        if answer.status // 100 == 4:  # The name was refused, as by If-None-Match: the version is nobody's.
            path = _path(environ, target, data.version_id)
            ask(self._app, environ, "DELETE", path, headers=RESERVED_NAMES, trusted=True).close()
        return answer

    def _stored(self, environ: Environ, target: Versioned, moment: Timestamp) -> Data | Answer:
        """Put the client's data into the hidden container; return what there is to say of it, or why not."""
        is_link = "HTTP_X_SYMLINK_TARGET" in environ  # Its type may be its target's.
        is_typed = environ.get("CONTENT_TYPE") or is_link
        if true_value(environ.pop("HTTP_X_DETECT_CONTENT_TYPE", "")) or not is_typed:
            # Here, because the name that the version gets would mislead whoever guesses later.
            guess, _ = mimetypes.guess_type(target.name.rpartition("/")[2])
            environ["CONTENT_TYPE"] = guess or "application/octet-stream"
        version_id = version_id_of(moment)
        length = environ.get("CONTENT_LENGTH")
        body = environ["wsgi.input"]
        counted = None if length else _Counted(body)
        putting = self._redirected(environ, "PUT", _path(environ, target, version_id))
        putting["wsgi.input"] = counted or body
        putting["HTTP_X_TIMESTAMP"] = moment.internal
        for key in ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", *_EXPIRY):  # They are about the name.
            putting.pop(key, None)
        reply = call(self._app, putting)
        if not reply.is_good:
            return _refusal(reply)
        reply.read()
        size = environ.get("HTTP_X_OBJECT_SYSMETA_SLO_SIZE") or length or str(counted.size if counted else 0)
        return Data(
            version_id=version_id,
            etag=reply.headers["etag"].strip('"'),
            size=putting.get(KNOWN_BYTES) or size,
            content_type=putting["CONTENT_TYPE"].partition(";")[0].strip(),
            target_etag=putting.get(KNOWN_ETAG, ""),
        )

    def _linked_to(self, environ: Environ, target: Versioned, data: Data, moment: Timestamp) -> Answer:
        """Lead the name to a version; the link is younger than the data by the least there is."""
        kept = quote(
            f"{target.hidden}/{version_name(target.name, data.version_id)}", errors="surrogateescape"
        )
        linking = {key: value for key, value in environ.items() if key not in _NOT_OF_LINKS}
        linking |= inner_environ({}, "PUT", _current_path(environ, target))
        linking |= {
            "CONTENT_TYPE": data.content_type,
            "HTTP_X_TIMESTAMP": Timestamp(moment.ticks, moment.offset + 1).internal,
            "HTTP_X_SYMLINK_TARGET": kept,
            KNOWN_ETAG: data.target_etag or data.etag,
            KNOWN_BYTES: data.size,
            "HTTP_X_OBJECT_SYSMETA_VERSIONS_SYMLINK": "true",
            "HTTP_X_OBJECT_SYSMETA_SYMLOOP_EXTEND": "true",
            "HTTP_X_OBJECT_SYSMETA_ALLOW_RESERVED_NAMES": "true",
            RESERVED: "true",
        }
        if data.slo_etag:
            override = f"{EMPTY_ETAG}; slo_etag={data.slo_etag}"
            linking["HTTP_" + OVERRIDE.upper().replace("-", "_")] = override
        slo_etag = data.slo_etag or environ.get("HTTP_X_OBJECT_SYSMETA_SLO_ETAG")
        if slo_etag:  # What clients are shown, and so what conditions of the next write are about.
            linking["HTTP_X_OBJECT_SYSMETA_VERSIONS_ETAG"] = slo_etag
        if data.s3_etag:
            linking["HTTP_X_OBJECT_SYSMETA_S3API_ETAG"] = data.s3_etag
        answer = call(self._app, linking).answer()
        if answer.status // 100 == 2:
            answer.headers |= {"Etag": data.etag, VERSION: data.version_id}
        return answer

    def _delete(self, environ: Environ, target: Versioned) -> Answer:
        """Store a delete marker and remove what the name stands for."""
        self._keep_current(environ, target)
        moment = _moment(environ)
        version_id = version_id_of(moment)
        headers = {**RESERVED_NAMES, "X-Timestamp": moment.internal}
        put_marker(self._app, environ, _path(environ, target, version_id), headers)
        environ["HTTP_X_TIMESTAMP"] = moment.internal
        answer = call(self._app, environ).answer()
        if answer.status in (409, 412) or (answer.status == 404 and "HTTP_IF_MATCH" in environ):
            # It is not what the client wants gone.
            path = _path(environ, target, version_id)
            ask(self._app, environ, "DELETE", path, headers=RESERVED_NAMES, trusted=True).close()
        elif answer.status // 100 == 2 or answer.status == 404:
            answer.headers |= {VERSION: version_id, "X-Backend-Content-Type": DELETE_MARKER_TYPE}
        return answer

    def _keep_current(self, environ: Environ, target: Versioned) -> None:
        """Copy an object from before versions were enabled into the hidden container."""
        current = source(self._app, environ, _current_path(environ, target))
        if current is None:
            return
        if current.headers.get(IS_LINK) == "true":
            current.close()
            return
        told = current.headers.get("x-backend-timestamp") or current.headers["x-timestamp"]
        version_id = version_id_of(Timestamp.parse(told))
        reply = store(self._app, environ, current, _path(environ, target, version_id), reserved=True)
        if reply.status == 404:
            raise Refused(NO_CONTAINER, 500)
        require_good(reply)

    def _post(self, environ: Environ, target: Versioned) -> Answer:
        """Change the metadata of the current version, wherever it lies."""
        again = self._redirected(environ, "POST", "")
        reply = call(self._app, environ)
        if reply.status != 307 or reply.headers.get(IS_LINK) != "true":
            return reply.answer()
        location = decoded(reply.headers.get("location", ""))
        if location.split("/")[2:4] != [target.account, target.hidden]:
            return reply.answer()
        reply.close()
        again |= inner_environ({}, "POST", location)
        for key in _EXPIRY:
            again.pop(key, None)
        return call(self._app, again).answer()

    # --- certain versions ----------------------------------------------------------------------

    def _delete_version(self, environ: Environ, target: Versioned, version_id: str) -> Answer:
        """Remove a version; where it is the current one, the link first."""
        current = self._current_version(environ, target)
        unlinked = False
        if current == version_id_of(Timestamp.parse(version_id)):
            environ["QUERY_STRING"] = ""
            reply = call(self._app, environ)
            if reply.status // 100 == 4 and reply.status != 404:
                return reply.answer()
            if reply.status != 404:
                require_good(reply)
            reply.close()
            unlinked, current = True, NULL
        answer = call(self._app, _elsewhere(environ, target, version_id)).answer()
        if unlinked and answer.status == 404:
            answer = Answer(204)
        answer.headers |= {VERSION: version_id, CURRENT_VERSION: current}
        return answer

    def _current_version(self, environ: Environ, target: Versioned) -> str:
        """Return the id of the version that the name leads to; `null` for any other state."""
        headers, query = {"X-Newest": "true"}, {"symlink": "get"}
        path = _current_path(environ, target)
        reply = ask(self._app, environ, "HEAD", path, headers=headers, query=query, trusted=True)
        reply.close()
        if reply.status == 404:
            return NULL
        require_good(reply)
        return _linked(reply.headers, target)[0] or NULL

    def _restore(self, environ: Environ, target: Versioned, version_id: str) -> Answer:
        """Lead the name to a version that is there already."""
        if version_id == NULL:
            raise Refused("Invalid version parameter")
        length = environ.get("CONTENT_LENGTH")
        if not length and "HTTP_TRANSFER_ENCODING" not in environ:
            raise Refused("Missing Content-Length header.", 411)
        if length.strip() != "0" if length else environ["wsgi.input"].read(1):
            raise Refused("PUT version-id requests require a zero byte body")
        refusal = denial(environ, target.info.write_acl)
        if refusal is not None:
            return refusal
        path = _path(environ, target, version_id)
        query = {"symlink": "get"}
        reply = ask(self._app, environ, "HEAD", path, headers=RESERVED_NAMES, query=query, trusted=True)
        reply.close()
        if reply.status == 404:
            raise self._missing(environ, target)
        require_good(reply)
        if _is_marker(reply):
            raise Refused("The specified version is a delete marker; DELETE the object instead", 404)
        said = reply.headers
        data = Data(
            version_id=version_id_of(Timestamp.parse(version_id)),
            etag=said["etag"].strip('"'),
            size=said.get(SLO_SIZE) or said.get("x-symlink-target-bytes") or said["content-length"],
            content_type=said["content-type"],
            slo_etag=said.get(SLO_ETAG, ""),
            target_etag=said.get("x-symlink-target-etag", ""),
            s3_etag=said.get("x-object-sysmeta-s3api-etag", ""),
        )
        return self._linked_to(environ, target, data, _moment(environ))

    def _missing(self, environ: Environ, target: Versioned) -> Refused:
        """Return why a version is not there: it, or all of its container."""
        path = path_of(environ, target.account, target.hidden)
        reply = ask(self._app, environ, "HEAD", path, headers=RESERVED_NAMES, trusted=True)
        reply.close()
        return (
            Refused(NO_CONTAINER, 500)
            if reply.status == 404
            else Refused("The specified version does not exist", 404)
        )

    def _redirected(self, environ: Environ, method: str, path: str) -> Environ:
        """Return the client's request, with all that it says, as a trusted one for another object."""
        made = inner_environ(environ, method, path, trusted=True)
        said = {key: value for key, value in environ.items() if key.startswith("HTTP_")}
        for key in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            made.pop(key, None)
            if key in environ:
                said[key] = environ[key]
        return {**made, **said, RESERVED: "true"}


# --- what requests and answers say -------------------------------------------------------------


def with_version(
    headers: list[tuple[str, str]], environ: Environ, target: Versioned
) -> list[tuple[str, str]]:
    """Return an answer's headers with the version that it is of, under names that clients can use."""
    said = {name.lower(): value for name, value in headers}
    version_id, header = _linked(said, target)
    if not version_id:
        return [*headers, (VERSION, NULL)]
    place = "" if header == "x-symlink-target" else path_of(environ, target.account) + "/"
    shown = quote(f"{place}{target.container}/{target.name}", errors="surrogateescape")
    others = [pair for pair in headers if pair[0].lower() != header]
    return [*others, (header.title(), f"{shown}?version-id={version_id}"), (VERSION, version_id)]


def _linked(headers: dict[str, str], target: Versioned) -> tuple[str, str]:
    """Return the version that an answer came from, or is a link to, and the header that says so."""
    for header, levels in (("content-location", 3), ("x-symlink-target", 0)):
        pieces = decoded(headers.get(header, "")).split("/", levels + 1)
        if len(pieces) < levels + 2 or pieces[levels] != target.hidden:
            continue
        if levels and pieces[2] != target.account:
            continue
        version = version_of(pieces[levels + 1])
        if version is not None:
            return version[1], header
    return "", ""


def _is_marker(reply: Reply) -> bool:
    said = reply.headers
    return said.get("x-backend-content-type", said.get("content-type")) == DELETE_MARKER_TYPE


def _refusal(reply: Reply) -> Answer:
    """Return why a version could not be stored."""
    if reply.status == 404:
        reply.close()
        raise Refused(NO_CONTAINER, 500)
    if reply.status // 100 == 4:
        return reply.answer()
    reply.close()
    raise Unavailable("The new version could not be stored; nothing was changed, try again.")


def _moment(environ: Environ) -> Timestamp:
    """Return when a change takes place: what a filter before us has said, or now."""
    told = environ.get("HTTP_X_TIMESTAMP")
    try:
        return Timestamp.parse(told) if told else now()
    except ValueError as problem:
        raise Refused(f"X-Timestamp should be a UNIX timestamp, not {told!r}") from problem


def _current_path(environ: Environ, target: Versioned) -> str:
    return path_of(environ, target.account, target.container, target.name)


def _path(environ: Environ, target: Versioned, version_id: str) -> str:
    return path_of(environ, target.account, target.hidden, version_name(target.name, version_id))


def _elsewhere(environ: Environ, target: Versioned, version_id: str) -> Environ:
    """Return the client's request, with the client's rights, as one for a version."""
    return {**environ, "PATH_INFO": to_wsgi(_path(environ, target, version_id)), RESERVED: "true"}
