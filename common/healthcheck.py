"""GET /healthcheck: whether this server should get traffic.

    load balancer ──GET /healthcheck──▶ 200 OK, or 503 while the operator's file exists

It answers for the process alone: no device, ring or peer is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .config import parse, setting
from .doors import before
from .http.answer import Answer
from .http.wsgi import Environ, WSGIApp

PATH = "/healthcheck"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthcheckConfig:
    """The filter's settings."""

    disable_path: str = setting("", help="While a file is there, /healthcheck answers 503 DISABLED BY FILE.")


class Healthcheck:
    """Answers /healthcheck."""

    def __init__(self, config: HealthcheckConfig) -> None:
        self.disable_path = config.disable_path

    def answer(self, _environ: Environ) -> Answer:
        """Say how the server is."""
        if self.disable_path and os.path.exists(self.disable_path):
            return _plain(503, b"DISABLED BY FILE")
        return _plain(200, b"OK")


def _plain(status: int, body: bytes) -> Answer:
    return Answer(status, {"Content-Type": "text/plain"}, body)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """PasteDeploy's entry: `use = egg:apus#healthcheck`."""
    config = parse(HealthcheckConfig, {**global_conf, **local_conf})
    return lambda app: before(app, PATH, Healthcheck(config).answer)
