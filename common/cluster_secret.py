"""Lets only members of the cluster talk to a storage server.

    proxy, daemon ──X-Backend-Cluster-Secret──▶ filter ──same secret?──▶ server
                                                      └──no──▶ 403

The secret is the same in swift.conf of every node ([apus] cluster_secret); without one everybody is let
through, as stock Swift, which trusts its network, must be. Health, recon and metrics filters that stand
before this one in a pipeline stay open. It does not know what the requests ask for.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .cluster import DEFAULT_DIRECTORY, ClusterConf
from .config import parse, setting
from .http.answer import Answer
from .http.wsgi import Environ, StartResponse, WSGIApp, to_wsgi

log = logging.getLogger(__name__)

HEADER = "X-Backend-Cluster-Secret"
_KEY = "HTTP_X_BACKEND_CLUSTER_SECRET"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSecretConfig:
    """The filter's settings."""

    cluster_secret: str = setting("", help="Overrides [apus] cluster_secret of swift.conf for this server.")
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf.")


def credentials(secret: str) -> dict[str, str]:
    """Return the headers by which a member shows itself; none where there is no secret."""
    return {HEADER: to_wsgi(secret)} if secret else {}


class ClusterSecret:
    """The filter."""

    def __init__(self, app: WSGIApp, secret: str) -> None:
        self.app = app
        self.secret = secret.encode("utf-8")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; the secret goes no further than here."""
        shown = environ.pop(_KEY, "")
        if (
            environ["REQUEST_METHOD"] == "OPTIONS"
        ):  # What kind of server it is, recon tools ask of strangers too.
            return self.app(environ, start_response)
        if self.secret and not hmac.compare_digest(shown.encode("latin-1"), self.secret):
            log.warning(
                "request without the cluster secret", extra={"remote_addr": environ.get("REMOTE_ADDR", "-")}
            )
            return Answer.text(403, "This server serves members of its cluster only.")(
                environ, start_response
            )
        return self.app(environ, start_response)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], WSGIApp]:
    """PasteDeploy's entry: `use = egg:apus#cluster_secret`."""
    config = parse(ClusterSecretConfig, {**global_conf, **local_conf})
    secret = config.cluster_secret or ClusterConf.load(config.swift_dir).secret
    return lambda app: ClusterSecret(app, secret)
