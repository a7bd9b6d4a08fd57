"""The older form of versions: X-Versions-Location and X-History-Location on a container.

    PUT c/o ──▶ current c/o copied to archive/001o/MOMENT ──▶ the PUT goes on
    DELETE c/o, X-Versions-Location ──▶ newest archived version copied back, and removed from the archive
    DELETE c/o, X-History-Location  ──▶ current copied, delete marker archived ──▶ the DELETE goes on

Each step is durable before the next begins, and a step that was done is done again without harm: whoever
breaks off between two of them has lost nothing, and a client that asks again finishes the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ....common.errors import Refused
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, WSGIApp
from ....common.timestamp import Timestamp, now
from ...authorization import denial
from ...info import ContainerInfo
from ..inner import Reply, ask, path_of
from ..named_paths import decoded
from .copies import DELETE_MARKER_TYPE, put_marker, require_good, source, store
from .names import archive_name, archive_prefix, is_archived

LOCATION, HISTORY = "HTTP_X_VERSIONS_LOCATION", "HTTP_X_HISTORY_LOCATION"
REMOVALS = ("HTTP_X_REMOVE_VERSIONS_LOCATION", "HTTP_X_REMOVE_HISTORY_LOCATION")
SYSMETA_LOCATION = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_LOCATION"
SYSMETA_MODE = "HTTP_X_CONTAINER_SYSMETA_VERSIONS_MODE"


# --- containers ------------------------------------------------------------------------------


def settle_location(environ: Environ, *, allowed: bool) -> None:
    """Turn what a client says of the location into what is stored; an empty one means removal.

    Raises:
        Refused: for both forms at once, for what is no container's name, and where versions are off.
    """
    location, history = environ.get(LOCATION), environ.get(HISTORY)
    if location is None and history is None and not any(environ.get(key) for key in REMOVALS):
        return
    if location and history:
        raise Refused("Only one of x-versions-location or x-history-location may be specified")
    wanted = location or history
    for key in (HISTORY, *REMOVALS):
        environ.pop(key, None)
    environ[LOCATION] = ""  # The container servers' own setting of that name is never used.
    if wanted:
        if not allowed and environ["REQUEST_METHOD"] in ("PUT", "POST"):
            raise Refused("Versioned Writes is disabled", 412)
        if "/" in wanted:
            raise Refused("Container name cannot contain slashes", 412)
    environ[SYSMETA_LOCATION] = wanted or ""
    environ[SYSMETA_MODE] = "" if not wanted else "stack" if location else "history"


def shown_location(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the header by which clients learn of a container's location, if it has one."""
    location = mode = ""
    for name, value in headers:
        folded = name.lower()
        if folded == "x-container-sysmeta-versions-location":
            location = value
        elif folded == "x-container-sysmeta-versions-mode":
            mode = value
    if not location:
        return []
    return [("X-History-Location" if mode == "history" else "X-Versions-Location", location)]


# --- objects ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Archived:
    """An object of a container whose versions are archived."""

    account: str
    container: str
    name: str
    archive: str
    keeps_history: bool
    info: ContainerInfo


def archive_of(info: ContainerInfo, *, allowed: bool | None) -> tuple[str, bool] | None:
    """Return where a container's versions are archived and whether it keeps history; None for nowhere.

    A location that the container servers keep themselves, as those of long ago did, counts unless the
    setting says no; one that a filter has stored counts where it says yes.
    """
    location = info.sysmeta.get("versions-location")
    if not location:
        location = info.versions_location
        allowed = allowed is not False
    if not location or not allowed:
        return None
    return decoded(location).split("/")[0], info.sysmeta.get("versions-mode") == "history"


