"""Paths that are answered in front of an application: /healthcheck, /metrics, /recon/….

    request ──▶ path begins as none of ours does ──▶ application      nearly always: one look at one letter
                     └─▶ path is ours ──▶ its answer

Filters of this kind that follow each other in a pipeline become one: each function that a request passes
through on its way costs about a microsecond. It does not know what is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .http.answer import Answer
from .http.wsgi import Environ, StartResponse, WSGIApp

Answering = Callable[[Environ], Answer]


class Doors:
    """Answers some paths and lets everything else through."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app
        self.initials: frozenset[str] = (
            frozenset()
        )  # Letters behind the slash that one of our paths begins with.
        self._doors: list[tuple[str, Answering]] = []

    def open(self, path: str, answering: Answering) -> None:
        """Answer this path before all others; what ends in a slash means all that lie under it."""
        assert path.startswith("/")
        self._doors.insert(0, (path, answering))
        self.initials |= {path[1]}

    def behind(self, path: str) -> Answering | None:
        """Return who answers the path, None when it is the application."""
        for ours, answering in self._doors:
            if path == ours or (ours[-1] == "/" and path.startswith(ours)):
                return answering
        return None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("PATH_INFO") or ""
        if path[1:2] in self.initials and (answering := self.behind(path)) is not None:
            return answering(environ)(environ, start_response)
        return self.app(environ, start_response)


def before(app: WSGIApp, path: str, answering: Answering) -> WSGIApp:
    """Return what answers the path and hands everything else to the application."""
    doors = app if isinstance(app, Doors) else Doors(app)
    doors.open(path, answering)
    return doors
