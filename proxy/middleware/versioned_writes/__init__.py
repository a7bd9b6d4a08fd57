"""Keeps earlier versions of objects, in containers that ask for it.

    request ──▶ what does its container say? ──▶ nothing: pass on
                    ├ X-Versions-Location, X-History-Location ──▶ legacy.py
                    └ X-Versions-Enabled ──▶ objects.py, containers.py, accounts.py

It stands behind the filters of large objects, so that manifests are kept as manifests, and before symlink,
of which the newer form makes use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from ....common import info as capabilities
from ....common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ....common.config import parse, setting, true_value
from ....common.constraints import API_VERSIONS, Constraints
from ....common.errors import Refused, Unavailable
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi
from ...info import ContainerInfo, get_container_info
from ...infos import require_known
from ..inner import ask, call, path_of
from ..named_paths import decoded
from ..shortcut import Affair, Shortcut, passable
from . import accounts
from .containers import VersionedContainers, query_of, refuse_both_forms
from .copies import RESERVED_NAMES
from .legacy import Archived, Archivist, archive_of, settle_location, shown_location
from .objects import NULL, Versioned, Versions, asked_version


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedWritesConfig:
    """The filter's settings."""

    allow_versioned_writes: bool | None = setting(
        None,
        help="Whether containers may have X-Versions-Location or X-History-Location. Where this is not "
        "set, only locations that container servers have kept from before this filter count.",
    )
    allow_object_versioning: bool = setting(
        False,  # noqa: FBT003
        help="Whether containers may have X-Versions-Enabled; the filter symlink must stand behind this one.",
    )
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf, which limits listings.")


class VersionedWrites:
    """The filter."""

    def __init__(
        self, app: WSGIApp, config: VersionedWritesConfig, limits: Constraints | None = None
    ) -> None:
        self.app = app
        limits = limits or Constraints()
        self._archives = config.allow_versioned_writes
        self._versions_too = config.allow_object_versioning
        self._account_limit = limits.account_listing_limit
        self._archivist = Archivist(app)
        self._versions = Versions(app)
        self._containers = VersionedContainers(app, limit_max=limits.container_listing_limit)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        pieces = environ["PATH_INFO"].split("/", 4)
        if len(pieces) < 3 or pieces[1] not in API_VERSIONS:
            return self.app(environ, start_response)
        try:
            if len(pieces) == 5 and pieces[4]:
                return self._object(environ, start_response, pieces)
            if len(pieces) > 3 and pieces[3]:
                return self._container(environ, start_response, pieces)
            if self._versions_too and environ["REQUEST_METHOD"] == "GET":
                return self._account(environ, from_wsgi(pieces[2]))(environ, start_response)
        except Refused as refusal:
            return Answer.text(refusal.status, str(refusal))(environ, start_response)
        except Unavailable as problem:
            return Answer.text(503, f"{problem}\n")(environ, start_response)
        return self.app(environ, start_response)

    # --- objects -------------------------------------------------------------------------------

    def _object(self, environ: Environ, start_response: StartResponse, pieces: list[str]) -> Iterable[bytes]:
        info = get_container_info(environ, self.app)
        is_plain = not info.sysmeta and info.versions_location is None and info.status < 500
        if is_plain and "version-id" not in (environ.get("QUERY_STRING") or ""):
            return self.app(environ, start_response)  # As nearly always.
        changes = environ["REQUEST_METHOD"] in ("PUT", "DELETE")
        if changes:
            require_known(info)
        archive = archive_of(info, allowed=self._archives) if changes else None
        if self._versions_too:
            version_id = asked_version(environ)
            if archive is not None and version_id == NULL:
                version_id = ""  # The only version by that name there is: what a plain request is for.
            if version_id or "versions-container" in info.sysmeta:
                target = _versioned(info, *map(from_wsgi, pieces[2:]))
                if version_id:
                    return self._versions.one(environ, start_response, target, version_id)
                if target.hidden:
                    return self._versions.current(environ, start_response, target)
        if archive is None:
            return self.app(environ, start_response)
        account, container, name = map(from_wsgi, pieces[2:])
        archived = Archived(account, container, name, *archive, info)
        if environ["REQUEST_METHOD"] == "PUT":
            answer = self._archivist.before_put(environ, archived)
        else:
            answer = self._archivist.before_delete(environ, archived)
        return (answer or self.app)(environ, start_response)

    # --- containers ----------------------------------------------------------------------------

    def _container(
        self, environ: Environ, start_response: StartResponse, pieces: list[str]
    ) -> Iterable[bytes]:
        if self._versions_too:
            names = from_wsgi(pieces[2]), from_wsgi(pieces[3])
            info = get_container_info(environ, self.app)
            refuse_both_forms(environ, info)
        if self._archives is not None:
            settle_location(environ, allowed=self._archives)

        def start(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            return start_response(status, [*headers, *shown_location(headers)], problem)

        begin = start_response if self._archives is None else start
        if self._versions_too:
            return self._containers.serve(environ, begin, *names, info)
        return self.app(environ, begin)

    # --- accounts ------------------------------------------------------------------------------

    def _account(self, environ: Environ, account: str) -> Answer:
        """Answer with an account's listing."""
        query = query_of(environ)
        reply = call(self.app, environ)
        if reply.status != 200:
            return reply.answer()
        hidden = ask(
            self.app,
            environ,
            "GET",
            path_of(environ, account),
            headers=RESERVED_NAMES,
            query=accounts.hidden_query(query),
            trusted=True,
        )
        kept = orjson.loads(hidden.read() or b"[]") if hidden.is_good else []
        answer = reply.answer()
        if kept:
            limit = query.get("limit", "")
            rows = accounts.listed(
                orjson.loads(reply.read() or b"[]"),
                kept,
                reverse=true_value(query.get("reverse", "")),
                limit=int(limit) if limit.isdigit() else self._account_limit,
            )
            answer.body = orjson.dumps(rows)
            answer.headers["Content-Length"] = str(len(answer.body))
        return answer


def _versioned(info: ContainerInfo, account: str, container: str, name: str) -> Versioned:
    hidden = decoded(info.sysmeta.get("versions-container", "")).split("/")[0]
    is_enabled = true_value(info.sysmeta.get("versions-enabled", ""))
    return Versioned(account, container, name, hidden, is_enabled, info)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Shortcut]:
    """PasteDeploy's entry: `use = egg:apus#versioned_writes`."""
    config = parse(VersionedWritesConfig, {**global_conf, **local_conf})
    if config.allow_versioned_writes:
        capabilities.register("versioned_writes", allowed_flags=["x-versions-location", "x-history-location"])
    if config.allow_object_versioning:
        capabilities.register("object_versioning")
    limits = ClusterConf.load(config.swift_dir).constraints

    def versioned_writes(app: WSGIApp) -> VersionedWrites:
        if config.allow_object_versioning and "symlink" not in capabilities.public():
            raise Refused("allow_object_versioning needs the filter symlink behind versioned_writes")
        return VersionedWrites(app, config, limits)

    return passable(versioned_writes, Affair(facts=True))
