"""apus-account-reaper CONF [--once]: remove what deleted accounts hold.

CONF, section [account-reaper] ──▶ AccountReaper ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..account.reaper import AccountReaper
from ..common.daemon import run


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(AccountReaper, "account-reaper", argv)


if __name__ == "__main__":
    sys.exit(main())
