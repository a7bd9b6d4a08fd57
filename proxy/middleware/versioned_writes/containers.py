"""Requests for containers that have, or are to have, X-Versions-Enabled.

    PUT, POST X-Versions-Enabled: true ──▶ hidden container made ──▶ the request goes on, naming that
    GET ──▶ links seen through      GET ?versions ──▶ merged with the hidden container's rows
    HEAD, GET ──▶ its bytes count   DELETE ──▶ 409 while it holds versions, then it goes first

The hidden container has its parent's storage policy. What of listings is decided in listings.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qs, quote

import orjson

from ....common.config import true_value
from ....common.errors import Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, StartResponse, WSGIApp
from ...authorization import denial
from ...info import ContainerInfo
from ..accept import best_match
from ..inner import Reply, ask, call, path_of
from ..named_paths import decoded
from .copies import DELETE_MARKER_TYPE, RESERVED_NAMES, require_good
from .legacy import HISTORY, LOCATION
from .listings import Asked, Merge, Row, current
from .names import hidden_container, version_of, versions_prefix

ENABLED = "HTTP_X_VERSIONS_ENABLED"
SYSMETA_ENABLED = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_ENABLED"
SYSMETA_HIDDEN = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_CONTAINER"
_IN_ANSWERS = "x-container-sysmeta-versions-"


class VersionedContainers:
    """Serves containers with versions."""

    def __init__(self, app: WSGIApp, *, limit_max: int) -> None:
        self._app = app
        self._limit_max = limit_max

    def serve(
        self,
        environ: Environ,
        start_response: StartResponse,
        account: str,
        container: str,
        info: ContainerInfo,
    ) -> Iterable[bytes]:
        """Serve one request."""
        method = environ["REQUEST_METHOD"]
        hidden = decoded(info.sysmeta.get("versions-container", ""))
        if method in ("PUT", "POST") and ENABLED in environ:
            return _shown(self._set(environ, account, container, info))(environ, start_response)
        if method == "DELETE" and hidden:
            return self._delete(environ, account, container, hidden)(environ, start_response)
        if method in ("GET", "HEAD"):
            return self._read(environ, account, container)(environ, start_response)
        return self._app(environ, start_response)

    # --- setting -------------------------------------------------------------------------------

    def _set(self, environ: Environ, account: str, container: str, info: ContainerInfo) -> Answer:
        """Enable or suspend versions."""
        if info.sysmeta.get("versions-location") or info.versions_location:
            raise Refused(
                "Cannot enable object versioning on a container that is already using the legacy versioned "
                "writes feature."
            )
        if info.sync_to:
            raise Refused(
                "Cannot enable object versioning on a container configured as source of container syncing."
            )
        enabled = true_value(environ[ENABLED])
        if not enabled:
            environ[SYSMETA_ENABLED] = "False"
            return call(self._app, environ).answer()
        refusal = denial(environ, None)
        if refusal is not None:
            return refusal
        hidden = hidden_container(container)
        made = self._made(environ, account, container, hidden)
        if made is not None:
            environ[SYSMETA_ENABLED] = "True"
            environ[SYSMETA_HIDDEN] = quote(hidden, errors="surrogateescape")
        answer = call(self._app, environ).answer()
        if made == 201 and answer.status // 100 == 4:
            self._ask_hidden(environ, "DELETE", account, hidden).close()
        return answer

    def _made(self, environ: Environ, account: str, container: str, hidden: str) -> int | None:
        """Make the hidden container; None where it would have no parent."""
        parent = ask(self._app, environ, "HEAD", path_of(environ, account, container), trusted=True)
        parent.close()
        if parent.status != 404:
            require_good(parent)
        elif environ["REQUEST_METHOD"] == "POST":
            return None
        policy = parent.headers.get("x-storage-policy", environ.get("HTTP_X_STORAGE_POLICY", ""))
        headers = {"X-Storage-Policy": policy} if policy else {}
        reply = self._ask_hidden(environ, "PUT", account, hidden, headers)
        reply.close()
        if reply.status == 400 and parent.is_good:
            raise Refused(
                "Cannot enable object versioning on a container that uses a deprecated storage policy."
            )
        if reply.status == 400:
            return None  # The same will be said of the container itself.
        if not reply.is_good and reply.status != 409:
            raise Refused("Error enabling object versioning", 500)
        return reply.status

    # --- removing ------------------------------------------------------------------------------

    def _delete(self, environ: Environ, account: str, container: str, hidden: str) -> Answer:
        """Remove a container, and before it the one that keeps no versions any more."""
        refusal = denial(environ, None)
        if refusal is not None:
            return refusal
        kept = self._ask_hidden(environ, "HEAD", account, hidden)
        kept.close()
        if kept.is_good and int(kept.headers.get("x-container-object-count", 0)) > 0:
            raise Refused("Delete all versions before deleting container.", 409)
        own = ask(self._app, environ, "HEAD", path_of(environ, account, container), trusted=True)
        own.close()
        if own.is_good and int(own.headers.get("x-container-object-count", 0)) > 0:
            return call(self._app, environ).answer()  # It will be refused, and must keep what belongs to it.
        if kept.status != 404:
            if kept.is_good:
                kept = self._ask_hidden(environ, "DELETE", account, hidden)
                kept.close()
            if kept.status == 409:
                raise Refused("Delete all versions before deleting container.", 409)
            if not kept.is_good and kept.status != 404:
                raise Unavailable("The container of its versions can't be deleted; try again.")
        return call(self._app, environ).answer()

    # --- reading -------------------------------------------------------------------------------

    def _read(self, environ: Environ, account: str, container: str) -> Answer:
        """Answer a GET or HEAD."""
        query = query_of(environ)
        reply = call(self._app, environ)
        hidden = decoded(reply.headers.get(_IN_ANSWERS + "container", ""))
        if hidden and "x-container-bytes-used" in reply.headers:
            kept = self._ask_hidden(environ, "HEAD", account, hidden)
            kept.close()
            total = sum(int(each.headers.get("x-container-bytes-used", 0)) for each in (reply, kept))
            reply.headers["x-container-bytes-used"] = str(total)
        answer = _shown(reply.answer())
        is_listing = environ["REQUEST_METHOD"] == "GET" and reply.status == 200
        if not is_listing or not (hidden or "versions" in query):
            return answer
        rows = orjson.loads(reply.read() or b"[]")
        if "versions" in query:
            # Where versions seem never to have been, the container's facts may be the older ones.
            rows = self._versions(environ, account, container, hidden or hidden_container(container), rows)
        else:
            rows = current(rows, hidden=hidden, container=container)
        answer.body = orjson.dumps(rows)
        answer.headers["Content-Length"] = str(len(answer.body))
        return answer

    def _versions(
        self, environ: Environ, account: str, container: str, hidden: str, primary: list[Row]
    ) -> list[Row]:
        """Return the rows of all versions."""
        environ["swift.format_listing"] = False  # They are shown as JSON only.
        if best_match(environ.get("HTTP_ACCEPT", ""), ("application/json",)) is None:
            raise Refused("Versions are listed as application/json only", 406)
        asked = Asked.of(query_of(environ), limit_max=self._limit_max)
        merge = Merge(hidden, asked, primary, self._rows(environ, account, hidden, asked.hidden_query()))
        if asked.is_within_name and asked.marker:
            only = {"format": "json", "prefix": asked.marker, "limit": "1"}
            found = self._rows(environ, account, container, only)
            merge.known = next((row for row in found if row.get("name") == asked.marker), None)
        newest = {}
        for name in merge.doubtful_names():
            only = {"format": "json", "prefix": versions_prefix(name), "limit": "1"}
            for row in self._rows(environ, account, hidden, only):
                version = version_of(row["name"])
                if version is not None:
                    newest[name] = version[1] if row["content_type"] == DELETE_MARKER_TYPE else ""
        merge.newest = newest
        return merge.rows()

    def _rows(self, environ: Environ, account: str, container: str, query: dict[str, str]) -> list[Row]:
        path = path_of(environ, account, container)
        reply = ask(self._app, environ, "GET", path, headers=RESERVED_NAMES, query=query, trusted=True)
        if reply.status == 404:
            reply.close()
            return []
        require_good(reply)
        rows: list[Row] = orjson.loads(reply.read() or b"[]")
        return rows

    def _ask_hidden(
        self, environ: Environ, method: str, account: str, hidden: str, headers: dict[str, str] | None = None
    ) -> Reply:
        path = path_of(environ, account, hidden)
        said = {**RESERVED_NAMES, **(headers or {})}
        return ask(self._app, environ, method, path, headers=said, trusted=True)


def refuse_both_forms(environ: Environ, info: ContainerInfo) -> None:
    """Raise Refused for an archive container where versions are enabled, or are to be."""
    if not (environ.get(LOCATION) or environ.get(HISTORY)):
        return
    if true_value(environ.get(ENABLED, info.sysmeta.get("versions-enabled", ""))):
        raise Refused("A container with X-Versions-Enabled cannot have an archive container, too.")


def query_of(environ: Environ) -> dict[str, str]:
    """Return the parameters of a request; of repeated ones the last counts."""
    text = environ.get("QUERY_STRING") or ""
    if not text:
        return {}
    pairs = parse_qs(text, keep_blank_values=True, errors="surrogateescape")
    return {key: values[-1] for key, values in pairs.items()}


def _shown(answer: Answer) -> Answer:
    """Return the answer with what clients may know of versions under a name of theirs."""
    for name, value in list(answer.headers.items()):
        if name.lower() == _IN_ANSWERS + "enabled":
            answer.headers["X-Versions-Enabled"] = value
    return answer
