"""apus-object-updater CONF [--once]: tell containers what they missed of this node's objects.

CONF, section [object-updater] ──▶ ObjectUpdater ──▶ common.daemon: pass after pass
"""

from __future__ import annotations

from ..common.concurrency import patch

patch()

import sys

from ..common.daemon import run
from ..object.updater import ObjectUpdater


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(ObjectUpdater, "object-updater", argv)


if __name__ == "__main__":
    sys.exit(main())
