"""apus-network-agent CONF [--once]: make this host's networks what the network service says.

CONF, section [network-agent] ──▶ NetworkAgent ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..compute.network.host.agent import NetworkAgent


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(NetworkAgent, "network-agent", argv)


if __name__ == "__main__":
    sys.exit(main())
