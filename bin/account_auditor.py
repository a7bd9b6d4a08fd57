"""apus-account-auditor CONF [--once]: look after this node's account databases.

CONF, section [account-auditor] ──▶ AccountAuditor ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..account.auditor import AccountAuditor
from ..common.daemon import run


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(AccountAuditor, "account-auditor", argv)


if __name__ == "__main__":
    sys.exit(main())
