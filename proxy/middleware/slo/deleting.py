"""DELETE of a static large object with all that it is made of.

    manifest ──▶ its segments, several at a time ──▶ its sub-manifests' ──▶ the manifests, inner ones first

With `async=yes` the segments are left to the expirer, and the manifest goes at once.

A manifest goes only when everything below it is gone: whatever breaks off in between, what is left can be
reached from the outermost manifest, and asking again finishes it. Where something cannot be deleted, the
manifests stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ....common.concurrency import Crew
from ....common.errors import Corrupt, Refused, Unavailable
from ....common.http.answer import Answer, status_line
from ....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ....common.timestamp import Timestamp, now
from ...authorization import denial
from ...info import get_container_info
from ..accept import best_match
from ..inner import Reply, ask, inner_environ, path_of
from ..slow_answers import FORMS, beating, document
from . import manifest
from .manifest import Stored
from .reading import MARK, is_manifest

ONE_BYTE = {"Range": "bytes=-1", "X-Backend-Ignore-Range-If-Metadata-Present": MARK}
"""Headers that ask for a manifest; of what is none, one byte is enough."""
KEPT = "409 Conflict"
"""What is said of manifests that stay because something below them does."""


@dataclass(slots=True)
class Tally:
    """What came of it so far."""

    deleted: int = 0
    missing: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    is_ours: bool = False
    """Whether a server has failed, rather than the client."""

    def fail(self, path: str, problem: str) -> None:
        """Note what could not be deleted."""
        self.errors.append((quote(f"/{path}", errors="surrogateescape"), problem))

    def status(self) -> int:
        """Return the status that is told in the body."""
        if not self.errors:
            return 200
        return 502 if self.is_ours else 400


class Deletion:
    """One DELETE of a large object."""

    def __init__(self, app: WSGIApp, environ: Environ, *, concurrency: int, version_id: str | None) -> None:
        self._app = app
        self._environ = environ
        self._concurrency = concurrency
        _, _, account, self._name = from_wsgi(environ["PATH_INFO"]).split("/", 3)
        self._account = account
        self._version = {} if version_id is None else {"version-id": version_id}
        self._tally = Tally()

    def answer(self, *, heartbeat_seconds: float) -> Answer:
        """Return the answer, whose body is the work."""
        try:
            form = best_match(self._environ.get("HTTP_ACCEPT") or "", FORMS)
        except ValueError:
            form = FORMS[0]
        if form is None:
            return Answer.text(406, "The outcome has no form that the Accept header allows.\n")
        body = beating(lambda: self._outcome(form), form=form, every_seconds=heartbeat_seconds)
        return Answer(200, {"Content-Type": form}, body)

    def _outcome(self, form: str) -> bytes:
        self.run()
        tally = self._tally
        facts: dict[str, str | int] = {
            "Response Status": status_line(tally.status()),
            "Response Body": "",
            "Number Deleted": tally.deleted,
            "Number Not Found": tally.missing,
        }
        return document(form, facts, tally.errors, root="delete")

    def run(self) -> None:
        """Delete segments first, then manifests from the innermost out."""
        manifests: dict[str, None] = {}
        found = [self._name]
        while found:
            path = found.pop()
            if path in manifests:
                continue
            segments = self._segments(path)
            if segments is None:
                continue
            manifests[path] = None
            # Who is found here is deleted before the manifest that names it.
            found += [each.path for each in segments if each.is_manifest]
            self._delete(each.path for each in segments if each.data is None and not each.is_manifest)
        for path in reversed(manifests):
            if self._tally.errors:
                self._tally.fail(path, KEPT)
            else:
                self._delete([path])

    def _segments(self, path: str) -> Sequence[Stored] | None:
        """Return what a manifest names; None when it is none, which is noted."""
        reply = self._ask("GET", path, {"multipart-manifest": "get"})
        if reply.status == 404:
            self._tally.missing += 1
            return None
        if reply.status == 401:
            self._tally.fail(path, status_line(401))
        elif not reply.is_good:
            self._tally.fail(path, "Unable to load SLO manifest or segment.")
        elif not is_manifest(list(reply.headers.items())):
            self._tally.fail(path, "Not an SLO manifest")
        else:
            try:
                return manifest.stored(reply.read())
            except Corrupt:
                self._tally.fail(path, "Unable to load SLO manifest")
        return None

    def _delete(self, paths: Iterable[str]) -> None:
        """Delete objects, several at a time, and note how it went."""
        paths = list(dict.fromkeys(paths))
        crew = Crew(self._concurrency)
        for path, reply in zip(
            paths, crew.map(lambda path: self._ask("DELETE", path, {}), paths), strict=True
        ):
            if reply.is_good:
                self._tally.deleted += 1
            elif reply.status == 404:
                self._tally.missing += 1
            else:
                self._tally.is_ours |= reply.status // 100 == 5
                self._tally.fail(path, status_line(reply.status))

    def _ask(self, method: str, path: str, query: dict[str, str]) -> Reply:
        """Make a request with the client's rights; only a manifest's body is left to read."""
        if path == self._name:
            query = {**query, **self._version}
        reply = ask(
            self._app,
            self._environ,
            method,
            path_of(self._environ, self._account, path),
            query=query,
            headers=ONE_BYTE if method == "GET" else {},
        )
        if method != "GET" or not is_manifest(list(reply.headers.items())):
            reply.close()
        return reply


Later = Callable[[str, str, Sequence[str], Timestamp], None]
"""Account, container, names, and the moment up to which objects of those names go."""


def queue_behind(app: object) -> Later | None:
    """Return the proxy's own way; every filter keeps the next one as `app`."""
    while app is not None:
        later: Later | None = getattr(app, "delete_later", None)
        if later is not None:
            return later
        app = getattr(app, "app", None)
    return None


