"""Whether something happened of which the log has only the intent: its proxy died, or failed half way.

    intent ──Doubts.settled()──▶ HEAD of what it was about, all replicas, tombstones too ──verdict()──▶
        HAPPENED  that very change is there, or a later one hides what was before it
        WAIT      it may still be under way
        NOTHING   what there is is older, and nobody can be at it any more

Changes are ordered by the moment that their intent names. A change that reached a single replica is seen as
soon as that one answers, and spreads from there: so the last word is not spoken before `patience` is over.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import replace

from .....common.errors import ApusError
from .....common.http.wsgi import WSGIApp, to_wsgi
from .....common.timestamp import Timestamp
from ....info import get_container_info
from ...inner import Reply, ask
from ...versioned_writes.copies import RESERVED_NAMES
from ...versioned_writes.names import hidden_container, version_name
from .. import metadata
from ..versioning import NULL, is_enabled
from .happenings import OF_METADATA, Happening

_NEWEST = {"X-Newest": "true"}
_DATA: tuple[str, ...] = ("x-backend-data-timestamp", "x-backend-timestamp", "x-timestamp")
_ANY: tuple[str, ...] = ("x-backend-timestamp", "x-timestamp")


class Verdict(enum.Enum):
    """What became of an intent."""

    HAPPENED = "it was done, or may have been, and cannot be looked for any more"
    WAIT = "it may still be done"
    NOTHING = "it was not done"


def verdict(intended: Timestamp, found: Timestamp | None, *, is_late: bool) -> Verdict:
    """Judge by the newest moment that any replica knows of the object; None where none knows anything."""
    if found is not None and found.ticks == intended.ticks:
        return Verdict.HAPPENED
    if not is_late:
        return Verdict.WAIT
    return Verdict.HAPPENED if found is not None and found > intended else Verdict.NOTHING


class Doubts:
    """Asks the store; `bare` is the proxy itself, `shown` what clients see through versions and links."""

    def __init__(self, bare: WSGIApp, shown: WSGIApp, origin: Mapping[str, str]) -> None:
        self._bare = bare
        self._shown = shown
        self._origin = {**origin, "PATH_INFO": "/v1", "QUERY_STRING": ""}

    def settled(self, intent: Happening, *, is_late: bool) -> tuple[Verdict, Happening]:
        """Return what became of an intent, and with what is known of it now."""
        try:
            found = self._found(intent)
        except ApusError:
            return Verdict.WAIT, intent
        judged = verdict(intent.moment, found, is_late=is_late)
        if judged is not Verdict.HAPPENED:
            return judged, intent
        return judged, self._told(replace(intent, is_settled=True))

    def _found(self, intent: Happening) -> Timestamp | None:
        """Return the newest moment of what an intent is about.

        Raises:
            ApusError: when the replicas cannot tell.
        """
        query = None
        account, bucket, key = intent.place
        app, said_by = self._bare, _DATA
        if intent.family in OF_METADATA:  # It changes what links lead to.
            app, said_by = self._shown, _ANY
            query = {"version-id": intent.version_id} if intent.version_id else None
        elif intent.family != "ObjectCreated" and intent.version_id not in ("", NULL):
            bucket, key = hidden_container(bucket), version_name(key, intent.version_id)
        reply = self._head(app, (account, bucket, key), query)
        if reply.status not in (200, 404):
            raise ApusError(f"the store answers {reply.status}")
        told = next((reply.headers[name] for name in said_by if reply.headers.get(name)), None)
        return None if told is None else Timestamp.parse(told)

    def _told(self, happening: Happening) -> Happening:
        """Return what happened with size, ETag and version, where what was written is there still."""
        if happening.family != "ObjectCreated":
            return happening
        environ = {**self._origin, "PATH_INFO": to_wsgi("/".join(("/v1", *happening.place)))}
        has_versions = is_enabled(get_container_info(environ, self._bare))
        version_id = happening.moment.normal if has_versions else ""
        reply = self._head(self._shown, happening.place, {"version-id": version_id} if version_id else None)
        if reply.status != 200 or not _is_of(reply, happening.moment):
            return happening
        said, _ = metadata.shown(reply.headers.items())
        size, etag = said.get("Content-Length", ""), said.get("ETag", "").strip('"')
        return replace(
            happening, size=int(size) if size.isdigit() else None, etag=etag, version_id=version_id
        )

    def _head(self, app: WSGIApp, names: tuple[str, str, str], query: Mapping[str, str] | None) -> Reply:
        path = "/".join(("/v1", *names))
        headers = {**_NEWEST, **RESERVED_NAMES}
        reply = ask(app, self._origin, "HEAD", path, headers=headers, query=query, trusted=True)
        reply.close()
        return reply


def _is_of(reply: Reply, moment: Timestamp) -> bool:
    told = next((reply.headers[name] for name in _DATA if reply.headers.get(name)), None)
    return told is not None and Timestamp.parse(told).ticks == moment.ticks
