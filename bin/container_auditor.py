"""apus-container-auditor CONF [--once]: look after this node's container databases.

CONF, section [container-auditor] ──▶ ContainerAuditor ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..container.auditor import ContainerAuditor


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(ContainerAuditor, "container-auditor", argv)


if __name__ == "__main__":
    sys.exit(main())
