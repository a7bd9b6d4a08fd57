"""apus-container-sync CONF [--once]: copy what changes in containers to containers of other clusters.

CONF, section [container-sync] ──▶ ContainerSync ──▶ common.daemon: pass after pass
                                     └── bodies from a proxy of its own inside this process

The proxy has no filters, so manifests and links are sent as they are stored; what is encrypted needs those of
internal_client_conf_path, and is refused without them.
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys
from collections.abc import Mapping
from functools import cache

from ..common.cluster import DEFAULT_DIRECTORY
from ..common.daemon import run
from ..common.http.service import load_app
from ..common.http.wsgi import WSGIApp
from ..container.broker import ContainerInfo
from ..container.sync import ContainerSync
from ..proxy.app import INNER, app_factory
from ..proxy.middleware.inner import NOBODYS, Reply, ask

ORIGIN = {"PATH_INFO": "/v1", **NOBODYS}
"""Nobody's request, on whose behalf objects are read."""


def daemon(options: Mapping[str, str]) -> ContainerSync:
    """Return the daemon.

    Raises:
        Refused: when its settings, or those of its pipeline, are wrong.
    """
    swift_dir, conf = options.get("swift_dir", DEFAULT_DIRECTORY), options.get("internal_client_conf_path")

    @cache
    def app() -> WSGIApp:
        """Make it when something is to be sent: on most clusters that is never."""
        if conf:
            return load_app(conf, swift_dir=swift_dir, **{INNER: "yes"})
        return app_factory({}, swift_dir=swift_dir)

    if conf:
        app()  # A wrong file is to be known now, and not when something has not been sent.

    def read(info: ContainerInfo, name: str) -> Reply:
        headers = {
            "X-Newest": "true",
            "X-Backend-Storage-Policy-Index": str(info.storage_policy_index),
        }
        path = f"/v1/{info.account}/{info.container}/{name}"
        query = {"symlink": "get"}
        return ask(app(), dict(ORIGIN), "GET", path, headers=headers, query=query, trusted=True)

    return ContainerSync(options, source=read)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(daemon, "container-sync", argv)


if __name__ == "__main__":
    sys.exit(main())