def delete_later(app: WSGIApp, environ: Environ, *, version_id: str | None) -> Answer | None:
    """Have the expirer delete the segments, or None where there is nobody who could see to that.

    The manifest is deleted after that: if it fails, asking again queues the segments once more, which does
    no harm.

    Raises:
        Refused: for segments in several containers, for manifests among them, and where there is no manifest.
        Unavailable: when the segments cannot be queued.
    """
    queue = queue_behind(app)
    if queue is None:
        return None
    _, _, account, container, name = from_wsgi(environ["PATH_INFO"]).split("/", 4)
    query = {} if version_id is None else {"version-id": version_id}
    segments = [each for each in _read(app, environ, query) if each.data is None]
    containers = sorted({each.path.partition("/")[0] for each in segments})
    if len(containers) > 1:
        named = ", ".join(f'"{quote(each)}"' for each in containers)
        raise Refused(f"All segments must be in one container. Found segments in {named}")
    if any(each.is_manifest for each in segments):
        raise Refused("No segments may be large objects.")
    for place in (container, *containers):
        refusal = _refusal(app, environ, path_of(environ, account, place, name))
        if refusal is not None:
            return refusal
    if segments:
        names = list(dict.fromkeys(each.path.partition("/")[2] for each in segments))
        queue(account, containers[0], names, now())
    return ask(app, environ, "DELETE", from_wsgi(environ["PATH_INFO"]), query=query).answer()


def _refusal(app: WSGIApp, environ: Environ, path: str) -> Answer | None:
    """Return why the client may not write there, or None."""
    asking = inner_environ(environ, "DELETE", path)
    return denial(asking, get_container_info(asking, app).write_acl)


def _read(app: WSGIApp, environ: Environ, query: dict[str, str]) -> Sequence[Stored]:
    """Return the segments of the manifest."""
    query = {**query, "multipart-manifest": "get"}
    reply = ask(app, environ, "GET", from_wsgi(environ["PATH_INFO"]), query=query, headers=ONE_BYTE)
    if reply.is_good and is_manifest(list(reply.headers.items())):
        return manifest.stored(reply.read())
    reply.close()
    if reply.is_good:
        raise Refused("Not an SLO manifest")
    if reply.status // 100 == 5:
        raise Unavailable("The manifest cannot be read now.\n")
    raise Refused(
        "SLO manifest not found" if reply.status == 404 else status_line(reply.status), reply.status
    )