class Archivist:
    """Keeps versions of objects in an archive container."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def before_put(self, environ: Environ, target: Archived) -> Answer | None:
        """Archive what a PUT will overwrite; return an answer where the PUT may not go on."""
        if not environ.get("CONTENT_LENGTH") and "HTTP_TRANSFER_ENCODING" not in environ:
            return None  # It will be refused for that, and overwrites nothing.
        refusal = denial(environ, target.info.write_acl)
        if refusal is not None:
            return refusal
        self._archive_current(environ, target, only_if_absent="*" in environ.get("HTTP_IF_NONE_MATCH", ""))
        return None

    def before_delete(self, environ: Environ, target: Archived) -> Answer | None:
        """Do what a DELETE means here; return the answer unless the DELETE itself is to go on."""
        refusal = denial(environ, target.info.write_acl)
        if refusal is not None:
            return refusal
        if not target.keeps_history:
            return self._restore(environ, target)
        self._archive_current(environ, target)
        marker = path_of(environ, target.account, target.archive, archive_name(target.name, now()))
        put_marker(self._app, environ, marker)
        return None

    def _archive_current(self, environ: Environ, target: Archived, *, only_if_absent: bool = False) -> None:
        """Copy the current object, if there is one, to the archive."""
        current = source(self._app, environ, _path(environ, target))
        if current is None:
            return
        if only_if_absent:
            current.close()
            raise Refused("There is an object by that name", 412)
        archived = archive_name(target.name, _moment(current))
        path = path_of(environ, target.account, target.archive, archived)
        require_good(store(self._app, environ, current, path))

    # --- going back ----------------------------------------------------------------------------

    def _restore(self, environ: Environ, target: Archived) -> Answer | None:
        """Put the newest archived version in the object's place; None where there is none."""
        versions = self._versions(environ, target)
        for name, content_type in versions:
            if content_type != DELETE_MARKER_TYPE:
                if self._brought_back(environ, target, name):
                    return self._removed(environ, target, name)
                continue  # It has gone meanwhile.
            if self._exists(environ, target):
                return None  # Somebody has written since it was deleted: that is what is undone.
            for earlier, kind in versions:
                if kind == DELETE_MARKER_TYPE:
                    break
                if self._brought_back(environ, target, earlier):
                    self._removed(environ, target, earlier)
                    break
            return self._removed(environ, target, name)
        return None

    def _versions(self, environ: Environ, target: Archived) -> Iterator[tuple[str, str]]:
        """Yield names and types of the archived versions, the newest first."""
        path = path_of(environ, target.account, target.archive)
        prefix = archive_prefix(target.name)
        marker = ""
        while True:
            query = {"format": "json", "prefix": prefix, "marker": marker, "reverse": "on"}
            reply = ask(self._app, environ, "GET", path, query=query, trusted=True)
            if reply.status == 404:
                reply.close()
                return
            require_good(reply)
            rows: list[dict[str, Any]] = orjson.loads(reply.read() or b"[]")
            for row in rows:
                if is_archived(row["name"], target.name):
                    yield row["name"], row["content_type"]
            if not rows:
                return
            marker = rows[-1]["name"]

    def _exists(self, environ: Environ, target: Archived) -> bool:
        """Tell whether there is a current object."""
        headers = {"X-Newest": "true"}
        path = _path(environ, target)
        reply = ask(self._app, environ, "HEAD", path, headers=headers, query={"symlink": "get"}, trusted=True)
        reply.close()
        if reply.status == 404:
            return False
        require_good(reply)
        return True

    def _brought_back(self, environ: Environ, target: Archived, archived: str) -> bool:
        """Copy a version to the object's place; False where it has gone."""
        version = source(self._app, environ, path_of(environ, target.account, target.archive, archived))
        if version is None:
            return False
        require_good(store(self._app, environ, version, _path(environ, target)))
        return True

    def _removed(self, environ: Environ, target: Archived, archived: str) -> Answer:
        """Remove from the archive; what somebody else has removed meanwhile is removed all the same."""
        path = path_of(environ, target.account, target.archive, archived)
        reply = ask(self._app, environ, "DELETE", path, trusted=True)
        if reply.status == 404:
            reply.close()
            return Answer(204)
        require_good(reply)
        return reply.answer()


def _path(environ: Environ, target: Archived) -> str:
    return path_of(environ, target.account, target.container, target.name)


def _moment(current: Reply) -> Timestamp:
    """Return when an object was last changed."""
    return Timestamp.parse(current.headers["x-timestamp"])
