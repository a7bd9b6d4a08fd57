"""apus-compute-server CONF: serve servers, flavors and key pairs as OpenStack Compute does.

CONF ──▶ PasteDeploy pipeline ──▶ common.http.service ──▶ workers that serve clients and agents
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.http.service import run_server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop."""
    return run_server(sys.argv[1:] if argv is None else argv, "compute-server")


if __name__ == "__main__":
    sys.exit(main())
