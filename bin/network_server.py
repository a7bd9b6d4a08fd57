"""apus-network-server CONF: serve the cloud's networks.

CONF ──▶ PasteDeploy pipeline ──▶ common.http.service ──▶ workers that serve clients and hosts' agents
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.http.service import run_server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop."""
    return run_server(sys.argv[1:] if argv is None else argv, "network-server")


if __name__ == "__main__":
    sys.exit(main())
