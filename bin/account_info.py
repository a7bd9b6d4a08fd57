"""`apus-account-info [options] ACCOUNT_DB_FILE`: what one account database says."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .inspection.database import run


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the database says."""
    return run("account", argv)


if __name__ == "__main__":
    sys.exit(main())
