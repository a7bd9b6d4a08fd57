"""apus-container-lifecycle CONF [--once]: delete what the lifecycle rules of S3 buckets say is due.

CONF, section [container-lifecycle] ──▶ Lifecycle ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from .lifecycle import Lifecycle


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(Lifecycle, "container-lifecycle", argv)


if __name__ == "__main__":
    sys.exit(main())
