"""apus-object-auditor CONF [--once]: look at every object of this node again and again.

CONF, section [object-auditor] ──▶ ObjectAuditor ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..object.auditor import ObjectAuditor


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(ObjectAuditor, "object-auditor", argv)


if __name__ == "__main__":
    sys.exit(main())
