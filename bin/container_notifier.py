"""apus-container-notifier CONF [--once]: tell webhooks what has happened to objects of S3 buckets.

CONF, section [container-notifier] ──▶ Notifier ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from .notifier import Notifier


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(Notifier, "container-notifier", argv)


if __name__ == "__main__":
    sys.exit(main())
