"""apus-account-replicator CONF [--once]: make the replicas of this node's accounts equal.

CONF, section [account-replicator] ──▶ AccountReplicator ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..replicator.database import AccountReplicator


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(AccountReplicator, "account-replicator", argv)


if __name__ == "__main__":
    sys.exit(main())
