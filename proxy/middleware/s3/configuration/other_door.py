"""What the store's own API may do where S3's promises hold: to buckets with locks, and objects with lists.

    request ──nothing of the kind, nearly always──▶ pipeline
        └── POST of an object, DELETE of a version ──its turn──▶ locked? 403
                                                        └──▶ pipeline, with the list and the lock said again

A version is deleted by its name; a POST replaces metadata, and what S3 keeps beside them; versions that are
kept no more are overwritten; and parts are data, too. What would expire judging.py refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from urllib.parse import parse_qs

from .....common.config import true_value
from .....common.http.answer import Answer
from .....common.http.wsgi import Environ, StartResponse, WSGIApp, from_wsgi, let_go, to_wsgi
from ....authorization import RULING, Denial, Ruling
from ....info import container_info_at
from ...inner import ask, call
from ..names import SEGMENTS
from . import acl, locks, turns
from .judging import may_have_lists
from .locking import is_locking
from .turns import Turn

_WRITES = frozenset(("PUT", "POST", "DELETE"))
_VERSIONS = "HTTP_X_VERSIONS_ENABLED"
_KEPT = (acl.OF_OBJECT, locks.MODE, locks.UNTIL, locks.HOLD)
"""What a POST through this door leaves as it is."""


class OtherDoor:
    """What is behind the door of S3, for requests that do not come by it."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request of the store's own API."""
        app = self._app
        if environ["REQUEST_METHOD"] in _WRITES:
            pieces = environ["PATH_INFO"].split("/", 4)
            if len(pieces) > 3 and pieces[1] in ("v1", "v1.0"):
                app = _judged(app, environ, pieces)
        return app(environ, start_response)


def _judged(app: WSGIApp, environ: Environ, pieces: list[str]) -> WSGIApp:
    """Return what is to serve a request that may change something: the pipeline, as nearly always."""
    is_object = len(pieces) == 5 and bool(pieces[4])
    if not (_changes_object(environ, pieces[3]) if is_object else _ends_versions(environ)):
        return app
    bucket = pieces[3].removesuffix(SEGMENTS)
    info = container_info_at(environ, app, from_wsgi(pieces[2]), from_wsgi(bucket))
    has_locks = is_locking(info)
    if has_locks and (not is_object or pieces[3] != bucket):
        return Answer.text(403, "The bucket has object lock, which does not allow this.")
    is_concerned = has_locks or (environ["REQUEST_METHOD"] == "POST" and may_have_lists(info.sysmeta))
    if pieces[3] != bucket or not is_concerned or not _has_leave(app, environ):
        return app
    return partial(_served_alone, app)


def _changes_object(environ: Environ, container: str) -> bool:
    """Tell whether a request for an object may take away what S3 has promised."""
    method = environ["REQUEST_METHOD"]
    if container.endswith(SEGMENTS) or method == "POST":
        return True
    return method == "DELETE" and "version-id" in (environ.get("QUERY_STRING") or "")


def _ends_versions(environ: Environ) -> bool:
    return _VERSIONS in environ and not true_value(environ[_VERSIONS])


def _has_leave(app: WSGIApp, environ: Environ) -> bool:
    """Tell whether who asks may do it, as far as is known; strangers are to have nobody wait for a turn.

    Where nobody is asked yet, as by an answer that is its own work, the object is looked at in any case.
    """
    ruling: Ruling = environ[RULING]
    refusals: list[Answer | None] = []

    def listen(asking: Environ, lists: str | None, asked: Denial) -> Answer | None:
        refusals.append(ruling(asking, lists, asked))
        return Answer(403)

    probe = {**environ, RULING: listen, "wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
    probe.pop("HTTP_TRANSFER_ENCODING", None)
    call(app, probe).close()
    return not refusals or refusals[0] is None


def _served_alone(app: WSGIApp, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request while nobody else changes the object."""
    with ExitStack() as stack:
        turn = stack.enter_context(turns.taken(environ, app, from_wsgi(environ["PATH_INFO"])))
        refusal = _refusal(app, environ, turn)
        if refusal is not None:
            return refusal(environ, start_response)
        body = app(environ, start_response)
        return _Held(body, stack.pop_all())


class _Held:
    """An answer's body, behind which the turn is given back."""

    def __init__(self, body: Iterable[bytes], stack: ExitStack) -> None:
        self._body, self._stack = body, stack

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        """Let go of both."""
        try:
            let_go(self._body)
        finally:
            self._stack.close()


def _refusal(app: WSGIApp, environ: Environ, turn: Turn) -> Answer | None:
    """Look at the object that is meant: return why not, or have the request say what is to stay."""
    asked = parse_qs(environ.get("QUERY_STRING") or "", keep_blank_values=True).get("version-id")
    query = {"version-id": asked[-1]} if asked and asked[-1] else {}
    path, newest = from_wsgi(environ["PATH_INFO"]), {"X-Newest": "true"}
    reply = ask(app, environ, "HEAD", path, query=query, headers=newest, trusted=True)
    reply.close()
    if reply.status // 100 == 5:
        return Answer.text(503, "Whether the object is locked cannot be known now; try again.")
    if reply.is_good and locks.stored(reply.headers).refuses_deletion(datetime.now(UTC), bypasses=False):
        return Answer.text(403, "The object is locked.")
    turn.require()
    if environ["REQUEST_METHOD"] == "POST" and reply.is_good:
        environ.update(_said_again(reply.headers))
        environ["HTTP_X_TIMESTAMP"] = turn.moment.internal
    return None


def _said_again(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        "HTTP_" + name.upper().replace("-", "_"): to_wsgi(headers[name]) for name in _KEPT if name in headers
    }
