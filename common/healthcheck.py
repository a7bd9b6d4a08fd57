"""GET /healthcheck: whether this server should get traffic.

    load balancer ──GET /healthcheck──▶ 200 OK, or 503 while the operator's file exists

It answers for the process alone: no device, ring or peer is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .config import parse, setting
from .http.answer import Answer
from .http.wsgi import Environ, StartResponse, WSGIApp

PATH = "/healthcheck"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthcheckConfig:
    """The filter's settings."""

    disable_path: str = setting("", help="While a file is there, /healthcheck answers 503 DISABLED BY FILE.")


class Healthcheck:
    """Answers /healthcheck and lets everything else through."""

    def __init__(self, app: WSGIApp, config: HealthcheckConfig) -> None:
        self.app = app
        self.disable_path = config.disable_path

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO") != PATH:
            return self.app(environ, start_response)
        if self.disable_path and os.path.exists(self.disable_path):
            return _plain(503, b"DISABLED BY FILE")(environ, start_response)
        return _plain(200, b"OK")(environ, start_response)


def _plain(status: int, body: bytes) -> Answer:
    return Answer(status, {"Content-Type": "text/plain"}, body)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], Healthcheck]:
    """PasteDeploy's entry: `use = egg:apus#healthcheck`."""
    config = parse(HealthcheckConfig, {**global_conf, **local_conf})
    return lambda app: Healthcheck(app, config)
