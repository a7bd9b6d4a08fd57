"""apus-object-server CONF: serve the objects of this node's devices.

CONF ──▶ PasteDeploy pipeline ──▶ common.http.service ──▶ workers that serve proxies and daemons
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.http.service import run_server
from ..object.files.removal import remove_later


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop."""
    remove_later()
    return run_server(sys.argv[1:] if argv is None else argv, "object-server")


if __name__ == "__main__":
    sys.exit(main())
