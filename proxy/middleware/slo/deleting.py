"""DELETE of a static large object with all that it is made of.

    manifest ──▶ its segments, several at a time ──▶ its sub-manifests' ──▶ the manifests, inner ones first

A manifest goes only when everything below it is gone: whatever breaks off in between, what is left can be
reached from the outermost manifest, and asking again finishes it. Where something cannot be deleted, the
manifests stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from ....common.concurrency import Crew
from ....common.errors import Corrupt
from ....common.http.answer import Answer, status_line
from ....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ..accept import best_match
from ..inner import Reply, ask, path_of
from ..slow_answers import FORMS, beating, document
from . import manifest
from .manifest import Stored
from .reading import MARK, is_manifest

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
        # Of an object that is no manifest one byte is enough.
        headers = {"Range": "bytes=-1", "X-Backend-Ignore-Range-If-Metadata-Present": MARK}
        reply = ask(
            self._app,
            self._environ,
            method,
            path_of(self._environ, self._account, path),
            query=query,
            headers=headers if method == "GET" else {},
        )
        if method != "GET" or not is_manifest(list(reply.headers.items())):
            reply.close()
        return reply
