"""The proxy server: `apus-proxy-server CONF`.

CONF ──▶ PasteDeploy pipeline ──▶ common.http.service ──▶ workers that serve clients
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common import shared_board
from ..common.http.service import run_server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop."""
    shared_board.uploads.begin()  # Before workers are forked, which are to know of each other's uploads.
    return run_server(sys.argv[1:] if argv is None else argv, "proxy-server")


if __name__ == "__main__":
    sys.exit(main())
