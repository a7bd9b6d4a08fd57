"""apus-volume-server CONF: serve volumes and backups, kept in the store as a tenant keeps its things.

CONF ──▶ PasteDeploy pipeline ──▶ common.http.service ──▶ workers that serve clients and run jobs
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.http.service import run_server


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop."""
    return run_server(sys.argv[1:] if argv is None else argv, "volume-server")


if __name__ == "__main__":
    sys.exit(main())
