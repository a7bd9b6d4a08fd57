"""`apus-container-info [options] CONTAINER_DB_FILE`: what one container database says."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .inspection.database import run


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the database says."""
    return run("container", argv)


if __name__ == "__main__":
    sys.exit(main())
